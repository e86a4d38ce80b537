import { bytesOf, createTensor, dtypeBytes, type Tensor } from '../../../shared/tensor.ts'
import { type Computed, type Kernels, unsupported } from '../../../workloads/kernels.ts'
import type { NativeLibrary } from './library.ts'
import { alignedBytes, alignedCopy } from './memory.ts'
import { type FloatWidth, type Scalar, scalarType } from './scalar.ts'

/** The kernels a BLAS has; it has no sum (`asum` adds magnitudes). */
export const cblasKernels = ['dot', 'norm2', 'gemv', 'gemm'] as const

/** How a build names its symbols and how wide its integers are. */
export interface CblasDialect {
  /** Such as `scipy_` in the wheels of SciPy. */
  readonly prefix: string
  /** Such as `64_` in builds with 64-bit integers. */
  readonly suffix: string
  readonly integerBits: 32 | 64
}

export const plainDialect: CblasDialect = { prefix: '', suffix: '', integerBits: 32 }

const rowMajor = 101
const noTranspose = 111
/** Past this, a 32-bit BLAS counts wrongly. */
const maxExtent = 2 ** 31 - 1

type Dot = (n: number, x: Uint8Array, incX: number, y: Uint8Array, incY: number) => Scalar
type Norm2 = (n: number, x: Uint8Array, incX: number) => Scalar
type Gemv = (
  ...operands: [
    ...[order: number, transpose: number, m: number, n: number, alpha: number, a: Uint8Array, lda: number],
    ...[x: Uint8Array, incX: number, beta: number, y: Uint8Array, incY: number],
  ]
) => void
type Gemm = (
  ...operands: [
    ...[order: number, transposeA: number, transposeB: number, m: number, n: number, k: number, alpha: number],
    ...[a: Uint8Array, lda: number, b: Uint8Array, ldb: number, beta: number, c: Uint8Array, ldc: number],
  ]
) => void

/**
 * Kernels by the C interface to BLAS, row-major and with unit strides, every operand in a buffer of its own at an
 * address that is a multiple of 64, alpha 1 and beta 0.
 *
 * @see BLAS Technical Forum Standard, Appendix B (C interface)
 */
export function createCblasKernels(
  library: NativeLibrary,
  dialect: CblasDialect,
): Pick<Kernels, (typeof cblasKernels)[number]> {
  const integer = dialect.integerBits === 64 ? 'int64_t' : 'int'
  const letter = { f32: 's', f64: 'd' } as const
  const real = { f32: 'float', f64: 'double' } as const
  const bind = (dtype: FloatWidth, routine: string, returns: 'scalar' | 'nothing', parameters: readonly string[]) =>
    library.bind(
      `${dialect.prefix}cblas_${letter[dtype]}${routine}${dialect.suffix}`,
      returns === 'scalar' ? scalarType(dtype) : 'void',
      parameters.map((kind) => (kind === 'integer' ? integer : kind === 'real' ? real[dtype] : kind)),
    )
  /** A pointer, and its stride or leading dimension. */
  const array = ['void *', 'integer']
  const routines = (dtype: FloatWidth) => ({
    dot: bind(dtype, 'dot', 'scalar', ['integer', ...array, ...array]) as Dot,
    norm2: bind(dtype, 'nrm2', 'scalar', ['integer', ...array]) as Norm2,
    gemv: bind(dtype, 'gemv', 'nothing', [
      ...['int', 'int', 'integer', 'integer', 'real'],
      ...[...array, ...array, 'real', ...array],
    ]) as Gemv,
    gemm: bind(dtype, 'gemm', 'nothing', [
      ...['int', 'int', 'int', 'integer', 'integer', 'integer', 'real'],
      ...[...array, ...array, 'real', ...array],
    ]) as Gemm,
  })
  const bound = { f32: routines('f32'), f64: routines('f64') }

  /** Runs `compute` where the dtype is one BLAS has and no extent overflows its integers. */
  const guarded = (
    operands: readonly Tensor[],
    compute: (routine: (typeof bound)['f32'], dtype: FloatWidth) => Tensor,
  ): Computed => {
    const dtype = operands[0]?.dtype
    if (dtype !== 'f32' && dtype !== 'f64') return unsupported(`BLAS computes in f32 and f64, not in ${dtype}`)
    const largest = Math.max(...operands.flatMap(({ shape }) => shape))
    if (dialect.integerBits === 32 && largest > maxExtent) {
      return unsupported(`this BLAS counts with 32 bits; an extent of ${largest} is beyond them`)
    }
    return compute(bound[dtype], dtype)
  }
  const scalar = (dtype: FloatWidth, { v }: Scalar): Tensor => createTensor(dtype, [], bytesOf(v))

  return {
    dot: (x, y) =>
      guarded([x, y], ({ dot }, dtype) =>
        scalar(dtype, dot(extent(x, 0), alignedCopy(x.bytes), 1, alignedCopy(y.bytes), 1)),
      ),
    norm2: (x) => guarded([x], ({ norm2 }, dtype) => scalar(dtype, norm2(extent(x, 0), alignedCopy(x.bytes), 1))),
    gemv: (a, x) =>
      guarded([a, x], ({ gemv }, dtype) => {
        const [m, n] = [extent(a, 0), extent(a, 1)]
        const y = alignedBytes(m * dtypeBytes[dtype])
        const [inA, inX] = [alignedCopy(a.bytes), alignedCopy(x.bytes)]
        gemv(rowMajor, noTranspose, m, n, 1, inA, Math.max(1, n), inX, 1, 0, y, 1)
        return createTensor(dtype, [m], y)
      }),
    gemm: (a, b) =>
      guarded([a, b], ({ gemm }, dtype) => {
        const [m, k, n] = [extent(a, 0), extent(a, 1), extent(b, 1)]
        const c = alignedBytes(m * n * dtypeBytes[dtype])
        const [inA, inB] = [alignedCopy(a.bytes), alignedCopy(b.bytes)]
        const [ldA, ldBC] = [Math.max(1, k), Math.max(1, n)]
        gemm(rowMajor, noTranspose, noTranspose, m, n, k, 1, inA, ldA, inB, ldBC, 0, c, ldBC)
        return createTensor(dtype, [m, n], c)
      }),
  }
}

function extent(tensor: Tensor, axis: number): number {
  return tensor.shape[axis] ?? 0
}
