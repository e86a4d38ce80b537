/** Flat `key = string` statements about a machine, a condition or an execution that may explain bits. */
export type Facts = Readonly<Record<string, string>>

/** What names a machine or moves by itself: shown, never used to explain. */
export type Attributes = Readonly<Record<string, string>>

/** What kinds of fact there are; a key that fits none of these is not a fact. */
const factPattern =
  /^(?:cpu|gpu|board|os|vm|fp|lib|knob|env|build|cgroup|pool|backend|device|memory|emulator|program)\.[^\s=]+$|^(?:kernel|libc|vm|backend|device|emulator)$/

/** Identity, and what moves by itself, wherever it stands in a key. */
const attributePattern =
  /(?:^|[._-])(?:hostname|serial|uuid|mac|address|addresses|clock|temperature|load|uptime|pid|bogomips)(?:$|[._-])|(?:^|\.)(?:mhz|free)$/i

export function isFactKey(key: string): boolean {
  // The rest of such a key is the name of a file or a parameter that somebody chose, such as load.py.
  if (/^program\.(?:file|default)\./.test(key)) return factPattern.test(key)
  return factPattern.test(key) && !attributePattern.test(key)
}

/**
 * Whether a fact is of the processor itself, and not of how many there are or how they are run: a process for which
 * another processor is emulated has none of those of its machine.
 */
export function isProcessorFact(key: string): boolean {
  return /^cpu\.(?:vendor|brand|family|model|stepping|microcode|implementer|part|variant|revision|hybrid|flags|cache)(?:$|\.)/.test(
    key,
  )
}

/** Parts what was observed into facts and attributes; a key that is no known kind of fact becomes an attribute. */
export function partFacts(observed: Readonly<Record<string, string | undefined>>): {
  facts: Facts
  attributes: Attributes
} {
  const facts: Record<string, string> = {}
  const attributes: Record<string, string> = {}
  for (const [key, value] of Object.entries(observed)) {
    if (value === undefined || value === '') continue
    if (isFactKey(key)) facts[key] = value
    else attributes[key] = value
  }
  return { facts, attributes }
}
