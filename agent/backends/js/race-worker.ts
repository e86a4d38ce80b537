import { workerData } from 'node:worker_threads'
import { type Race, blockTerms } from './race.ts'
import { type Round, roundings } from './rounding.ts'

// One racing thread: see raceProduct.
const { race, thread } = workerData as { race: Race; thread: number }
const add = race.dtype === 'f64' ? atomicAdd64(race.result) : atomicAdd32(race.result, roundings[race.dtype])
waitForAll(new Int32Array(race.start), race.threads)
run(race, thread, roundings[race.dtype])

/** So that no thread is done before another has begun. */
function waitForAll(start: Int32Array, threads: number): void {
  if (Atomics.add(start, 0, 1) === threads - 1) {
    Atomics.notify(start, 0)
    return
  }
  for (let here = Atomics.load(start, 0); here < threads; here = Atomics.load(start, 0))
    Atomics.wait(start, 0, here, 100)
}

function run({ threads, m, k, n, a: aShared, b: bShared }: Race, first: number, round: Round): void {
  const a = new Float64Array(aShared)
  const b = new Float64Array(bShared)
  const block = blockTerms(k, threads)
  for (let from = first * block; from < k; from += threads * block) {
    const to = Math.min(from + block, k)
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = round((a[i * k + from] as number) * (b[from * n + j] as number))
        for (let p = from + 1; p < to; p++) {
          sum = round(sum + round((a[i * k + p] as number) * (b[p * n + j] as number)))
        }
        add(i * n + j, sum)
      }
    }
  }
}

/** Narrower values are held as binary32, which has them all. */
function atomicAdd32(shared: SharedArrayBuffer, round: Round): (at: number, addend: number) => void {
  const cells = new Int32Array(shared)
  const value = new Float32Array(1)
  const bits = new Int32Array(value.buffer)
  return (at, addend) => {
    for (let seen = Atomics.load(cells, at); ; ) {
      bits[0] = seen
      value[0] = round((value[0] as number) + addend)
      const found = Atomics.compareExchange(cells, at, seen, bits[0])
      if (found === seen) return
      seen = found
    }
  }
}

function atomicAdd64(shared: SharedArrayBuffer): (at: number, addend: number) => void {
  const cells = new BigInt64Array(shared)
  const value = new Float64Array(1)
  const bits = new BigInt64Array(value.buffer)
  return (at, addend) => {
    for (let seen = Atomics.load(cells, at); ; ) {
      bits[0] = seen
      value[0] = (value[0] as number) + addend
      const found = Atomics.compareExchange(cells, at, seen, bits[0])
      if (found === seen) return
      seen = found
    }
  }
}
