import { Worker } from 'node:worker_threads'
import { entryPoint } from '../../../shared/entry-point.ts'
import { BitfleetError } from '../../../shared/errors.ts'
import type { FloatDType } from '../../../shared/tensor.ts'

/** A matrix product whose depth is shared out among threads that race to add into the result. */
export interface Race {
  readonly dtype: FloatDType
  readonly threads: number
  readonly m: number
  readonly k: number
  readonly n: number
  /** [m, k] and [k, n], values of the dtype. */
  readonly a: SharedArrayBuffer
  readonly b: SharedArrayBuffer
  /** [m, n]: bit patterns that threads replace by compare-and-swap; binary64 for f64, else binary32. */
  readonly result: SharedArrayBuffer
  /** Threads that stand at the start; the last one opens it. */
  readonly start: SharedArrayBuffer
}

/**
 * Terms that one thread adds, in order, before it adds their sum to what all share: at most 32, and few enough that
 * every thread comes to add eight times where there are so many terms.
 */
export function blockTerms(k: number, threads: number): number {
  return Math.min(Math.max(Math.floor(k / (8 * threads)), 1), 32)
}

/**
 * [m, k] times [k, n] by T threads. Thread t adds up the products of every block along the depth whose number is t
 * modulo T, and adds each block's sum to the shared element as soon as it has it, by compare-and-swap; in which order
 * is decided by whichever comes first. Elements start from −0, to which adding changes nothing; of no products the sum
 * is +0.
 *
 * @throws `system` if a thread fails
 */
export async function raceProduct(
  dtype: FloatDType,
  threads: number,
  [m, k, n]: readonly [number, number, number],
  left: Float64Array,
  right: Float64Array,
): Promise<Float64Array> {
  if (k === 0) return new Float64Array(m * n)
  const race: Race = {
    dtype,
    threads,
    m,
    k,
    n,
    a: shareable(left),
    b: shareable(right),
    result: new SharedArrayBuffer(m * n * (dtype === 'f64' ? 8 : 4)),
    start: new SharedArrayBuffer(4),
  }
  const values = dtype === 'f64' ? new Float64Array(race.result) : new Float32Array(race.result)
  values.fill(-0)
  const workers = Array.from(
    { length: threads },
    (_, thread) => new Worker(entryPoint(import.meta.url, './race-worker.ts'), { workerData: { race, thread } }),
  )
  try {
    await Promise.all(workers.map(ended))
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
  return Float64Array.from(values)
}

function shareable(values: Float64Array): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(values.byteLength)
  new Float64Array(shared).set(values)
  return shared
}

function ended(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (fact: string, cause?: unknown) =>
      reject(new BitfleetError('system', `js: a thread of atomic:T ${fact}`, { cause }))
    worker.once('error', (cause) => fail(`failed: ${cause.message}`, cause))
    worker.once('exit', (code) => (code === 0 ? resolve() : fail(`ended with code ${code}`)))
  })
}
