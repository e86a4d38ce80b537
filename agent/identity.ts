import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sha256Hex } from '../shared/digest.ts'
import { BitfleetError, messageOf } from '../shared/errors.ts'

/** An agent is its key; a name is only what people call it. */
export interface Identity {
  /** `a-` and the first 16 hex digits of the SHA-256 of the raw public key. */
  readonly id: string
  readonly privateKey: KeyObject
  /** The raw 32 bytes. */
  readonly publicKey: Uint8Array
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
    return identityOf(readKey(file) ?? makeKey(stateDir, file), file)
  } catch (cause) {
    if (cause instanceof BitfleetError) throw cause
    throw new BitfleetError('system', `the agent's key ${file} cannot be read or made: ${messageOf(cause)}`, { cause })
  }
}

function readKey(file: string): string | undefined {
  try {
    // Copied or restored with wider rights, it is narrowed again before it is used.
    if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600)
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Written whole under another name first: a key that stands is complete, and the first one made stays. */
function makeKey(stateDir: string, file: string): string {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const fresh = join(stateDir, `key.${process.pid}.new`)
  writeFileSync(fresh, pem, { mode: 0o600, flush: true })
  try {
    linkSync(fresh, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(fresh)
  }
  return readFileSync(file, 'utf8')
}

function identityOf(pem: string, file: string): Identity {
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(pem)
  } catch (cause) {
    throw new BitfleetError(
      'format',
      `${file} holds no private key; move it away and the agent makes another identity`,
      {
        cause,
      },
    )
  }
  if (privateKey.asymmetricKeyType !== 'ed25519') {
    throw new BitfleetError('format', `${file} holds a key of type ${privateKey.asymmetricKeyType}, not Ed25519`)
  }
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' })
  const publicKey = new Uint8Array(Buffer.from(x as string, 'base64url'))
  return { id: `a-${sha256Hex(publicKey).slice(0, 16)}`, privateKey, publicKey }
}
