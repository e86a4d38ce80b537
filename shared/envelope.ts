import { sign, verify } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson } from './canonical-json.ts'
import { type KeyPair, publicKeyObject } from './keys.ts'

/** What a signature is for. One made for one domain is worth nothing in another. */
export const domains = [
  'bitfleet/job@1',
  'bitfleet/result@1',
  'bitfleet/challenge@1',
  'bitfleet/enrolment@1',
  'bitfleet/enrolled@1',
  'bitfleet/bundle@1',
] as const
export type Domain = (typeof domains)[number]

export const signaturePattern = /^[0-9a-f]{128}$/
export const signatureSchema = z.string().regex(signaturePattern)

/** What is signed: the domain in UTF-8, a zero byte, and the payload in RFC 8785 canonical JSON. */
export function signedBytes(domain: Domain, payload: unknown): Uint8Array {
  return Buffer.from(`${domain}\0${canonicalJson(payload)}`)
}

/** @returns the Ed25519 signature (RFC 8032), 64 bytes in hex. @throws `format` for what canonical JSON cannot say */
export function signPayload(domain: Domain, payload: unknown, { privateKey }: Pick<KeyPair, 'privateKey'>): string {
  return sign(null, signedBytes(domain, payload), privateKey).toString('hex')
}

/**
 * Whether a key signed a payload for a domain; false, and never an error, for whatever is malformed.
 *
 * @param publicKey 32 bytes in hex
 */
export function isSignedBy(publicKey: string, domain: Domain, payload: unknown, signature: string): boolean {
  if (!signaturePattern.test(signature)) return false
  try {
    return verify(null, signedBytes(domain, payload), publicKeyObject(publicKey), Buffer.from(signature, 'hex'))
  } catch {
    return false
  }
}
