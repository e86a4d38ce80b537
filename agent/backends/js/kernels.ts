import { decodeFloats } from '../../../shared/half.ts'
import { type FloatDType, type Tensor, isFloat } from '../../../shared/tensor.ts'
import { type Kernels, type Unsupported, unsupported } from '../../../workloads/kernels.ts'
import { elementary } from './elementary.ts'
import { type SteadyOrder, formatOrder } from './order.ts'
import { type Reducer, createReducer } from './reducer.ts'
import { encodeResult, roundings } from './rounding.ts'

/**
 * The reference kernels: every operation rounded to the dtype, every sum and dot product in one accumulation order.
 * Every result is the same on every machine, but for the elementary functions, which are those of this V8.
 */
export function createKernels(order: SteadyOrder): Kernels {
  /** Runs a computation in the operands' dtype, or says why not. */
  function within(
    x: Tensor,
    compute: (reducer: Reducer, dtype: FloatDType) => Tensor | Unsupported,
  ): Tensor | Unsupported {
    if (!isFloat(x.dtype)) return unsupported(`js computes in f64, f32, f16 and bf16, not in ${x.dtype}`)
    return compute(createReducer(order, x.dtype), x.dtype)
  }
  const needsSum = () => unsupported(`js.order=${formatOrder(order)} fuses products, and a plain sum has none`)

  return {
    sum: (x) =>
      within(x, ({ sum }, dtype) => (sum ? encodeResult(dtype, [], [sum(decodeFloats(x).slice())]) : needsSum())),

    dot: (x, y) => within(x, ({ dot }, dtype) => encodeResult(dtype, [], [dot(decodeFloats(x), decodeFloats(y))])),

    norm2: (x) => within(x, ({ norm2 }, dtype) => encodeResult(dtype, [], [norm2(decodeFloats(x))])),

    gemv: (a, x) => within(a, (reducer, dtype) => encodeResult(dtype, [extent(a, 0)], product(reducer, a, x, 1))),

    gemm: (a, b) =>
      within(a, (reducer, dtype) =>
        encodeResult(dtype, [extent(a, 0), extent(b, 1)], product(reducer, a, b, extent(b, 1))),
      ),

    conv2d: (x, kernel) => within(x, (reducer, dtype) => convolve(reducer, dtype, x, kernel)),

    softmax: (x) =>
      within(x, ({ sum }, dtype) =>
        sum
          ? encodeResult(
              dtype,
              x.shape,
              overRows(x, (row) => softmaxRow(sum, dtype, row)),
            )
          : needsSum(),
      ),

    layernorm: (x, gain, bias, epsilon) =>
      within(x, (reducer, dtype) => {
        if (!reducer.sum) return needsSum()
        const normalize = createLayernorm(reducer, dtype, decodeFloats(gain), decodeFloats(bias), epsilon)
        return encodeResult(dtype, x.shape, overRows(x, normalize))
      }),

    elementary,
  }
}

function extent(tensor: Tensor, axis: number): number {
  return tensor.shape[axis] as number
}

/** [m, k] times [k, n], row by row; each element is one dot product. */
function product({ dot }: Reducer, a: Tensor, b: Tensor, n: number): Float64Array {
  const [m, k] = [extent(a, 0), extent(a, 1)]
  const left = decodeFloats(a)
  const right = decodeFloats(b)
  const rows = Array.from({ length: m }, (_, i) => left.subarray(i * k, (i + 1) * k))
  const result = new Float64Array(m * n)
  for (let j = 0; j < n; j++) {
    const column = columnOf(right, k, n, j)
    for (let i = 0; i < m; i++) result[i * n + j] = dot(rows[i] as Float64Array, column)
  }
  return result
}

function columnOf(matrix: Float64Array, rows: number, columns: number, column: number): Float64Array {
  const values = new Float64Array(rows)
  for (let i = 0; i < rows; i++) values[i] = matrix[i * columns + column] as number
  return values
}

/** Each output is one dot product over the kernel's height, width and channels, in that order (HWI). */
function convolve({ dot }: Reducer, dtype: FloatDType, x: Tensor, kernel: Tensor): Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  const [kernelHeight, kernelWidth, , filters] = kernel.shape as [number, number, number, number]
  const [outHeight, outWidth] = [height - kernelHeight + 1, width - kernelWidth + 1]
  const image = decodeFloats(x)
  const weights = decodeFloats(kernel)
  const run = kernelWidth * channels
  const columns = Array.from({ length: filters }, (_, d) => columnOf(weights, kernelHeight * run, filters, d))
  const patch = new Float64Array(kernelHeight * run)
  const result = new Float64Array(batch * outHeight * outWidth * filters)
  let at = 0
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < outHeight; i++) {
      for (let j = 0; j < outWidth; j++) {
        for (let p = 0; p < kernelHeight; p++) {
          const from = ((b * height + i + p) * width + j) * channels
          patch.set(image.subarray(from, from + run), p * run)
        }
        for (const column of columns) result[at++] = dot(patch, column)
      }
    }
  }
  return encodeResult(dtype, [batch, outHeight, outWidth, filters], result)
}

/** Applies a function to each row of [rows, n]. */
function overRows(x: Tensor, apply: (row: Float64Array) => Float64Array): Float64Array {
  const n = extent(x, 1)
  const values = decodeFloats(x)
  const result = new Float64Array(values.length)
  for (let at = 0; at < values.length; at += n) result.set(apply(values.subarray(at, at + n)), at)
  return result
}

/** eᵢ = exp(xᵢ − max x), then eᵢ ÷ Σe; the exponential is this V8's. */
function softmaxRow(sum: NonNullable<Reducer['sum']>, dtype: FloatDType, row: Float64Array): Float64Array {
  const round = roundings[dtype]
  let largest = row[0] as number
  for (const value of row) if (value > largest || Number.isNaN(value)) largest = value
  const powers = row.map((value) => round(Math.exp(round(value - largest))))
  const total = sum(powers.slice())
  return powers.map((power) => round(power / total))
}

/**
 * mean = Σx ÷ n; dᵢ = xᵢ − mean; variance = d·d ÷ n; then dᵢ ÷ √(variance + ε) · gainᵢ + biasᵢ, each operation rounded,
 * n and ε rounded to the dtype beforehand.
 */
function createLayernorm(
  { sum, dot }: Reducer,
  dtype: FloatDType,
  gain: Float64Array,
  bias: Float64Array,
  epsilon: number,
): (row: Float64Array) => Float64Array {
  const round = roundings[dtype]
  const small = round(epsilon)
  return (row) => {
    const n = round(row.length)
    const mean = round((sum as NonNullable<typeof sum>)(row.slice()) / n)
    const deviations = row.map((value) => round(value - mean))
    const variance = round(dot(deviations, deviations) / n)
    const scale = round(Math.sqrt(round(variance + small)))
    return deviations.map((deviation, i) =>
      round(round(round(deviation / scale) * (gain[i] as number)) + (bias[i] as number)),
    )
  }
}
