import { z } from 'zod'
import { visibleLine } from '../../shared/visible.ts'

// The values that a machine's owner lets a plan choose among: they are listed one by one, or whole numbers from one to
// another. A plan never says free text.

const maxListed = 256

export const knobValueTextSchema = z
  .string()
  .max(256)
  .refine((text) => visibleLine(text) === text, 'a value has no control characters, and no spaces at its ends')

export const knobValuesSchema = z.union([
  z
    .array(knobValueTextSchema)
    .min(1)
    .max(maxListed)
    .refine((values) => new Set(values).size === values.length, 'a value is listed twice'),
  z
    .strictObject({ from: z.int().nonnegative(), to: z.int().nonnegative() })
    .refine(({ from, to }) => from <= to, 'a range goes from the smaller to the larger number'),
])
export type KnobValues = z.infer<typeof knobValuesSchema>

/** As a person reads them, and `--knob` takes them: `1..64`, or `a,b`. */
export function valuesText(values: KnobValues): string {
  if (!Array.isArray(values)) return `${values.from}..${values.to}`
  return values.map((value) => value.replace(/[\\,]/g, (character) => `\\${character}`)).join(',')
}

/** The inverse of `valuesText`; a comma inside a value is written `\,`. */
export function parseValues(text: string): unknown {
  const range = /^(\d{1,15})\.\.(\d{1,15})$/.exec(text)
  if (range !== null) return { from: Number(range[1]), to: Number(range[2]) }
  const values: string[] = ['']
  for (const [part] of text.matchAll(/\\[\\,]|[^]/g)) {
    if (part === ',') values.push('')
    else values[values.length - 1] += part.length === 2 && part.startsWith('\\') ? part.slice(1) : part
  }
  return values
}

/** An anchored regular expression that takes exactly these values. */
export function valuesPattern(values: KnobValues): string {
  const choices = Array.isArray(values)
    ? values.map((value) => value.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
    : decimalRanges(values.from, values.to)
  return `^(?:${choices.join('|')})$`
}

/**
 * Patterns of the decimal numerals without leading zeros from one number to another. The range is cut where a digit
 * overflows, so that in each part the digits vary each for itself.
 */
function decimalRanges(from: number, to: number): string[] {
  const ends = new Set([to])
  for (let power = 10; ; power *= 10) {
    const end = from - (from % power) + power - 1
    if (end >= to) break
    ends.add(end)
  }
  for (let power = 10; ; power *= 10) {
    const end = to + 1 - ((to + 1) % power) - 1
    if (end < from) break
    ends.add(end)
  }
  const parts: string[] = []
  let start = from
  for (const end of [...ends].sort((a, b) => a - b)) {
    const [low, high] = [String(start), String(end)]
    parts.push(low.replace(/\d/g, (digit, i: number) => digits(digit, high[i] as string)))
    start = end + 1
  }
  return parts
}

function digits(low: string, high: string): string {
  return low === high ? low : `[${low}-${high}]`
}
