import type { Knobs, KnobValue } from '../../shared/condition.ts'
import type { Note, Setting } from '../../shared/execution.ts'
import type { Facts } from '../../shared/facts.ts'
import { ownValue } from '../../shared/own-value.ts'

/** What a runner said of the settings in force. */
export interface ReadBack {
  readonly settings: Facts
  /** By knob: why it is not in force, or why nothing tells. */
  readonly reasons: Facts
  readonly notes: readonly Note[]
}

/**
 * What became of each knob that a condition asks for: in force, replaced or unknown. Whether it had an effect does not
 * show here: only the cell that leaves the knob out can tell.
 *
 * @param unread why a knob that was not read back is unknown, if its backend gave no reason
 * @returns also the notes, without those that a runner of 0.1 wrote about a knob: their words are the reason now
 */
export function settingsOf(
  knobs: Knobs,
  { settings, reasons, notes }: ReadBack,
  unread?: string,
): { readonly settings: Record<string, Setting>; readonly notes: Note[] } {
  const states = Object.entries(knobs).map(([name, asked]): [string, Setting] => {
    const effective = ownValue(settings, name)
    const why = ownValue(reasons, name) ?? oldReason(notes, name)
    if (effective === undefined) return [name, { state: 'unknown', why: why ?? unread }]
    if (isSame(asked, effective)) return [name, { state: 'in force' }]
    return [name, { state: 'replaced', by: effective, why }]
  })
  const byKnob = Object.fromEntries(states)
  const isReason = ({ kind, subject }: Note) =>
    kind === 'no-effect' && Object.hasOwn(byKnob, subject) && byKnob[subject]?.state !== 'in force'
  return {
    settings: byKnob,
    notes: notes.flatMap((note): Note[] => {
      if (isReason(note)) return []
      return [note.kind === 'no-effect' ? { ...note, kind: 'warning' } : note]
    }),
  }
}

function oldReason(notes: readonly Note[], knob: string): string | undefined {
  const reasons = notes.filter(({ kind, subject }) => kind === 'no-effect' && subject === knob)
  return reasons.length === 0 ? undefined : reasons.map(({ message }) => message).join('; ')
}

/** Libraries read names without regard to case, and `03` as 3. */
function isSame(asked: KnobValue, effective: string): boolean {
  const text = String(asked)
  if (/^\d+$/.test(text) && /^\d+$/.test(effective)) return BigInt(text) === BigInt(effective)
  return text.toLowerCase() === effective.toLowerCase()
}
