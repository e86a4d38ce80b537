import { decodeFloats, encodeFloats } from '../../shared/half.ts'
import { type Tensor, asBits, createTensor, elementCount } from '../../shared/tensor.ts'

export type PlainDType = 'f32' | 'f64'

/** Tensors computed on element by element, every result rounded to the dtype. */
export interface PlainArithmetic {
  readonly dtype: PlainDType
  round(value: number): number
  /**
   * Applies a function to the elements of [rows, n]; of the further tensors, [n] stands for itself in every row and
   * [rows, 1] in every column. A NaN becomes the positive quiet one: processors make NaNs of different signs.
   */
  map(tensors: readonly [Tensor, ...Tensor[]], apply: (...values: number[]) => number): Tensor
  /** The largest of each row: [rows, n] → [rows, 1]. */
  largest(matrix: Tensor): Tensor
  ones(rows: number, columns: number): Tensor
  transpose(matrix: Tensor): Tensor
}

export function createPlainArithmetic(dtype: PlainDType): PlainArithmetic {
  const round = dtype === 'f32' ? Math.fround : (value: number) => value
  const encode = (shape: readonly number[], values: Float64Array) => {
    const tensor = createTensor(dtype, shape, encodeFloats(dtype, values))
    const bits = asBits(tensor)
    for (let i = 0; i < values.length; i++) {
      if (Number.isNaN(values[i])) bits[i] = dtype === 'f32' ? 0x7fc0_0000 : 0x7ff8_0000_0000_0000n
    }
    return tensor
  }
  return {
    dtype,
    round,
    map(tensors, apply) {
      const shape = tensors[0].shape
      const count = elementCount(shape)
      const width = shape.at(-1) ?? 1
      const operands = tensors.map((tensor) => {
        const values = decodeFloats(tensor)
        if (values.length === count) return values
        return tensor.shape.length === 1
          ? Float64Array.from({ length: count }, (_, i) => values[i % width] as number)
          : Float64Array.from({ length: count }, (_, i) => values[Math.floor(i / width)] as number)
      })
      const results = new Float64Array(count)
      for (let i = 0; i < count; i++) results[i] = round(apply(...operands.map((values) => values[i] as number)))
      return encode(shape, results)
    },
    largest(matrix) {
      const [rows, columns] = matrix.shape as [number, number]
      const values = decodeFloats(matrix)
      const rowOf = (row: number) => values.subarray(row * columns, (row + 1) * columns)
      return encode(
        [rows, 1],
        Float64Array.from({ length: rows }, (_, row) => rowOf(row).reduce((a, b) => Math.max(a, b))),
      )
    },
    ones: (rows, columns) => encode([rows, columns], new Float64Array(rows * columns).fill(1)),
    transpose(matrix) {
      const [rows, columns] = matrix.shape as [number, number]
      const values = decodeFloats(matrix)
      const turned = new Float64Array(values.length)
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) turned[j * rows + i] = values[i * columns + j] as number
      }
      return encode([columns, rows], turned)
    },
  }
}
