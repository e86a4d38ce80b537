import { isScalar, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { BitfleetError } from '../../shared/errors.ts'

export type Path = readonly (string | number)[]

/** A YAML text that knows the line of each of its values. */
export interface PlanSource {
  readonly value: unknown
  /** `FILE:LINE` of the value at a path, or of the nearest value around it. */
  at(path: Path): string
  /** The text of the scalar at a path as it was written, without quotes. */
  textAt(path: Path): string
  error(path: Path, message: string): BitfleetError
  /** @throws `usage` for the first thing the schema refuses, with its line */
  check<T>(schema: z.ZodType<T>, value: unknown, path: Path): T
}

const maxPlanBytes = 1 << 20

/** @throws `usage` if the text is not YAML */
export function openSource(text: string, fileName: string): PlanSource {
  if (text.length > maxPlanBytes) {
    throw new BitfleetError(
      'usage',
      `${fileName}: a plan of ${text.length} characters; at most ${maxPlanBytes} are read`,
    )
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const broken = document.errors[0]
  if (broken) {
    const line = broken.linePos?.[0].line ?? 1
    throw new BitfleetError('usage', `${fileName}:${line}: not YAML: ${broken.message.split('\n')[0]}`)
  }

  const nodeAt = (path: Path) => document.getIn(path, true) as { range?: [number, number, number] | null } | undefined
  const at = (path: Path): string => {
    for (let depth = path.length; depth >= 0; depth--) {
      const range = depth === 0 ? document.contents?.range : nodeAt(path.slice(0, depth))?.range
      if (range) return `${fileName}:${lines.linePos(range[0]).line}`
    }
    return `${fileName}:1`
  }
  const error = (path: Path, message: string) => new BitfleetError('usage', `${at(path)}: ${message}`)

  return {
    // Aliases may expand without bound; a plan needs few.
    value: document.toJS({ maxAliasCount: 100 }),
    at,
    error,
    textAt(path) {
      const node = nodeAt(path)
      if (!isScalar(node)) return ''
      return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value))
    },
    check(schema, value, path) {
      const result = schema.safeParse(value)
      if (result.success) return result.data
      const issue = deepest(result.error.issues[0])
      const place = [...path, ...issue.path.filter((key) => typeof key !== 'symbol')]
      const name = place.filter((key) => typeof key === 'string').join('.') || 'the plan'
      if (issue.code === 'unrecognized_keys') {
        const key = issue.keys[0] ?? ''
        throw error([...place, key], `${name}: there is no key "${key}" here; remove or correct it`)
      }
      throw error(place, `${name}: ${issue.message.replace(/^Invalid input: /, '')}`)
    },
  }
}

type Issue = z.core.$ZodIssue

/** Of a union's issues, the one that went furthest says most. */
function deepest(issue: Issue | undefined): Issue {
  if (!issue) throw new BitfleetError('internal', 'zod refused a value without saying why')
  if (issue.code !== 'invalid_union') return issue
  const inner = issue.errors
    .flat()
    .map(deepest)
    .sort((a, b) => b.path.length - a.path.length)[0]
  return inner && inner.path.length > 0 ? { ...inner, path: [...issue.path, ...inner.path] } : issue
}
