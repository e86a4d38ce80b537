import { backendName } from './backend-description.ts'

/** Flat `key = string` statements about a machine, a condition or an execution that may explain bits. */
export type Facts = Readonly<Record<string, string>>

/** What names a machine or moves by itself: shown, never used to explain. */
export type Attributes = Readonly<Record<string, string>>

/** What kinds of fact there are; a key that fits none of these is not a fact. */
const factPattern =
  /^(?:cpu|gpu|board|os|vm|fp|lib|knob|env|build|cgroup|pool|backend|device|memory|emulator|program)\.[^\s=]+$|^(?:kernel|libc|vm|backend|device|emulator)$/

/** What changes by itself, wherever it stands in a key. */
const movingPattern =
  /(?:^|[._-])(?:clock|temperature|load|uptime|pid|bogomips|boot[._-]?time|btime)(?:$|[._-])|(?:^|\.)(?:mhz|free)$/i

/** What names one machine, one boot or one service start, wherever it stands in a key. */
const identityPattern =
  /(?:^|[._-])(?:host[._-]?name|fqdn|node[._-]?name|serial|uuid|guid|mac|address|addresses|(?:boot|machine|host|instance|invocation)[._-]?id)(?:$|[._-])|(?:^|[._-])host$/i

/** Whether a key names a machine or something that changes by itself. Such a value never explains bits. */
export function isAttributeKey(key: string): boolean {
  return identityPattern.test(key) || movingPattern.test(key)
}

/** A setting as the plan asked for it. Two libraries may both have `threads`: these are two facts. */
export function knobFact(backend: string, knob: string): string {
  return `knob.${backendName(backend)}.${knob}`
}

/** A setting as the library reports it. */
export function effectiveFact(backend: string, knob: string): string {
  return `knob.${backendName(backend)}.effective.${knob}`
}

export function isFactKey(key: string): boolean {
  // Somebody chose the rest of such a key: a file, a parameter or a knob, such as load.py.
  if (/^(?:program\.(?:file|default)|knob)\./.test(key)) return factPattern.test(key)
  return factPattern.test(key) && !isAttributeKey(key)
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
