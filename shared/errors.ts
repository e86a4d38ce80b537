/** Every error Bitfleet makes carries one of these codes; codes cross process and wire borders, `instanceof` does not. */
export const errorCodes = [
  'usage', // the person's command, plan or file is wrong
  'not-found', // a named thing does not exist
  'conflict', // the thing exists already, or is held by another process
  'refused', // not allowed: token, role, origin
  'format', // bytes that do not have the format they claim
  'digest-mismatch', // bytes that do not have the digest they claim
  'limit', // a bound on size, time, memory or count
  'unavailable', // a peer or a library that should be there is not
  'protocol', // a peer said something the protocol does not have
  'workload', // a workload broke its own contract
  'system', // the operating system refused
  'internal', // our own mistake
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** The message names the thing, the fact and the remedy. */
export class BitfleetError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'BitfleetError'
    this.code = code
  }
}

/** True for a BitfleetError of this or of another process (told by its code, not by its class). */
export function isBitfleetError(error: unknown): error is BitfleetError {
  return error instanceof Error && errorCodes.includes((error as { code?: ErrorCode }).code as ErrorCode)
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
