import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { BitfleetError } from '../../shared/errors.ts'

/** Fewer can be guessed offline from a copied store, whatever the hash costs. */
export const minPasswordLength = 12
const maxPasswordBytes = 1024

/** Parameters of scrypt (RFC 7914). */
export interface PasswordCost {
  readonly logN: number
  readonly r: number
  readonly p: number
}

/** 32 MiB and a fraction of a second a try: one of the settings that OWASP's Password Storage Cheat Sheet names equal. */
const cost: PasswordCost = { logN: 15, r: 8, p: 3 }
const hashBytes = 32
/** Each costs 32 MiB: more of them wait. */
const maxAtOnce = 2
const maxWaiting = 64

let running = 0
const waiting: (() => void)[] = []

async function derive(password: string, salt: Uint8Array, { logN, r, p }: PasswordCost): Promise<Buffer> {
  if (running >= maxAtOnce) {
    if (waiting.length >= maxWaiting) {
      throw new BitfleetError('unavailable', 'too many passwords are being checked; try again in a moment')
    }
    await new Promise<void>((resolve) => waiting.push(resolve))
  } else running++
  try {
    const options = { N: 2 ** logN, r, p, maxmem: 128 * r * (2 ** logN + p + 2) }
    return await new Promise<Buffer>((resolve, reject) => {
      // The same letters in another composition are the same password.
      scrypt(password.normalize('NFKC'), salt, hashBytes, options, (error, key) =>
        error ? reject(error) : resolve(key),
      )
    })
  } finally {
    // Whoever waits takes this one's place.
    const next = waiting.shift()
    if (next) next()
    else running--
  }
}

/**
 * @returns `scrypt$logN$r$p$SALT$HASH`, salt and hash in base64url: all that checking it later needs
 * @throws `usage` for a password that is too short or too long
 */
export async function hashPassword(password: string, { logN, r, p }: PasswordCost = cost): Promise<string> {
  if (Array.from(password).length < minPasswordLength) {
    throw new BitfleetError(
      'usage',
      `a password has at least ${minPasswordLength} characters; some words make a good one`,
    )
  }
  if (Buffer.byteLength(password) > maxPasswordBytes) {
    throw new BitfleetError('usage', `a password has at most ${maxPasswordBytes} bytes`)
  }
  const salt = randomBytes(16)
  const hash = await derive(password, salt, { logN, r, p })
  return `scrypt$${logN}$${r}$${p}$${salt.toString('base64url')}$${hash.toString('base64url')}`
}

/** Somebody's who is not there: checking a password against it takes as long, and never succeeds. */
const nobodys = ({ logN, r, p }: PasswordCost) => `scrypt$${logN}$${r}$${p}$${'A'.repeat(22)}$${'A'.repeat(43)}`

/** @param kept as `hashPassword` gave it, or undefined for nobody: it takes the same time */
export async function checkPassword(
  password: string,
  kept: string | undefined,
  usual: PasswordCost = cost,
): Promise<boolean> {
  const [, logN, r, p, salt = '', hash = ''] = (kept ?? nobodys(usual)).split('$')
  // No password is longer, and hashing a long text is not free.
  const tried = Buffer.byteLength(password) > maxPasswordBytes ? '' : password
  const key = await derive(tried, Buffer.from(salt, 'base64url'), { logN: Number(logN), r: Number(r), p: Number(p) })
  return timingSafeEqual(key, Buffer.from(hash, 'base64url')) && kept !== undefined && tried === password
}
