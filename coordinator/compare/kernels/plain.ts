import { decodeFloats } from '../../../shared/half.ts'
import { type FloatDType, asBits, createTensor, dtypeBytes } from '../../../shared/tensor.ts'
import { isNanBits, ulpDistance, ulpRank } from '../../../shared/ulp.ts'
import { type Tally, blockElements, combineLanes, lanes, rankCount } from './tally.ts'

/** The definition of a tally, an element at a time: what the fast kernel is held to, and used where it cannot run. */
export function tallyPlain(dtype: FloatDType, a: Uint8Array, b: Uint8Array): Tally {
  const n = a.byteLength / dtypeBytes[dtype]
  const [left, right] = [createTensor(dtype, [n], a), createTensor(dtype, [n], b)]
  const [bitsA, bitsB] = [asBits(left), asBits(right)]
  const [valuesA, valuesB] = [decodeFloats(left), decodeFloats(right)]
  const ranks = new Float64Array(rankCount)
  let unequal = 0
  let signOfZero = 0
  let nan = 0
  let maxUlp = 0n
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
      if (isNanBits(dtype, p) || isNanBits(dtype, q)) {
        nan++
        continue
      }
      const distance = ulpDistance(dtype, p, q) as bigint
      if (distance === 0n) signOfZero++
      else ranks[ulpRank(distance)] = (ranks[ulpRank(distance)] as number) + 1
      if (distance > maxUlp) maxUlp = distance
    }
    squares += combineLanes(squareLanes)
    squaredDifferences += combineLanes(differenceLanes)
  }
  return { unequal, signOfZero, nan, ranks, maxUlp, squares, squaredDifferences }
}
