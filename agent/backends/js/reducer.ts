import type { FloatDType } from '../../../shared/tensor.ts'
import { type Accumulate, createAccumulate } from './accumulate.ts'
import { exactDot, exactNorm2, exactSum } from './exact.ts'
import { fusedMultiplyAdd } from './fma.ts'
import type { SteadyOrder } from './order.ts'
import { roundings } from './rounding.ts'

/** The reductions of one order in one dtype; operands and results are values of the dtype. */
export interface Reducer {
  /** Absent where the order fuses products, which a plain sum has none of. Overwrites its terms. */
  readonly sum?: Accumulate
  /** Operands of one length, not changed. */
  readonly dot: (x: Float64Array, y: Float64Array) => number
  /** √ of the dot product with itself, rounded; under `exact` √ of the exact sum of exact squares, rounded once. */
  readonly norm2: (x: Float64Array) => number
}

export function createReducer(order: SteadyOrder, dtype: FloatDType): Reducer {
  const round = roundings[dtype]
  if (order.kind === 'exact') {
    return {
      sum: (terms) => exactSum(terms, dtype),
      dot: (x, y) => exactDot(x, y, dtype),
      norm2: (x) => exactNorm2(x, dtype),
    }
  }
  if (order.kind === 'fma') {
    const fused = fusedMultiplyAdd(dtype)
    const dot = (x: Float64Array, y: Float64Array) => {
      if (x.length === 0) return 0
      let sum = round((x[0] as number) * (y[0] as number))
      for (let i = 1; i < x.length; i++) sum = fused(x[i] as number, y[i] as number, sum)
      return sum
    }
    return { dot, norm2: (x) => round(Math.sqrt(dot(x, x))) }
  }
  const sum = createAccumulate(order, round)
  let products = new Float64Array(0)
  const dot = (x: Float64Array, y: Float64Array) => {
    if (products.length !== x.length) products = new Float64Array(x.length)
    for (let i = 0; i < x.length; i++) products[i] = round((x[i] as number) * (y[i] as number))
    return sum(products)
  }
  return { sum, dot, norm2: (x) => round(Math.sqrt(dot(x, x))) }
}
