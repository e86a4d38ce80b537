import type { Context } from 'hono'
import { labelsSchema } from '../../shared/enrolment.ts'
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

/** @param text one `key=value` a line. @throws `usage` */
export function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const line of text.split(/\r?\n/).map((each) => each.trim())) {
    if (line === '') continue
    const at = line.indexOf('=')
    const key = line.slice(0, at)
    if (at <= 0) throw new BitfleetError('usage', `"${line}" is not key=value`)
    if (Object.hasOwn(labels, key)) throw new BitfleetError('usage', `the label ${key} is given twice`)
    labels[key] = line.slice(at + 1)
  }
  const checked = labelsSchema.safeParse(labels)
  if (checked.success) return checked.data
  const issue = checked.error.issues[0]
  throw new BitfleetError(
    'usage',
    `labels: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}; keys are letters, digits and . _ / - inside`,
  )
}

/** A whole number of a query, from 0. */
export function offsetOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
