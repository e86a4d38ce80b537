import { type TensorComparison, compareTensors } from '../../coordinator/compare/elements.ts'
import { createStream } from '../../shared/random/stream.ts'
import { type Tensor, bytesOf, createTensor } from '../../shared/tensor.ts'
import { bucketName } from '../../shared/ulp.ts'
import { type NumpyResult, timeNumpy } from './numpy-pipeline.ts'
import { type Bench, type Row, bestTimes } from './row.ts'

const mib = 1 << 20
/** numpy is timed on at most this much, and speeds are compared. */
const numpyMib = 256

/** How the second tensor is made of the first, and DESIGN's goals: of memcmp's speed, and times numpy's. */
const cases = [
  { id: 'equal', goal: 0.9, change: () => undefined },
  { id: 'two-percent', goal: 0.4, change: (bits: Uint32Array) => changeSome(bits) },
  { id: 'all-differ', goal: 0.15, change: (bits: Uint32Array) => changeAll(bits) },
] as const
const numpyGoal = 30

/** Two f32 tensors: equality, first difference, ULP histogram; at three sizes, against memcmp and numpy. */
export const benchCompare: Bench = async ({ mib: largest, repetitions, python, log }) => {
  const rows: Row[] = []
  for (const size of [...new Set([largest / 16, largest / 4, largest].map((n) => Math.max(1, Math.floor(n))))]) {
    const a = uniformTensor(size)
    for (const { id, goal, change } of cases) {
      const b = createTensor('f32', a.shape, a.bytes.slice())
      change(new Uint32Array(b.bytes.buffer))
      const [left, right] = [Buffer.from(a.bytes.buffer), Buffer.from(b.bytes.buffer)]
      // memcmp stops at the first difference; its speed is that of reading both to the end.
      const copy = Buffer.from(a.bytes.slice().buffer)
      let result: TensorComparison = compareTensors(a, b)
      const [memcmpMs, ownMs] = bestTimes(repetitions, [
        () => void left.equals(copy),
        () => {
          result = compareTensors(a, b)
        },
      ]) as [number, number]
      if (result.equal !== (Buffer.compare(left, right) === 0)) throw new Error(`compare ${id}: wrong verdict`)
      const row = (suffix: string, peer: string, ratio: number | null, goalOfPeer: number) => {
        const figure = round(size / 1024 / (ownMs / 1000))
        const met = ratio === null ? null : ratio >= goalOfPeer
        rows.push({
          id: `compare.${id}.${size}MiB.${suffix}`,
          figure,
          unit: 'GiB/s',
          peer,
          ratio,
          goal: goalOfPeer,
          met,
        })
      }
      log(`compare ${id}, ${size} MiB: ${ownMs.toFixed(1)} ms; memcmp ${memcmpMs.toFixed(1)} ms`)
      row('memcmp', 'memcmp', round(memcmpMs / ownMs), goal)
      const numpy = compareWithNumpy(python, a, b, size, result)
      if (numpy) log(`  numpy ${numpy.version}: ${numpy.ms.toFixed(0)} ms`)
      row(
        'numpy',
        numpy ? `numpy ${numpy.version}` : 'numpy (not importable)',
        numpy ? round(numpy.ms / ownMs) : null,
        numpyGoal,
      )
    }
  }
  return rows
}

/** numpy's time, scaled to the whole size; its counts must be ours. */
function compareWithNumpy(
  python: string,
  a: Tensor,
  b: Tensor,
  size: number,
  own: TensorComparison,
): NumpyResult | undefined {
  const timed = Math.min(size, numpyMib)
  const part = (tensor: Tensor) => createTensor('f32', [timed * (mib / 4)], tensor.bytes.subarray(0, timed * mib))
  const result = timeNumpy(python, part(a), part(b), 2)
  if (result === undefined) return undefined
  if (timed === size) {
    const counts = new Map(own.statistics.histogram.map(({ bucket, count }) => [bucket, count]))
    const agrees = result.counts.every((count, rank) => count === (counts.get(bucketName(rank)) ?? 0))
    if (!agrees || result.first !== (own.first?.element ?? null)) throw new Error('compare: numpy counts otherwise')
  }
  return { ...result, ms: (result.ms * size) / timed }
}

/** Uniform values, 16 MiB of them over and over. */
function uniformTensor(size: number): Tensor {
  const piece = bytesOf(createStream('1', 'bench').uniform32(4 * mib))
  const bytes = new Uint8Array(size * mib)
  for (let at = 0; at < bytes.length; at += piece.length) bytes.set(piece.subarray(0, bytes.length - at), at)
  return createTensor('f32', [bytes.length / 4], bytes)
}

/** One element in 50 on average, at random places, by a few ULPs. */
function changeSome(bits: Uint32Array): void {
  const gaps = createStream('1', 'gaps').fillU32(1 << 16)
  for (let i = 0, k = 0; ; k++) {
    const word = gaps[k & 0xffff] as number
    i += 1 + (word % 99)
    if (i >= bits.length) return
    bits[i] = (bits[i] as number) ^ (1 + ((word >>> 8) % 7))
  }
}

/** Every element, by 1 to some thousand ULPs. */
function changeAll(bits: Uint32Array): void {
  const words = createStream('1', 'changes').fillU32(1 << 16)
  for (let i = 0; i < bits.length; i++) {
    const word = words[i & 0xffff] as number
    bits[i] = (bits[i] as number) ^ (1 << (word & 7)) ^ (((word >>> 8) & 0xff) << 8)
  }
}

function round(x: number): number {
  return Number(x.toPrecision(4))
}
