import { createStream } from '../../../shared/random/stream.ts'
import type { SteppedOrder } from './order.ts'
import type { Round } from './rounding.ts'

/**
 * Adds terms that are values of the dtype, every addition rounded to it. It may overwrite the terms. An accumulator
 * starts from its first element and never from +0, which would turn −0 + −0 into +0; of no terms the sum is +0.
 */
export type Accumulate = (terms: Float64Array) => number

export function createAccumulate(order: SteppedOrder, round: Round): Accumulate {
  const { sequential, pairwise, halving, kahan, neumaier } = createSteps(round)
  switch (order.kind) {
    case 'sequential':
      return sequential
    case 'reverse':
      return (terms) => sequential(terms.reverse())
    case 'pairwise':
      return pairwise
    case 'halving':
      return halving
    case 'kahan':
      return kahan
    case 'neumaier':
      return neumaier
    case 'lanes':
      return (terms) => {
        const lanes = terms.slice(0, Math.min(order.count, terms.length))
        for (let i = lanes.length, lane = 0; i < terms.length; i++) {
          lanes[lane] = round((lanes[lane] as number) + (terms[i] as number))
          if (++lane === lanes.length) lane = 0
        }
        return pairwise(lanes)
      }
    case 'chunks':
      return (terms) => sequential(chunkSums(terms, order.count))
    case 'shuffled-chunks': {
      const permutation = createStream(order.seed, 'order').permutation(order.count)
      return (terms) => sequential(chunkSums(terms, order.count, permutation))
    }
    case 'blocks':
      return (terms) => {
        const sums = new Float64Array(Math.ceil(terms.length / order.count))
        for (let b = 0; b < sums.length; b++) {
          sums[b] = halving(terms.subarray(b * order.count, (b + 1) * order.count))
        }
        return sequential(sums)
      }
  }

  /** Sums of the chunks that are not empty, in the order of their numbers or of the permutation. */
  function chunkSums(terms: Float64Array, count: number, permutation?: Uint32Array): Float64Array {
    const n = terms.length
    const sums = new Float64Array(Math.min(count, n))
    let filled = 0
    for (let i = 0; i < count; i++) {
      const chunk = permutation ? (permutation[i] as number) : i
      const start = Math.floor((chunk * n) / count)
      const end = Math.floor(((chunk + 1) * n) / count)
      if (end > start) sums[filled++] = sequential(terms.subarray(start, end))
    }
    return sums
  }
}

function createSteps(round: Round) {
  const sequential: Accumulate = (terms) => {
    if (terms.length === 0) return 0
    let sum = terms[0] as number
    for (let i = 1; i < terms.length; i++) sum = round(sum + (terms[i] as number))
    return sum
  }

  /** Neighbours, level by level; an odd last one is carried up unchanged. */
  const pairwise: Accumulate = (terms) => {
    if (terms.length === 0) return 0
    for (let n = terms.length; n > 1; n = Math.ceil(n / 2)) {
      const pairs = n >>> 1
      for (let i = 0; i < pairs; i++) terms[i] = round((terms[2 * i] as number) + (terms[2 * i + 1] as number))
      if (n % 2 === 1) terms[pairs] = terms[n - 1] as number
    }
    return terms[0] as number
  }

  /** With h the largest power of two below n: s[i] += s[i + h] for i < h and i + h < n; then h/2, … 1. */
  const halving: Accumulate = (terms) => {
    if (terms.length === 0) return 0
    let n = terms.length
    for (let h = 2 ** (31 - Math.clz32(Math.max(n - 1, 1))); h >= 1; h /= 2) {
      for (let i = h; i < n; i++) terms[i - h] = round((terms[i - h] as number) + (terms[i] as number))
      n = Math.min(n, h)
    }
    return terms[0] as number
  }

  /** @see Kahan: Further remarks on reducing truncation errors. CACM 8(1), 1965 */
  const kahan: Accumulate = (terms) => {
    if (terms.length === 0) return 0
    let sum = terms[0] as number
    let excess = 0
    for (let i = 1; i < terms.length; i++) {
      const addend = round((terms[i] as number) - excess)
      const next = round(sum + addend)
      excess = round(round(next - sum) - addend)
      sum = next
    }
    return sum
  }

  /**
   * The correction is added at the end; one of zero is not, or it would turn −0 into +0.
   *
   * @see Neumaier: Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen. ZAMM 54, 1974
   */
  const neumaier: Accumulate = (terms) => {
    if (terms.length === 0) return 0
    let sum = terms[0] as number
    let correction = 0
    for (let i = 1; i < terms.length; i++) {
      const term = terms[i] as number
      const next = round(sum + term)
      const lost =
        Math.abs(sum) >= Math.abs(term) ? round(round(sum - next) + term) : round(round(term - next) + sum)
      correction = round(correction + lost)
      sum = next
    }
    return correction === 0 ? sum : round(sum + correction)
  }

  return { sequential, pairwise, halving, kahan, neumaier }
}
