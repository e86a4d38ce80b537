import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeModel } from './model.ts'
import { operatorsOf } from './operators.ts'
import type { OnnxRuntime, SessionOptions } from './runtime.ts'

// The runtime tells none of its settings, so each is told by what it does: a pool by its threads, an execution mode by
// whether it has a pool, a level of optimisation by what becomes of a graph that each level changes otherwise.

export interface ReadBack {
  readonly settings: Readonly<Record<string, string>>
  readonly reasons: Readonly<Record<string, string>>
  readonly facts: Readonly<Record<string, string>>
}

const one = encodeModel({
  dtype: 'f32',
  nodes: [{ op: 'Sqrt', inputs: ['x'], outputs: ['y'] }],
  inputs: [{ name: 'x', rank: 1 }],
  outputs: [{ name: 'y', rank: 1 }],
})

/** Constants that can be added beforehand, and a convolution that can be fused and laid out in blocks of channels. */
const channels = 16
const layered = encodeModel({
  dtype: 'f32',
  constants: [
    { name: 'a', shape: [1], values: [1] },
    { name: 'b', shape: [1], values: [2] },
    { name: 'w', shape: [channels, channels, 1, 1], values: Array.from({ length: channels ** 2 }, (_, i) => i) },
  ],
  nodes: [
    { op: 'Add', inputs: ['a', 'b'], outputs: ['c'] },
    { op: 'Add', inputs: ['x', 'c'], outputs: ['d'] },
    { op: 'Conv', inputs: ['d', 'w'], outputs: ['e'] },
    { op: 'Relu', inputs: ['e'], outputs: ['y'] },
  ],
  inputs: [{ name: 'x', rank: 4 }],
  outputs: [{ name: 'y', rank: 4 }],
})

/** What is in force. @param options the same that kernels are computed with */
export async function readBack(ort: OnnxRuntime, options: SessionOptions): Promise<ReadBack> {
  const settings: Record<string, string> = {}
  const facts: Record<string, string> = {}
  const reasons: Record<string, string> = {}
  // The first session of a process may bring threads of its own that stay.
  await threadsOf(ort, { ...options, intraOpNumThreads: 1, executionMode: 'sequential' })

  const intra = await threadsOf(ort, { ...options, executionMode: 'sequential' })
  if (intra !== undefined) {
    settings.intraOpThreads = String(intra + 1)
    facts['pool.onnxruntime'] = settings.intraOpThreads
    const mode = await threadsOf(ort, { ...options, intraOpNumThreads: 1, interOpNumThreads: 3 })
    settings.executionMode = mode === 2 ? 'parallel' : 'sequential'
    if (mode === 2) {
      const inter = await threadsOf(ort, { ...options, intraOpNumThreads: 1 })
      if (inter !== undefined) settings.interOpThreads = String(inter + 1)
      facts['pool.onnxruntime.inter'] = settings.interOpThreads ?? 'unknown'
    } else {
      settings.interOpThreads = 'none'
      reasons.interOpThreads = 'operators run one after another, in no pool; set executionMode: parallel'
    }
  }
  const level = await readLevel(ort, options)
  if (level !== undefined) settings.graphOptimization = level
  else reasons.graphOptimization = 'on this processor the runtime does not show which level it took'
  return { settings, reasons, facts }
}

/** How many threads a session has besides the one that calls it; undefined where the system does not tell. */
async function threadsOf(ort: OnnxRuntime, options: SessionOptions): Promise<number | undefined> {
  const before = await countThreads()
  const session = await ort.InferenceSession.create(one, options)
  const after = await countThreads()
  await session.release()
  return before === undefined || after === undefined ? undefined : after - before
}

async function countThreads(): Promise<number | undefined> {
  if (process.platform !== 'linux') return undefined
  return (await readdir('/proc/self/task')).length
}

/** Undefined where this version writes no optimised graph, or levels cannot be told apart on this processor. */
async function readLevel(ort: OnnxRuntime, options: SessionOptions): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'onnx-'))
  try {
    const file = join(folder, 'optimised.onnx')
    // It warns that such a graph is of this machine alone.
    const session = await ort.InferenceSession.create(layered, {
      ...options,
      optimizedModelFilePath: file,
      logSeverityLevel: 3,
    })
    await session.release()
    const written = await readFile(file).catch(() => undefined)
    return written === undefined ? undefined : levelOf(operatorsOf(written), process.arch)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * The level that makes these operators of the graph above. Blocks of channels are for x64 alone; elsewhere the two
 * highest levels look the same.
 */
export function levelOf(operators: readonly string[], arch: string): string | undefined {
  if (operators.includes('ReorderOutput')) return 'all'
  if (operators.includes('FusedConv')) return arch === 'x64' ? 'extended' : undefined
  return operators.filter((name) => name === 'Add').length === 2 ? 'disabled' : 'basic'
}
