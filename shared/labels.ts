import { z } from 'zod'
import { BitfleetError } from './errors.ts'
import { visibleLine } from './visible.ts'

const keyPattern = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/
const maxValueLength = 200
const maxLabels = 64

/** What is said of an agent, by which plans aim. */
export const labelsSchema = z
  .record(z.string().regex(keyPattern), z.string().max(maxValueLength))
  .refine((labels) => Object.keys(labels).length <= maxLabels, `more than ${maxLabels} labels`)

/**
 * Labels as a person writes them.
 *
 * @param texts `KEY=VALUE` each
 * @throws `usage` for what is no label, and for one given twice
 */
export function parseLabels(texts: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const text of texts) {
    const at = text.indexOf('=')
    const key = text.slice(0, at)
    if (at < 1) throw new BitfleetError('usage', `label "${visibleLine(text)}" is not KEY=VALUE`)
    if (Object.hasOwn(labels, key)) throw new BitfleetError('usage', `the label ${visibleLine(key)} is given twice`)
    const value = text.slice(at + 1)
    if (!keyPattern.test(key) || value.length > maxValueLength) {
      throw new BitfleetError(
        'usage',
        `label "${visibleLine(text)}" cannot be: a key is up to 63 letters, digits and . _ / - that begin with a letter ` +
          `or digit, a value at most ${maxValueLength} characters`,
      )
    }
    labels[key] = value
  }
  if (Object.keys(labels).length > maxLabels) throw new BitfleetError('usage', `more than ${maxLabels} labels`)
  return labels
}
