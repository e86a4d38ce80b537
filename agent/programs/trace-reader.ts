import { BitfleetError, isBitfleetError, messageOf } from '../../shared/errors.ts'
import { parseNpy } from '../../shared/npy.ts'
import { createPlaceCheck } from '../../shared/places.ts'
import { parseSafetensors } from '../../shared/safetensors.ts'
import type { Tensor } from '../../shared/tensor.ts'
import { visibleLine } from '../../shared/visible.ts'
import type { WorkloadContext } from '../../workloads/workload.ts'
import type { ProgramEntry } from './entry.ts'
import { followTrace, leftFiles, takeFile } from './follow.ts'
import type { Said } from './said.ts'
import { parseTraceLine, traceFile, type TracedCheckpoint } from './trace-line.ts'

/** A file is in memory as a whole while it is read. */
const maxFileBytes = 1 << 30
const maxTotalBytes = 64 * 2 ** 30
/** In UTF-16 code units. */
const maxFactLength = 1000

export type TraceReader = ReturnType<typeof createTraceReader>

/**
 * Takes a trace line by line, and the tensors it names.
 *
 * @param out the program's folder
 */
export function createTraceReader(
  { id }: Pick<ProgramEntry, 'id'>,
  out: string,
  { checkpoint, said }: { readonly checkpoint: WorkloadContext['checkpoint']; readonly said: Said },
) {
  const follower = followTrace(out)
  const placeFault = createPlaceCheck()
  const taken = new Set<string>()
  let line = 0
  let checkpoints = 0
  let last: { readonly step: number; readonly name: string } | undefined
  let totalBytes = 0

  const take = ({ file, step, name, prefix = '', role }: TracedCheckpoint) => {
    if (taken.has(file)) throw new BitfleetError('workload', 'it was named before; a file is named once')
    taken.add(file)
    const bytes = takeFile(out, file, maxFileBytes)
    totalBytes += bytes.byteLength
    if (totalBytes > maxTotalBytes) throw new BitfleetError('limit', `all its tensors are over ${maxTotalBytes} bytes`)
    const tensors: (readonly [string, Tensor])[] =
      name === undefined ? [...parseSafetensors(bytes)] : [[name, parseNpy(bytes, file)]]
    if (tensors.length === 0) throw new BitfleetError('workload', 'it holds no tensor')
    for (const [own, tensor] of tensors) {
      const whole = `${prefix}${own}`
      const fault = placeFault({ step, name: whole })
      if (fault !== undefined) throw new BitfleetError('workload', fault)
      checkpoint(step, whole, tensor, role)
      checkpoints++
      last = { step, name: whole }
    }
  }

  const read = (text: string) => {
    line++
    let file: string | undefined
    try {
      const told = parseTraceLine(text)
      if (told.checkpoint !== undefined) {
        file = told.checkpoint.file
        take(told.checkpoint)
      }
      if (told.settings !== undefined) said.settings(told.settings)
      if (told.facts !== undefined) said.facts(told.facts)
      if (told.note !== undefined) said.note(told.note)
    } catch (error) {
      const at = `${traceFile} of program ${id}, line ${line}${file === undefined ? '' : `, ${file}`}`
      // What it has may be in the words: the line is the program's.
      const fact = visibleLine(messageOf(error)).slice(0, maxFactLength)
      throw new BitfleetError(isBitfleetError(error) ? error.code : 'internal', `${at}: ${fact}`, { cause: error })
    }
  }

  return {
    /** Bytes that the trace has now, taken or not. */
    size: () => inTrace(() => follower.size()),
    /** The checkpoint that was taken last. */
    last: () => last,
    /** Takes all that is there now. */
    readOn(): void {
      for (let lines = readLines(); lines.length > 0; lines = readLines()) for (const text of lines) read(text)
    },
    /** @throws `workload` where a program that ended well left no trace, or half a line */
    complete(): void {
      if (follower.unended() > 0) {
        throw new BitfleetError(
          'workload',
          `${traceFile} of program ${id} ends inside line ${line + 1}; end it by a line feed`,
        )
      }
      inTrace(() => follower.checkPlace())
      follower.close()
      const left = inTrace(() => leftFiles(out))
      if (left.length > 0) {
        const some = left.slice(0, 3).map((name) => visibleLine(name))
        said.note(
          `no line names ${some.join(', ')}${left.length > 3 ? ` and ${left.length - 3} more` : ''} in BITFLEET_OUT`,
        )
      }
      if (checkpoints > 0) return
      throw new BitfleetError(
        'workload',
        `program ${id} ended well and traced no tensor; it names tensors in $BITFLEET_OUT/${traceFile}, ` +
          'as docs/your-own-program.md tells',
      )
    },
  }

  function readLines(): string[] {
    return inTrace(() => follower.readLines())
  }

  function inTrace<Value>(action: () => Value): Value {
    try {
      return action()
    } catch (error) {
      const code = isBitfleetError(error) ? error.code : 'system'
      throw new BitfleetError(code, `${traceFile} of program ${id}: ${messageOf(error)}`, { cause: error })
    }
  }
}
