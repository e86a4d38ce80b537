import { readFileSync } from 'node:fs'
import { type FloatDType, dtypeBytes } from '../../../shared/tensor.ts'
import { type Tally, type TallyFunction, blockElements, combineLanes, lanes, rankCount } from './tally.ts'

/** What tally.as.ts exports. */
type Kernel = Record<FloatDType, (elements: number) => void> &
  Record<'addressOfA' | 'addressOfB' | 'addressOfLanes' | 'addressOfCounts' | 'addressOfRanks', () => number> & {
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
  const counts = new Int32Array(buffer, kernel.addressOfCounts(), 12)
  const largest32 = new Uint32Array(buffer, kernel.addressOfCounts() + 48, 4)
  const largest64 = new BigUint64Array(buffer, kernel.addressOfCounts() + 48, 1)
  const rankLanes = new Uint32Array(buffer, kernel.addressOfRanks(), rankCount * lanes)

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
      const unequal = sumOf(counts, 0)
      if (unequal === 0) continue
      total.unequal += unequal
      const nan = sumOf(counts, 8)
      let apart = 0
      for (let rank = 1; rank < rankCount; rank++) {
        let count = 0
        for (let lane = 0; lane < lanes; lane++) count += rankLanes[rank * lanes + lane] as number
        // The narrow kernels count a distance of 0 as if it were 2³² (tally.as.ts).
        if (rank === 33 && dtype !== 'f64') count -= sumOf(counts, 4)
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

function sumOf(counts: Int32Array, from: number): number {
  return counts.subarray(from, from + 4).reduce((sum, count) => sum + count, 0)
}
