import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
  Parser,
  type Scalar,
  visit,
  type YAMLMap,
} from 'yaml'
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

export const maxPlanCharacters = 1 << 20
/** The library reads lists in lists by recursion. A plan has six levels or so. */
const maxDepth = 64
/** Aliases may expand without bound; a plan needs few. */
const maxAliasCount = 100
/** An alias may stand for much text. */
const maxValues = 1_000_000

/** @throws `usage` if the text is not YAML, or holds more than is read */
export function openSource(text: string, fileName: string): PlanSource {
  if (text.length > maxPlanCharacters) {
    throw new BitfleetError(
      'usage',
      `${fileName}: a plan of ${text.length} characters; at most ${maxPlanCharacters} are read`,
    )
  }
  const lines = new LineCounter()
  refuseDepth(text, fileName)
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false })
  const broken = document.errors[0]
  if (broken) {
    const line = broken.linePos?.[0].line ?? 1
    throw new BitfleetError('usage', `${fileName}:${line}: not YAML: ${broken.message.split('\n')[0]}`)
  }

  const nodes = createNodes(document)
  const at = (path: Path): string => {
    for (let depth = path.length; depth >= 0; depth--) {
      const range = nodes.find(path.slice(0, depth))?.range
      if (range) return `${fileName}:${lines.linePos(range[0]).line}`
    }
    return `${fileName}:1`
  }
  const error = (path: Path, message: string) => new BitfleetError('usage', `${at(path)}: ${message}`)

  const [twice] = nodes.twice
  if (twice) {
    const line = lines.linePos(twice.range?.[0] ?? 0).line
    throw new BitfleetError(
      'usage',
      `${fileName}:${line}: the key "${String(twice.value)}" stands twice in one map; keep one`,
    )
  }
  const missing = nodes.aliases.find((alias) => nodes.resolve(alias) === undefined)
  if (missing) {
    const line = lines.linePos(missing.range?.[0] ?? 0).line
    throw new BitfleetError(
      'usage',
      `${fileName}:${line}: nothing before *${missing.source} is named &${missing.source}; correct the name, or quote it if it is a text`,
    )
  }

  return {
    value: expanded(document, fileName),
    at,
    error,
    textAt(path) {
      const node = nodes.resolve(nodes.find(path))
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

/** @throws `usage` for lists and maps too deep in each other, before anything reads them by recursion */
function refuseDepth(text: string, fileName: string): void {
  const parser = new Parser()
  for (const lexeme of new Lexer().lex(text)) {
    // Its tokens come when a document ends; meanwhile its stack has what is open.
    Array.from(parser.next(lexeme))
    if (parser.stack.length <= maxDepth) continue
    const line = text.slice(0, parser.offset).split('\n').length
    throw new BitfleetError(
      'usage',
      `${fileName}:${line}: lists and maps stand more than ${maxDepth} deep in each other`,
    )
  }
}

/** @throws `usage` if aliases make much of little */
function expanded(document: Document, fileName: string): unknown {
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount })
  } catch (cause) {
    // The library has no other reason left.
    throw new BitfleetError(
      'usage',
      `${fileName}: aliases (*NAME) stand for others more than ${maxAliasCount} times; write out what they stand for`,
      { cause },
    )
  }
  let left = maxValues
  const waiting = [value]
  while (waiting.length > 0) {
    const one = waiting.pop()
    if (typeof one !== 'object' || one === null) continue
    const values = Object.values(one)
    left -= values.length
    if (left < 0)
      throw new BitfleetError('usage', `${fileName}: a plan of more than ${maxValues} values; at most so many are read`)
    for (const inner of values) waiting.push(inner)
  }
  return value
}

/** Finds the nodes of a document by path, through aliases. */
function createNodes(document: Document) {
  const anchors = new Map<string, Node>()
  const targets = new Map<Node, Node | undefined>()
  const aliases: Alias[] = []
  const twice: Scalar[] = []
  // The library's own search for equal keys takes the square of their number.
  const findTwice = (map: YAMLMap) => {
    const keys = new Set<unknown>()
    for (const { key } of map.items) {
      if (isScalar(key) && keys.has(key.value)) twice.push(key)
      else if (isScalar(key)) keys.add(key.value)
    }
  }
  visit(document, {
    Node(_, node, path) {
      if (isMap(node)) findTwice(node)
      if (isAlias(node)) {
        aliases.push(node)
        // An alias stands for the last node before it that has its name, and never for one that it is in.
        const target = anchors.get(node.source)
        targets.set(node, target && path.includes(target) ? undefined : target)
      } else if (node.anchor !== undefined) anchors.set(node.anchor, node)
    },
  })
  const members = new Map<Node, Map<unknown, Node>>()
  const membersOf = (node: Node): Map<unknown, Node> => {
    const known = members.get(node)
    if (known) return known
    const pairs = isMap(node)
      ? node.items.map(({ key, value }) => [isScalar(key) ? String(key.value) : key, value] as const)
      : isSeq(node)
        ? node.items.map((item, i) => [String(i), item] as const)
        : []
    const found = new Map(pairs as [unknown, Node][])
    members.set(node, found)
    return found
  }
  const resolve = (node: Node | null | undefined): Node | undefined =>
    isAlias(node) ? targets.get(node) : (node ?? undefined)
  return {
    aliases,
    /** Keys that stand in their map before. */
    twice,
    resolve,
    find(path: Path): Node | undefined {
      let node: Node | undefined = document.contents ?? undefined
      for (const key of path) {
        const whole = resolve(node)
        node = whole && (membersOf(whole).get(String(key)) ?? undefined)
      }
      return node
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
