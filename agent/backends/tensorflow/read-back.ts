import type { Note } from '../../../shared/execution.ts'
import type { NativeSettings } from './native-settings.ts'
import type { OnednnReport } from './onednn.ts'
import type { TfjsNode } from './tfjs-node.ts'

/** All that was read of a TensorFlow in this process. */
export interface Readings {
  readonly tensorflow: Pick<TfjsNode, 'packageVersion' | 'started'> & {
    readonly version: string
    readonly usesGpu: boolean
    /** Built for processors alone, or for NVIDIA's GPUs too. */
    readonly build: 'cpu' | 'gpu'
  }
  readonly native: NativeSettings
  readonly onednn: OnednnReport
}

/** What is in force, from what was read; each setting is left out where nothing tells it. */
export function settingsOf({ tensorflow, native, onednn }: Readings) {
  const interOp = interOpPool(tensorflow, native)
  const intraOp = intraOpPool(tensorflow, interOp)
  // Without a count of threads, oneDNN's word for the pool it was given.
  const settings = known({
    intraOpThreads: intraOp ?? (tensorflow.usesGpu ? undefined : onednn.threads),
    interOpThreads: interOp,
    oneDNN: native.oneDnn,
    maxIsa: onednn.instructions,
    deterministicOps: native.deterministicOps,
  })
  const facts = known({
    'lib.tensorflow.version': tensorflow.version,
    'lib.tfjs-node.version': tensorflow.packageVersion,
    'lib.tensorflow.device': tensorflow.usesGpu ? 'gpu' : 'cpu',
    'lib.tensorflow.tensor-float-32': tensorflow.usesGpu ? native.tensorFloat32 : undefined,
    'lib.onednn.version': onednn.version,
    'lib.onednn.isa': onednn.instructions,
    'lib.onednn.implementations': onednn.implementations.join('; ') || undefined,
    'pool.tensorflow.intra-op': settings.intraOpThreads,
    'pool.tensorflow.intra-op.from': poolOrigin(native.intraOpAsked),
    'pool.tensorflow.inter-op': settings.interOpThreads,
    'pool.tensorflow.inter-op.from': poolOrigin(native.interOpAsked),
  })
  const notes = notesOf(settings, { tensorflow, native, onednn })
  return { settings, reasons: reasonsOf(onednn), facts, notes }
}

function interOpPool({ started }: Readings['tensorflow'], native: NativeSettings): number | undefined {
  if (started === undefined) return undefined
  // Before 2.19 no thread has a name of its own; then the pool is as large as TensorFlow's rule makes it.
  return started.interOp > 0 ? started.interOp : native.interOpAsked || native.processors
}

function intraOpPool({ started, usesGpu }: Readings['tensorflow'], interOp: number | undefined): number | undefined {
  // With a GPU, drivers start threads of their own.
  if (started === undefined || interOp === undefined || usesGpu) return undefined
  return started.all > interOp ? started.all - interOp : undefined
}

/** What gave a pool its size: a variable, or the processors this process may run on. A CPU quota never does. */
function poolOrigin(asked: number | undefined): string | undefined {
  if (asked === undefined) return undefined
  return asked > 0 ? 'environment' : 'affinity'
}

/** By knob, why it is not as asked, or why nothing tells. */
function reasonsOf({ instructions }: OnednnReport): Record<string, string> {
  const unread = 'TensorFlow has no function that tells it'
  return {
    maxIsa:
      instructions === undefined
        ? 'oneDNN said nothing of the instructions it makes code for: this TensorFlow was not seen to use it'
        : 'it is a bound: oneDNN takes no instructions that the processor lacks',
    cudnnDeterministic: unread,
    cudnnAutotune: unread,
    tf32Override: unread,
  }
}

function notesOf(settings: Record<string, string>, { tensorflow, native, onednn }: Readings): Note[] {
  const notes: Note[] = []
  if (tensorflow.build === 'gpu' && !tensorflow.usesGpu) {
    const message = 'this TensorFlow is built for NVIDIA GPUs, found none that it can use, and computes on processors'
    notes.push({ kind: 'fallback', subject: 'device', message })
  }
  if (!tensorflow.usesGpu && onednn.threads !== undefined && native.oneDnn === true) {
    const size = settings.intraOpThreads
    if (size !== undefined && size !== String(onednn.threads)) {
      const message = `TensorFlow started ${size} threads for its operations, and oneDNN was given ${onednn.threads}`
      notes.push({ kind: 'warning', subject: 'intraOpThreads', message })
    }
  }
  return notes
}

/** Those that have a value, as text. */
function known(values: Record<string, string | number | boolean | undefined>): Record<string, string> {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]))
}
