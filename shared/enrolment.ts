import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { BitfleetError } from './errors.ts'
import { labelsSchema } from './labels.ts'
import { fingerprintOf, type KeyPair, keyPairFromSeed, publicKeyPattern } from './keys.ts'

/**
 * A one-time token: the seed of an Ed25519 key, and the fingerprint of the coordinator that takes it. The seed never
 * leaves the agent: it signs the enrolment, so that nobody between can put another key in its place, and the
 * coordinator keeps only the fingerprint of its public key.
 */
export interface EnrolmentToken {
  readonly key: KeyPair
  /** SHA-256 of the token's public key: what the coordinator knows it by. */
  readonly id: string
  /** SHA-256 of the coordinator's public key. */
  readonly coordinator: string
}

const tokenPattern = /^bft1_([A-Za-z0-9_-]{43})_([0-9a-f]{64})$/

/** @param coordinator fingerprint. @returns the text to hand to one machine, to be shown once */
export function createTokenText(coordinator: string, seed: Uint8Array = randomBytes(32)): string {
  return `bft1_${Buffer.from(seed).toString('base64url')}_${coordinator}`
}

/** @throws `usage`, without repeating the text */
export function parseToken(text: string): EnrolmentToken {
  const [, seed, coordinator] = tokenPattern.exec(text.trim()) ?? []
  if (seed === undefined || coordinator === undefined) {
    throw new BitfleetError('usage', 'this is no token: `bitfleet token create` makes one, and it begins with bft1_')
  }
  const key = keyPairFromSeed(Buffer.from(seed, 'base64url'))
  return { key, id: fingerprintOf(key.publicKey), coordinator }
}

const publicKeySchema = z.string().regex(publicKeyPattern)
const hexSchema = z.string().regex(/^[0-9a-f]{64}$/)

export const agentNameSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)

/** What an agent asks, signed by its own key and by the token's (`bitfleet/enrolment@1`). */
export const enrolmentSchema = z.strictObject({
  /** Fingerprint of the coordinator it is meant for. */
  coordinator: hexSchema,
  /** The agent's public key. */
  key: publicKeySchema,
  labels: labelsSchema,
  name: agentNameSchema,
  /** The token's public key. */
  token: publicKeySchema,
})
export type Enrolment = z.infer<typeof enrolmentSchema>

/** What the coordinator answers, signed by its key (`bitfleet/enrolled@1`). */
export const enrolledSchema = z.strictObject({
  agent: z.string(),
  /** The coordinator's public key, whose fingerprint the token carries. */
  coordinator: publicKeySchema,
  /** The agent's public key. */
  key: publicKeySchema,
  /** Renewals so far: 0 unless this agent was enrolled before. */
  sequence: z.number().int().nonnegative(),
})
export type Enrolled = z.infer<typeof enrolledSchema>

/** One place further in the chain of an agent's connections: whoever does not know `previous` has a copied state. */
export const renewalSchema = z.strictObject({
  sequence: z.number().int().positive(),
  /** 16 random bytes in hex, chosen for this connection. */
  mark: z.string().regex(/^[0-9a-f]{32}$/),
  /** The mark before it; empty before the first. */
  previous: z.string().regex(/^([0-9a-f]{32})?$/),
})
export type Renewal = z.infer<typeof renewalSchema>
