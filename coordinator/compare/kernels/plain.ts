import { decodeFloats } from '../../../shared/half.ts'
import { type FloatDType, asBits, createTensor, dtypeBytes } from '../../../shared/tensor.ts'
import { ulpDistance, ulpRank } from '../../../shared/ulp.ts'
import { kindOf } from '../kinds.ts'
import { type FloatKind, type Tally, blockElements, combineLanes, lanes, noKinds, rankCount } from './tally.ts'

/** The definition of a tally, an element at a time: what the fast kernel is held to, and used where it cannot run. */
export function tallyPlain(dtype: FloatDType, a: Uint8Array, b: Uint8Array): Tally {
  const n = a.byteLength / dtypeBytes[dtype]
  const [left, right] = [createTensor(dtype, [n], a), createTensor(dtype, [n], b)]
  const [bitsA, bitsB] = [asBits(left), asBits(right)]
  const [valuesA, valuesB] = [decodeFloats(left), decodeFloats(right)]
  const ranks = new Float64Array(rankCount)
  let unequal = 0
  const kinds = noKinds()
  let maxUlp = 0n
  let sum = 0n
  let squares = 0
  let squaredDifferences = 0
  for (let start = 0; start < n; start += blockElements) {
    const squareLanes = new Float64Array(lanes)
    const differenceLanes = new Float64Array(lanes)
    for (let i = start; i < Math.min(n, start + blockElements); i++) {
      const x = valuesA[i] as number
      const y = valuesB[i] as number
      if (Number.isFinite(x) && Number.isFinite(y)) {
        squareLanes[i % lanes] = (squareLanes[i % lanes] as number) + x * x
        differenceLanes[i % lanes] = (differenceLanes[i % lanes] as number) + (x - y) * (x - y)
      }
      const p = bitsA[i] as number | bigint
      const q = bitsB[i] as number | bigint
      if (p === q) continue
      unequal++
      kinds[kindOf(dtype, p, q) as FloatKind]++
      sum += BigInt(p) - BigInt(q)
      const distance = ulpDistance(dtype, p, q)
      if (distance === null || distance === 0n) continue
      ranks[ulpRank(distance)] = (ranks[ulpRank(distance)] as number) + 1
      if (distance > maxUlp) maxUlp = distance
    }
    squares += combineLanes(squareLanes)
    squaredDifferences += combineLanes(differenceLanes)
  }
  const equalSums = BigInt.asUintN(dtypeBytes[dtype] * 8, sum) === 0n
  return { unequal, kinds, ranks, maxUlp, squares, squaredDifferences, equalSums }
}
