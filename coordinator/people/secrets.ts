import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** 32 random bytes, as text that may stand in an address, a cookie or a header. */
export function newSecret(prefix = ''): string {
  return `${prefix}${randomBytes(32).toString('base64url')}`
}

/** What is kept of a secret: whoever reads it cannot use it. Bare hex. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/** In time that does not depend on where they differ, nor on the lengths. */
export function equalSecrets(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
