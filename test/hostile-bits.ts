import fc from 'fast-check'
import { type DType, type Tensor, createTensor, dtypeBytes, dtypes, tensorFromBits } from '../shared/tensor.ts'

const integers8 = ['00', '01', '7f', '80', '81', 'ff']
const integers16 = ['0000', '0001', '7fff', '8000', '8001', 'ffff', '0d0a', '1a00']
const integers32 = ['00000000', '00000001', '7fffffff', '80000000', '80000001', 'ffffffff', '01000001', 'fffffffe']
const integers64 = [
  '0000000000000000',
  '0000000000000001',
  '7fffffffffffffff',
  '8000000000000000',
  'ffffffffffffffff',
  '0020000000000001', // 2⁵³ + 1: the first whole number that no JavaScript number holds
  'ffdfffffffffffff', // −(2⁵³ + 1)
  '00000000ffffffff',
]

/**
 * Bit patterns that a careless path changes: ±0, ±∞, quiet and signalling NaNs with payloads of either sign, the
 * least and largest subnormals, neighbours of 1, the largest finite; integers beyond 2⁵³ and at their limits.
 */
export const hostileBits: Readonly<Record<DType, readonly string[]>> = {
  bool: ['00', '01', '01', '00', '01', '00'],
  u8: integers8,
  i8: integers8,
  u16: integers16,
  i16: integers16,
  u32: integers32,
  i32: integers32,
  u64: integers64,
  i64: integers64,
  f16: '0000 8000 7c00 fc00 7e00 fe00 7c01 fc01 7dff 7fff 0001 8001 03ff 0400 3c00 3bff 3c01 7bff fbff 7eff'.split(' '),
  bf16: '0000 8000 7f80 ff80 7fc0 ffc0 7f81 ff81 7fbf 7fff 0001 8001 007f 0080 3f80 3f7f 3f81 7f7f ff7f 7fef'.split(
    ' ',
  ),
  f32: [
    ...['00000000', '80000000', '7f800000', 'ff800000', '7fc00000', 'ffc00000', '7f800001', 'ff800001', '7fa00000'],
    ...['7fbfffff', 'ffbfffff', '7fffffff', 'ffffffff', '7fc12345', '00000001', '80000001', '007fffff', '807fffff'],
    ...['00800000', '3f800000', '3f7fffff', '3f800001', '7f7fffff', 'ff7fffff'],
  ],
  f64: [
    ...['0000000000000000', '8000000000000000', '7ff0000000000000', 'fff0000000000000', '7ff8000000000000'],
    ...['fff8000000000000', '7ff0000000000001', 'fff0000000000001', '7ff4000000000000', '7ff7ffffffffffff'],
    ...['7fffffffffffffff', 'ffffffffffffffff', '7ff80000deadbeef', '0000000000000001', '8000000000000001'],
    ...['000fffffffffffff', '0010000000000000', '3ff0000000000000', '3fefffffffffffff', '3ff0000000000001'],
    ...['7fefffffffffffff', 'ffefffffffffffff', '4340000000000001', '7fe0000000000000'],
  ],
}

/**
 * The corpus that every path of a tensor must bring through with the same SHA-256: each dtype as a vector, a matrix,
 * a scalar (shape []), shapes without elements, and with bytes at an odd offset of a larger buffer.
 */
export function hostileTensors(): Tensor[] {
  return dtypes.flatMap((dtype) => {
    const bits = hostileBits[dtype]
    const vector = tensorFromBits(dtype, [bits.length], bits)
    return [
      vector,
      createTensor(dtype, [2, 1, bits.length / 2], vector.bytes),
      ...bits.map((pattern) => tensorFromBits(dtype, [], [pattern])),
      createTensor(dtype, [0], new Uint8Array(0)),
      createTensor(dtype, [3, 0, 2], new Uint8Array(0)),
      unaligned(vector),
    ]
  })
}

/** The same tensor with its bytes at offset 3 of a larger buffer, so that no typed view of them is aligned. */
export function unaligned({ dtype, shape, bytes }: Tensor): Tensor {
  const buffer = new Uint8Array(bytes.length + 7).fill(0xa5)
  buffer.set(bytes, 3)
  return createTensor(dtype, shape, buffer.subarray(3, 3 + bytes.length))
}

/** Any tensor of up to a few hundred elements, its patterns hostile or arbitrary, aligned or not. */
export function arbitraryTensor(choices: readonly DType[] = dtypes): fc.Arbitrary<Tensor> {
  return fc.constantFrom(...choices).chain((dtype) =>
    fc.array(fc.nat(5), { maxLength: 3 }).chain((shape) => {
      const elements = shape.reduce((product, extent) => product * extent, 1)
      return fc
        .tuple(fc.array(arbitraryBits(dtype), { minLength: elements, maxLength: elements }), fc.boolean())
        .map(([bits, shifted]) => {
          const tensor = tensorFromBits(dtype, shape, bits)
          return shifted ? unaligned(tensor) : tensor
        })
    }),
  )
}

/** The big-endian hex of one element. */
export function arbitraryBits(dtype: DType): fc.Arbitrary<string> {
  const digits = dtypeBytes[dtype] * 2
  const top = (1n << BigInt(digits * 4)) - 1n
  const hostile = fc.constantFrom(...hostileBits[dtype])
  if (dtype === 'bool') return hostile
  return fc.oneof(
    hostile,
    fc.bigInt(0n, top).map((pattern) => pattern.toString(16).padStart(digits, '0')),
  )
}
