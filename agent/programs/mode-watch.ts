import type { Note } from '../../shared/execution.ts'
import type { Facts } from '../../shared/facts.ts'
import type { FloatingPointMode } from '../inventory/floating-point.ts'
import type { ModeReader } from '../inventory/thread-mode.ts'

// The floating-point mode of a program's main thread: as it began, after each of its lines, and after the last one. A
// library that is loaded in between may set another mode for all that follows.

export interface ModeWatch {
  /**
   * Looks at the program, unless it was looked at since the trace last grew.
   *
   * @param traceBytes length of the trace now; 0 before the first line
   * @throws as `ModeReader.read` does
   */
  look(traceBytes: number): void
  /** Tells the last checkpoint that was taken: a change that was seen by now had happened by then. */
  reached(checkpoint: { readonly step: number; readonly name: string } | undefined): void
  /** Tells the length of the whole trace: only what was seen after its last line is the mode `after`. */
  close(traceBytes: number): void
  /**
   * What was seen, as `fp.program.before.…` and `fp.program.after.…`. At which line a change was seen depends on the
   * clock, so it is no fact: the notes say it.
   */
  facts(): Facts
  /** Whether the mode changed, to what, and by which checkpoint. */
  notes(): Note[]
}

/** Changes that are kept. */
const maxChanges = 8

/** @param reader or why there is none here */
export function watchMode(pid: number, reader: ModeReader | string): ModeWatch {
  let before: FloatingPointMode | undefined
  let last: { readonly mode: FloatingPointMode; readonly traceBytes: number } | undefined
  /** Why nothing was read the last time, or will ever be. */
  let obstacle = typeof reader === 'string' ? reader : 'it was not looked at'
  let hopeless = typeof reader === 'string'
  let wholeBytes: number | undefined
  const changes: { mode: string; by?: string }[] = []

  return {
    look(traceBytes) {
      if (typeof reader === 'string' || hopeless || last?.traceBytes === traceBytes) return
      const reading = reader.read(pid)
      if ('mode' in reading) {
        if (traceBytes === 0) before = reading.mode
        const previous = last ?? { mode: reading.mode }
        if (textOf(previous.mode) !== textOf(reading.mode) && changes.length < maxChanges) {
          changes.push({ mode: textOf(reading.mode) })
        }
        last = { mode: reading.mode, traceBytes }
      } else {
        hopeless = 'never' in reading
        obstacle = 'never' in reading ? reading.never : reading.busy
      }
    },
    reached(checkpoint) {
      const change = changes.at(-1)
      if (change === undefined || checkpoint === undefined) return
      change.by ??= `"${checkpoint.name}" of step ${checkpoint.step}`
    },
    close(traceBytes) {
      wholeBytes = traceBytes
    },
    facts() {
      const after = last?.traceBytes === wholeBytes ? last?.mode : undefined
      return {
        ...factsOf('before', before, obstacle),
        ...factsOf('after', after, hopeless ? obstacle : 'it ended before it could be looked at'),
      }
    },
    notes() {
      const [first] = changes
      if (first === undefined) return []
      const way = changes.map(({ mode, by }) => `${mode}${by === undefined ? '' : ` by checkpoint ${by}`}`)
      const message = `the floating-point mode of its main thread changed: ${way.join(', then ')}`
      return [{ kind: 'warning', subject: 'program', message }]
    },
  }
}

function textOf({ rounding, ftz, daz }: FloatingPointMode): string {
  return `rounding ${rounding}, FTZ ${ftz ? 'on' : 'off'}, DAZ ${daz ? 'on' : 'off'}`
}

function factsOf(when: 'before' | 'after', mode: FloatingPointMode | undefined, obstacle: string): Facts {
  const key = `fp.program.${when}`
  if (mode === undefined) return { [`${key}.method`]: `not read: ${obstacle}` }
  const facts: Record<string, string> = {
    [`${key}.method`]: 'ptrace',
    [`${key}.rounding`]: mode.rounding,
    [`${key}.ftz`]: mode.ftz ? 'yes' : 'no',
    [`${key}.daz`]: mode.daz ? 'yes' : 'no',
  }
  for (const [register, value] of Object.entries(mode.registers)) facts[`${key}.${register}`] = value
  return facts
}
