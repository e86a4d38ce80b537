import { groupBy } from '../../shared/group-by.ts'
import type { Report } from './format.ts'
import { plural } from './wording.ts'

// What computed, for people: the machines, the backends, and the facts in which they differ.

const named = ['cpu.brand', 'os.name', 'libc'] as const
const maxMachines = 6

/** Processor, system and C library, once for all agents that have them alike: `3 × AMD EPYC, Debian 12, glibc 2.36`. */
export function machineTexts(agents: Report['agents']): string[] {
  const texts = agents.map(({ facts }) => {
    const known = named.flatMap((fact) => facts[fact] ?? [])
    return known.length === 0 ? 'not recorded' : known.join(', ')
  })
  const groups = [...groupBy(texts, (text) => text)]
  const shown = groups.slice(0, maxMachines)
  const more = groups.length - shown.length
  return [
    ...shown.map(([text, { length }]) => (agents.length > 1 ? `${length} × ${text}` : text)),
    ...(more > 0 ? [`and ${plural(more, 'other kind')}`] : []),
  ]
}

/** Backends that completed something, in the versions that they read back: `openblas (0.3.21)`. */
export function backendTexts(cells: Report['cells']): string[] {
  const versions = new Map<string, Set<string>>()
  for (const { condition, traces } of cells) {
    if (traces.every((trace) => trace === null)) continue
    const own = versions.get(condition.backend) ?? new Set<string>()
    own.add(condition.version ?? 'version not read back')
    versions.set(condition.backend, own)
  }
  return [...versions].map(([backend, own]) => {
    const [only] = own
    return own.size === 1 && only !== undefined && backend.endsWith(`@${only}`)
      ? backend
      : `${backend} (${[...own].join('; ')})`
  })
}

/** A fact's values, and the ids of what has each. */
export type Spread = ReadonlyMap<string, readonly string[]>

/** Facts whose values are not the same everywhere, by name; one that is recorded in some places only differs too. */
export function differingFacts(
  items: readonly { readonly id: string; readonly facts: Readonly<Record<string, string>> }[],
): Map<string, Spread> {
  const spreads = new Map<string, Map<string, string[]>>()
  for (const { id, facts } of items) {
    for (const [fact, value] of Object.entries(facts)) {
      const values = spreads.get(fact) ?? new Map<string, string[]>()
      const ids = values.get(value)
      if (ids) ids.push(id)
      else values.set(value, [id])
      spreads.set(fact, values)
    }
  }
  const same = (values: Spread) => values.size === 1 && [...values.values()][0]?.length === items.length
  return new Map([...spreads].filter(([, values]) => !same(values)).sort(([a], [b]) => (a < b ? -1 : 1)))
}
