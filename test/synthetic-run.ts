import type { Artifacts, CellRecord, ExecutionRecord, RunData } from '../coordinator/records.ts'
import { canonicalJson } from '../shared/canonical-json.ts'
import type { Knobs } from '../shared/condition.ts'
import { type Digest, digestOf, sha256Hex } from '../shared/digest.ts'
import type { Execution, Note, Outcome } from '../shared/execution.ts'
import type { AgentRecord } from '../shared/messages.ts'
import { bitsHex, bytesOf, createTensor, elementCount, type Tensor } from '../shared/tensor.ts'
import { createTrace, formatTrace } from '../shared/trace.ts'

/** A checkpoint to be: step, name, tensor; `output` makes it a final tensor too. */
export interface SyntheticCheckpoint {
  readonly step: number
  readonly name: string
  readonly tensor: Tensor
  readonly output?: boolean
}

export interface SyntheticExecution {
  /** Left out where the checkpoints are given: completed. */
  readonly outcome?: Outcome
  readonly checkpoints?: readonly SyntheticCheckpoint[]
  readonly facts?: Record<string, string>
  /** Variables of the environment in force. */
  readonly ambient?: Record<string, string>
  /** Other than the cell's. */
  readonly version?: string
  readonly notes?: readonly Note[]
}

export interface SyntheticCell {
  readonly agent?: string
  readonly workload: string
  readonly params?: Record<string, unknown>
  readonly seed?: string
  readonly backend: string
  /** Left out: `cpu`. */
  readonly device?: string
  readonly knobs?: Knobs
  readonly version?: string
  readonly label?: Execution['label']
  readonly effective?: Record<string, string>
  /** Variables of the environment that were in force. */
  readonly ambient?: Record<string, string>
  /** By repetition; null for one of which nothing came back. */
  readonly executions: readonly (SyntheticExecution | null)[]
}

/** A run that nobody computed, in every other respect a real one: digests, traces and bytes are what they claim. */
export interface SyntheticRun {
  add(cell: SyntheticCell): string
  data(): RunData
  readonly artifacts: Artifacts
  /** Bytes by digest, to plant faults in. */
  readonly tensors: Map<Digest, Uint8Array>
  readonly traces: Map<string, string>
}

export function createSyntheticRun(agents: readonly AgentRecord[], run: Partial<RunData['run']> = {}): SyntheticRun {
  const tensors = new Map<Digest, Uint8Array>()
  const traces = new Map<string, string>()
  const cells: CellRecord[] = []
  const executions: ExecutionRecord[] = []

  const execute = (
    cell: SyntheticCell,
    { outcome, checkpoints = [], facts = {}, ambient, version, notes = [] }: SyntheticExecution,
    i: number,
  ): Execution => {
    for (const { tensor } of checkpoints) tensors.set(digestOf(tensor.bytes), tensor.bytes)
    const places = checkpoints.map(({ step, name, tensor: { dtype, shape, bytes } }, seq) => ({
      ...{ seq, step, name, dtype, shape },
      digest: digestOf(bytes),
    }))
    const trace = createTrace(places)
    if (!outcome) traces.set(trace.digest, formatTrace(trace))
    return {
      outcome: outcome ?? { status: 'completed' },
      version: version ?? cell.version ?? '1.0.0',
      ...(ambient === undefined ? {} : { ambient }),
      label: cell.label ?? 'native',
      effective: cell.effective ?? {},
      ...(cell.ambient ? { ambient: cell.ambient } : {}),
      facts,
      notes: [...notes],
      ...(outcome ? {} : { trace: trace.digest }),
      outputs: checkpoints
        .filter(({ output }) => output)
        .map(({ name, tensor }) => ({
          ...{ name, dtype: tensor.dtype, shape: [...tensor.shape], digest: digestOf(tensor.bytes) },
          ...(elementCount(tensor.shape) <= 16 ? { bits: bitsHex(tensor) } : {}),
        })),
      resources: { wallMs: 120 + 7 * i, cpuMs: 100 + 5 * i, maxRssBytes: 90_000_000 },
      log: '',
    }
  }

  return {
    tensors,
    traces,
    artifacts: {
      tensor: (digest) => Promise.resolve(tensors.get(digest)),
      trace: (digest) => Promise.resolve(traces.get(digest)),
    },
    add(cell) {
      const key = {
        agent: cell.agent ?? (agents[0] as AgentRecord).id,
        workload: cell.workload,
        workloadVersion: 1,
        params: cell.params ?? {},
        seed: cell.seed ?? '42',
        condition: { backend: cell.backend, device: cell.device ?? 'cpu', knobs: { ...cell.knobs } },
      }
      const id = `c-${sha256Hex(canonicalJson(key)).slice(0, 12)}`
      cells.push({
        ...key,
        id,
        position: cells.length + 1,
        repetitions: cell.executions.length,
        limits: { timeMs: 60_000, memoryBytes: 1 << 30 },
      })
      cell.executions.forEach((execution, repetition) => {
        if (execution)
          executions.push({ cell: id, repetition, attempt: 1, execution: execute(cell, execution, repetition) })
      })
      return id
    },
    data: () => ({
      run: {
        id: 'r-20260101-000000',
        name: 'sample',
        state: 'done',
        createdAt: '2026-01-01T00:00:00.000Z',
        endedAt: '2026-01-01T00:01:30.000Z',
        planText: 'name: sample\nworkloads:\n  - reduce.sum: { dtype: f32, n: 1024 }\nfactors:\n  backend: [js]\n',
        planDigest: digestOf('sample'),
        planNotes: [],
        inputs: [],
        agents: [...agents],
        ...run,
      },
      cells: [...cells],
      executions: [...executions],
    }),
  }
}

export function syntheticAgent(id: string, facts: Record<string, string> = {}, name = id): AgentRecord {
  return {
    id,
    name,
    labels: { site: 'lab-3' },
    software: 'bitfleet 0.1.0',
    facts: {
      'cpu.vendor': 'GenuineIntel',
      'cpu.brand': 'Xeon Gold 6338',
      'cpu.flags.avx512f': 'yes',
      'cpu.flags.fma': 'yes',
      'cpu.cores': '32',
      kernel: '6.1.0',
      libc: 'glibc 2.36',
      'os.distribution': 'Debian 12',
      ...facts,
    },
    attributes: { hostname: `host-${id}` },
    devices: [{ id: 'cpu', kind: 'cpu', title: 'CPU' }],
    backends: [
      { id: 'js', title: 'JavaScript', status: 'ready', version: '1.0.0', kernels: ['sum', 'dot'], knobs: [] },
      {
        id: 'blis',
        title: 'BLIS',
        status: 'unavailable',
        reason: 'libblis is not installed',
        add: 'apt install libblis4',
        kernels: [],
        knobs: [],
      },
    ],
    slots: 1,
  }
}

export function f32(values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return createTensor('f32', shape, bytesOf(Float32Array.from(values)))
}

export function f64(values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return createTensor('f64', shape, bytesOf(Float64Array.from(values)))
}

export function i32(values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return createTensor('i32', shape, bytesOf(Int32Array.from(values)))
}

/** The tensor with one bit of one element flipped; bit 0 is the least significant. */
export function flipBit(tensor: Tensor, element: number, bit: number): Tensor {
  const bytes = Uint8Array.from(tensor.bytes)
  const width = bytes.length / elementCount(tensor.shape)
  const at = element * width + Math.floor(bit / 8)
  bytes[at] = (bytes[at] as number) ^ (1 << (bit % 8))
  return createTensor(tensor.dtype, tensor.shape, bytes)
}
