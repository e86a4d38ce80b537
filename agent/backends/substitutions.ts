import type { Note } from '../../shared/execution.ts'

/** Kernels that a process computed in another way, because its library lacks them or they are wrong there. */
export interface Substitutions {
  /** Notes a kernel once, however often it is used. */
  add(kernel: string, message: string): void
  /** One note of kind `fallback` for each kernel. */
  notes(): Note[]
}

export function createSubstitutions(): Substitutions {
  const messages = new Map<string, string>()
  return {
    add: (kernel, message) => void messages.set(kernel, message),
    notes: () => [...messages].map(([subject, message]) => ({ kind: 'fallback', subject, message })),
  }
}
