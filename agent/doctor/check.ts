/** One line of the doctor: what was looked at, how it stands, the fact, and what to do where it does not stand well. */
export interface Check {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly fact: string
  readonly remedy?: string
}

export function ok(name: string, fact: string): Check {
  return { name, status: 'ok', fact }
}

/** It works, but a person should know. */
export function warn(name: string, fact: string, remedy: string): Check {
  return { name, status: 'warn', fact, remedy }
}

/** An agent would not work, or its results could not be trusted. */
export function fail(name: string, fact: string, remedy: string): Check {
  return { name, status: 'fail', fact, remedy }
}
