import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chmodSync, linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { sha256Hex } from './digest.ts'
import { BitfleetError } from './errors.ts'

/** An Ed25519 key. */
export interface KeyPair {
  readonly privateKey: KeyObject
  /** The raw 32 bytes in hex. */
  readonly publicKey: string
}

export const publicKeyPattern = /^[0-9a-f]{64}$/

// What stands before the 32 raw bytes in DER: RFC 8410, section 7 and section 4.
const privatePrefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const publicPrefix = Buffer.from('302a300506032b6570032100', 'hex')

/** @param seed the 32 bytes of RFC 8032, section 5.1.5 */
export function keyPairFromSeed(seed: Uint8Array): KeyPair {
  if (seed.byteLength !== 32) throw new BitfleetError('format', `a seed has 32 bytes, not ${seed.byteLength}`)
  const der = Buffer.concat([privatePrefix, seed])
  return keyPairOf(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
}

/** @param publicKey 32 bytes in hex. @throws `format` */
export function publicKeyObject(publicKey: string): KeyObject {
  if (!publicKeyPattern.test(publicKey)) throw new BitfleetError('format', 'a public key is 64 hex digits')
  const der = Buffer.concat([publicPrefix, Buffer.from(publicKey, 'hex')])
  return createPublicKey({ key: der, format: 'der', type: 'spki' })
}

/** What people compare and tokens carry: the SHA-256 of the raw public key, in hex. */
export function fingerprintOf(publicKey: string): string {
  return sha256Hex(Buffer.from(publicKey, 'hex'))
}

/** An agent is its key: `a-` and the first 16 hex digits of its fingerprint. */
export function agentIdOf(publicKey: string): string {
  return `a-${fingerprintOf(publicKey).slice(0, 16)}`
}

/**
 * The key of a PEM file, made there at first use and readable by its owner alone. Its folder must exist.
 *
 * @throws `format` where the file holds no such key, and what the operating system refuses
 */
export function openKeyFile(file: string): KeyPair {
  const pem = readKey(file) ?? makeKey(file)
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(pem)
  } catch (cause) {
    throw new BitfleetError('format', `${file} holds no private key; move it away and another identity is made`, {
      cause,
    })
  }
  if (privateKey.asymmetricKeyType !== 'ed25519') {
    throw new BitfleetError('format', `${file} holds a key of type ${privateKey.asymmetricKeyType}, not Ed25519`)
  }
  return keyPairOf(privateKey)
}

function keyPairOf(privateKey: KeyObject): KeyPair {
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' })
  return { privateKey, publicKey: Buffer.from(x as string, 'base64url').toString('hex') }
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
function makeKey(file: string): string {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const fresh = `${file}.${process.pid}.new`
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
