import type { Tensor } from '../shared/tensor.ts'

/** A kernel's way of saying that this backend, under this condition, has no such computation. Not an error. */
export interface Unsupported {
  readonly unsupported: string
}

export function unsupported(reason: string): Unsupported {
  return { unsupported: reason }
}

export function isUnsupported(value: unknown): value is Unsupported {
  return typeof value === 'object' && value !== null && 'unsupported' in value
}

export type Computed = Tensor | Unsupported | Promise<Tensor | Unsupported>

/** Functions of one or two arguments that a `libm` has. */
export const elementaryFunctions = [
  'exp',
  'exp2',
  'expm1',
  'log',
  'log2',
  'log10',
  'log1p',
  'sin',
  'cos',
  'tan',
  'asin',
  'acos',
  'atan',
  'sinh',
  'cosh',
  'tanh',
  'cbrt',
  'sqrt',
  'pow',
  'atan2',
  'hypot',
] as const
export type ElementaryFunction = (typeof elementaryFunctions)[number]

/**
 * What a backend can compute, bytes in and bytes out. Operands share one dtype and the result has it too. An absent
 * kernel is unsupported, never emulated by another backend.
 */
export interface Kernels {
  /** [n] → []; the sum of nothing is +0. */
  sum(x: Tensor): Computed
  /** [n], [n] → [] */
  dot(x: Tensor, y: Tensor): Computed
  /** [n] → []; square root of the dot product with itself, or what the library calls nrm2. */
  norm2(x: Tensor): Computed
  /** [m, n], [n] → [m] */
  gemv(a: Tensor, x: Tensor): Computed
  /** [m, k], [k, n] → [m, n] */
  gemm(a: Tensor, b: Tensor): Computed
  /** [n] (and [n] for pow, atan2, hypot) → [n] */
  elementary(name: ElementaryFunction, x: Tensor, y?: Tensor): Computed
  /** [rows, n] → [rows, n], along the last axis. */
  softmax(x: Tensor): Computed
  /** [rows, n], gain [n], bias [n] → [rows, n]; (x − mean) / √(variance + ε) · gain + bias, biased variance. */
  layernorm(x: Tensor, gain: Tensor, bias: Tensor, epsilon: number): Computed
  /** NHWC images [b, h, w, c], HWIO kernel [kh, kw, c, d], valid padding, stride 1 → [b, h−kh+1, w−kw+1, d]. */
  conv2d(x: Tensor, kernel: Tensor): Computed
}
export type KernelName = keyof Kernels
