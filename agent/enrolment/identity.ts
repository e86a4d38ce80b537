import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { agentIdOf, type KeyPair, openKeyFile } from '../../shared/keys.ts'

/** An agent is its key; a name is only what people call it. */
export interface Identity extends KeyPair {
  /** `a-` and the first 16 hex digits of the SHA-256 of the raw public key. */
  readonly id: string
}

/**
 * The Ed25519 key of a state folder, made there at first use and readable by its owner alone.
 *
 * @throws `system` where it cannot be read or written, `format` where the file holds no such key
 */
export function openIdentity(stateDir: string): Identity {
  const file = join(stateDir, 'key.pem')
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 })
    const key = openKeyFile(file)
    return { ...key, id: agentIdOf(key.publicKey) }
  } catch (cause) {
    if (cause instanceof BitfleetError) throw cause
    throw new BitfleetError('system', `the agent's key ${file} cannot be read or made: ${messageOf(cause)}`, { cause })
  }
}
