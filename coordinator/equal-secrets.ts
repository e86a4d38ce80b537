import { createHash, timingSafeEqual } from 'node:crypto'

/** In time that does not depend on where they differ, nor on the lengths. */
export function equalSecrets(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
