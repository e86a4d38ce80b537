import type { MiddlewareHandler } from 'hono'
import { BitfleetError } from '../../shared/errors.ts'

/** What no database takes. */
const nul = /\0/
/** An id has no invisible character. */
const invisible = /\p{C}/u

/** @param url absolute */
function urlProblem(url: string, refused: RegExp): string | undefined {
  const { pathname, search } = new URL(url)
  for (const part of [pathname, search]) {
    let text: string
    try {
      text = decodeURIComponent(part)
    } catch {
      return 'the address has a percent sign that does not begin a character in UTF-8'
    }
    if (refused.test(text)) return 'the address has an invisible character, such as a NUL'
  }
  return undefined
}

/**
 * Refuses an address that no page and no client makes, before it reaches the store.
 *
 * @param of pages say every other name that does not exist as text
 * @throws `usage`
 */
export function checkUrl(of: 'api' | 'pages'): MiddlewareHandler {
  const refused = of === 'api' ? invisible : nul
  return async (c, next) => {
    const problem = urlProblem(c.req.url, refused)
    if (problem !== undefined) throw new BitfleetError('usage', problem)
    await next()
  }
}
