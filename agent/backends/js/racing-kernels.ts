import { decodeFloats } from '../../../shared/half.ts'
import { type FloatDType, type Tensor, isFloat } from '../../../shared/tensor.ts'
import { type Kernels, type Unsupported, isUnsupported, unsupported } from '../../../workloads/kernels.ts'
import { elementary } from './elementary.ts'
import { raceProduct } from './race.ts'
import { encodeResult, roundings } from './rounding.ts'

/**
 * `atomic:T`: sums and dot products that threads race to add up, so that repetitions differ. The kernels that are one
 * matrix product; the others have no race to run.
 */
export function createRacingKernels(threads: number): Kernels {
  /** a as [m, k] times b as [k, n]; b left out is ones, which change no term. */
  async function product(
    a: Tensor,
    b: Tensor | undefined,
    [m, k, n]: readonly [number, number, number],
    shape: readonly number[],
  ): Promise<Tensor | Unsupported> {
    if (!isFloat(a.dtype)) return unsupported(`js computes in f64, f32, f16 and bf16, not in ${a.dtype}`)
    const right = b ? decodeFloats(b) : new Float64Array(k).fill(1)
    return encodeResult(a.dtype, shape, await raceProduct(a.dtype, threads, [m, k, n], decodeFloats(a), right))
  }
  const lacks = () => unsupported(`js.order=atomic:${threads} races over sum, dot, norm2, gemv and gemm alone`)

  return {
    sum: (x) => product(x, undefined, [1, extent(x, 0), 1], []),
    dot: (x, y) => product(x, y, [1, extent(x, 0), 1], []),
    async norm2(x) {
      const square = await product(x, x, [1, extent(x, 0), 1], [])
      if (isUnsupported(square)) return square
      const dtype = square.dtype as FloatDType
      return encodeResult(dtype, [], decodeFloats(square).map(Math.sqrt).map(roundings[dtype]))
    },
    gemv: (a, x) => product(a, x, [extent(a, 0), extent(a, 1), 1], [extent(a, 0)]),
    gemm: (a, b) => product(a, b, [extent(a, 0), extent(a, 1), extent(b, 1)], [extent(a, 0), extent(b, 1)]),
    elementary,
    softmax: lacks,
    layernorm: lacks,
    conv2d: lacks,
  }
}

function extent(tensor: Tensor, axis: number): number {
  return tensor.shape[axis] as number
}
