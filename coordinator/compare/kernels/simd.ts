import { readFileSync } from 'node:fs'
import { type FloatDType, dtypeBytes } from '../../../shared/tensor.ts'
import { type Tally, type TallyFunction, blockElements, combineLanes, lanes, rankCount } from './tally.ts'

/** What tally.as.ts exports. */
type Kernel = Record<FloatDType, (elements: number) => void> &
  Record<'addressOfA' | 'addressOfB' | 'addressOfLanes' | 'addressOfCounts' | 'addressOfZeros', () => number> & {
    readonly memory: { readonly buffer: ArrayBuffer }
  }

/** The part of the engine's WebAssembly used here; Node's own types leave it to those of browsers. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

/**
 * The WebAssembly kernel: blocks are copied into its memory and counted there, by vectors of 128 bits. Undefined on a
 * processor whose vectors the engine cannot use.
 */
export function createSimdTally(): TallyFunction | undefined {
  const code = readFileSync(new URL('./tally.wasm', import.meta.url))
  if (!WebAssembly.validate(code)) return undefined
  const kernel = new WebAssembly.Instance(new WebAssembly.Module(code)).exports as Kernel
  const { buffer } = kernel.memory
  const blockA = new Uint8Array(buffer, kernel.addressOfA(), blockElements * 8)
  const blockB = new Uint8Array(buffer, kernel.addressOfB(), blockElements * 8)
  const squareLanes = new Float64Array(buffer, kernel.addressOfLanes(), lanes)
  const differenceLanes = new Float64Array(buffer, kernel.addressOfLanes() + lanes * 8, lanes)
  const counts = new Int32Array(buffer, kernel.addressOfCounts(), 8)
  const largest32 = new Uint32Array(buffer, kernel.addressOfCounts() + 32, 4)
  const largest64 = new BigUint64Array(buffer, kernel.addressOfCounts() + 32, 1)
  const zeroLanes = new Uint32Array(buffer, kernel.addressOfZeros(), 65 * lanes)

  return (dtype, a, b) => {
    const width = dtypeBytes[dtype]
    const blockBytes = blockElements * width
    const ranks = new Float64Array(rankCount)
    const total = { unequal: 0, signOfZero: 0, nan: 0, squares: 0, squaredDifferences: 0 }
    let largest = 0n
    for (let at = 0; at < a.length; at += blockBytes) {
      const bytes = Math.min(blockBytes, a.length - at)
      const whole = Math.ceil(bytes / width / lanes) * lanes
      blockA.fill(0, bytes, whole * width)
      blockB.fill(0, bytes, whole * width)
      blockA.set(a.subarray(at, at + bytes))
      blockB.set(b.subarray(at, at + bytes))
      kernel[dtype](whole)
      total.squares += combineLanes(squareLanes)
      total.squaredDifferences += combineLanes(differenceLanes)
      const unequal = sumOf(counts, 0, 4)
      if (unequal === 0) continue
      total.unequal += unequal
      const nan = sumOf(counts, 4, 4)
      let apart = 0
      // Counted by the leading zeros of the distance less 1: 64 for 1, 63 for 2, 62 for 3 and 4. None is a distance
      // above 2⁶³, which is rank 65, or in the narrow formats one of 0.
      for (let rank = 1; rank < (dtype === 'f64' ? rankCount : rankCount - 1); rank++) {
        const count = sumOf(zeroLanes, (65 - rank) * lanes, lanes)
        ranks[rank] = (ranks[rank] as number) + count
        apart += count
      }
      total.nan += nan
      total.signOfZero += unequal - nan - apart
      const most = dtype === 'f64' ? (largest64[0] as bigint) : BigInt(Math.max(...largest32))
      if (most > largest) largest = most
    }
    return { ...total, ranks, maxUlp: largest } satisfies Tally
  }
}

function sumOf(counts: Int32Array | Uint32Array, from: number, length: number): number {
  let sum = 0
  for (let i = from; i < from + length; i++) sum += counts[i] as number
  return sum
}
