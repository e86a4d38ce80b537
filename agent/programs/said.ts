import { BitfleetError } from '../../shared/errors.ts'
import type { Note } from '../../shared/execution.ts'
import { isFactKey } from '../../shared/facts.ts'
import { visibleLine } from '../../shared/visible.ts'
import type { ProgramEntry } from './entry.ts'

/** What is told of a program beside its tensors: each time what is new, and all the notes. */
export interface Told {
  readonly settings: Record<string, string>
  readonly facts: Record<string, string>
  readonly notes: Note[]
  readonly mapped?: string[]
}

export type Tell = (told: Told) => void

const maxKeys = 1000
/** Of settings, and of facts, as JSON: a runner says all of it in one line at the end, of at most 1 MiB. */
const maxTextBytes = 192 << 10
const maxNotes = 64
/** What is told at once; beyond that it waits for the end, so that a program that never stops talking fills no pipe. */
const maxToldBytes = 2 << 20

/** What a program knows of itself. The machine, the device, the version and the emulator the agent sees for itself. */
function isProgramsOwn(key: string): boolean {
  return (
    isFactKey(key) &&
    /^(?:lib|pool|build|fp|backend|device\.\d+)\./.test(key) &&
    !/^fp\.program\.|^backend\.(?:version|emulator)$/.test(key)
  )
}

/** Keeps what a program says of itself, and tells it as it comes. */
export function createSaid({ knobs }: Pick<ProgramEntry, 'knobs'>, tell: Tell) {
  const settings = new Map<string, string>()
  const facts = new Map<string, string>()
  const notes: Note[] = []
  let notKept = 0
  let toldBytes = 0

  const news = (into: Map<string, string>, entries: Iterable<[string, string]>): Record<string, string> => {
    const changed = [...entries].filter(([key, value]) => into.get(key) !== value)
    for (const [key, value] of changed) into.set(key, value)
    if (into.size > maxKeys) throw new BitfleetError('limit', `there are more than ${maxKeys} settings or facts`)
    if (changed.length > 0 && Buffer.byteLength(JSON.stringify([...into])) > maxTextBytes) {
      throw new BitfleetError('limit', `all settings, or all facts, are over ${maxTextBytes} bytes`)
    }
    return Object.fromEntries(changed)
  }
  const tellAtOnce = (changed: Pick<Told, 'settings' | 'facts'>, noted: boolean) => {
    if (!noted && Object.keys({ ...changed.settings, ...changed.facts }).length === 0) return
    const told = { ...changed, notes: allNotes() }
    toldBytes += JSON.stringify(told).length
    if (toldBytes <= maxToldBytes) tell(told)
  }
  const allNotes = (): Note[] => {
    if (notKept === 0) return [...notes]
    const message = `${notKept} more notes of the program were not kept: ${maxNotes} are`
    return [...notes, { kind: 'limit', subject: 'program', message }]
  }
  /** @returns whether it is new */
  const note = (message: string): boolean => {
    if (notes.some((other) => other.message === message)) return false
    if (notes.length < maxNotes) notes.push({ kind: 'warning', subject: 'program', message })
    else notKept++
    return true
  }

  return {
    /** By the variables' names; what no knob sets is a fact. */
    settings(variables: Readonly<Record<string, string>>): void {
      const answered: [string, string][] = []
      const others: [string, string][] = []
      let noted = false
      for (const [variable, value] of Object.entries(variables)) {
        const knob = knobs.find((candidate) => candidate.variable === variable)
        if (knob !== undefined) answered.push([knob.name, value])
        else if (isProgramsOwn(`backend.${variable}`)) others.push([`backend.${variable}`, value])
        else noted = note(`"${visibleLine(variable)}" cannot be stated by a program, and is left out`) || noted
      }
      tellAtOnce({ settings: news(settings, answered), facts: news(facts, others) }, noted)
    },
    facts(said: Readonly<Record<string, string>>): void {
      const entries = Object.entries(said)
      const own = entries.filter(([key]) => isProgramsOwn(key))
      const noted = entries
        .filter((entry) => !own.includes(entry))
        .map(([key]) => note(`"${visibleLine(key)}" cannot be stated by a program, and is left out`))
      tellAtOnce({ settings: {}, facts: news(facts, own) }, noted.includes(true))
    },
    note(text: string): void {
      tellAtOnce({ settings: {}, facts: {} }, note(visibleLine(text)))
    },
    /** All of it. */
    everything: (): Told => ({
      settings: Object.fromEntries(settings),
      facts: Object.fromEntries(facts),
      notes: allNotes(),
    }),
  }
}

export type Said = ReturnType<typeof createSaid>
