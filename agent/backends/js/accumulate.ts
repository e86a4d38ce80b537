import { createStream } from '../../../shared/random/stream.ts'
import type { SteppedOrder } from './order.ts'
import type { Round } from './rounding.ts'

/**
 * Adds terms that are values of the dtype, every addition rounded to it. It may overwrite the terms. An accumulator
 * starts from its first element and never from +0, which would turn −0 + −0 into +0; of no terms the sum is +0.
 */
export type Accumulate = (terms: Float64Array) => number

/** @see docs/accumulation-orders.md */
export function createAccumulate(order: SteppedOrder, round: Round): Accumulate {
  const steps = createSteps(round)
  const { sequential, pairwise, halving } = steps
  if (!('count' in order)) return steps[order.kind]
  const { count } = order

  if (order.kind === 'lanes') {
    return (terms) => {
      const lanes = terms.slice(0, Math.min(count, terms.length))
      for (let i = lanes.length, lane = 0; i < terms.length; i++) {
        lanes[lane] = round((lanes[lane] as number) + (terms[i] as number))
        if (++lane === lanes.length) lane = 0
      }
      return pairwise(lanes)
    }
  }

  if (order.kind === 'blocks') {
    return (terms) => {
      const sums = new Float64Array(Math.ceil(terms.length / count))
      for (let b = 0; b < sums.length; b++) sums[b] = halving(terms.subarray(b * count, (b + 1) * count))
      return sequential(sums)
    }
  }

  const permutation =
    order.kind === 'shuffled-chunks' ? createStream(order.seed, 'order').permutation(count) : undefined
  return (terms) => {
    const sums: number[] = []
    for (let i = 0; i < count; i++) {
      const chunk = permutation?.[i] ?? i
      const start = Math.floor((chunk * terms.length) / count)
      const end = Math.floor(((chunk + 1) * terms.length) / count)
      if (end > start) sums.push(sequential(terms.subarray(start, end)))
    }
    return sequential(Float64Array.from(sums))
  }
}

function createSteps(round: Round) {
  const sequential: Accumulate = (terms) => {
    if (terms.length === 0) return 0
    let sum = terms[0] as number
    for (let i = 1; i < terms.length; i++) sum = round(sum + (terms[i] as number))
    return sum
  }

  const reverse: Accumulate = (terms) => sequential(terms.reverse())

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
      const lost = Math.abs(sum) >= Math.abs(term) ? round(round(sum - next) + term) : round(round(term - next) + sum)
      correction = round(correction + lost)
      sum = next
    }
    return correction === 0 ? sum : round(sum + correction)
  }

  return { sequential, reverse, pairwise, halving, kahan, neumaier }
}
