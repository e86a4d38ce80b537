import type { Context } from 'hono'
import { BitfleetError } from '../../shared/errors.ts'

export const maxFormBytes = 1 << 16

/** A form's fields as text. @throws `usage` for anything but a form of a page */
export async function readForm(c: Context): Promise<(name: string) => string> {
  if (!/^application\/x-www-form-urlencoded\b/i.test(c.req.header('content-type') ?? '')) {
    throw new BitfleetError('usage', 'a form is sent as application/x-www-form-urlencoded')
  }
  const fields = new URLSearchParams(await c.req.text())
  return (name) => fields.get(name) ?? ''
}

/** The lines of a field that say something. */
export function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

/** A whole number of a query, from 0. */
export function offsetOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
