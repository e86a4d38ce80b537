import { decodeFloats } from '../../../shared/half.ts'
import { type Tensor, isFloat } from '../../../shared/tensor.ts'
import { type ElementaryFunction, type Unsupported, unsupported } from '../../../workloads/kernels.ts'
import { encodeResult, roundings } from './rounding.ts'

/**
 * The functions of `Math`, binary64 in and out: those of this V8, whose last bits ECMAScript leaves open. In a narrower
 * dtype, `Math`'s result rounded to it; that is not the correctly rounded function.
 */
const functions: Partial<Record<ElementaryFunction, (x: number, y: number) => number>> = {
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  cbrt: Math.cbrt,
  sqrt: Math.sqrt,
  pow: Math.pow,
  atan2: Math.atan2,
  hypot: Math.hypot,
}

export function elementary(name: ElementaryFunction, x: Tensor, y?: Tensor): Tensor | Unsupported {
  const compute = functions[name]
  if (!compute) return unsupported(`ECMAScript's Math has no ${name}`)
  if (!isFloat(x.dtype)) return unsupported(`js computes in f64, f32, f16 and bf16, not in ${x.dtype}`)
  const round = roundings[x.dtype]
  const first = decodeFloats(x)
  const second = y ? decodeFloats(y) : first
  const result = new Float64Array(first.length)
  // sqrt(x, x) and the like are harmless; only hypot would count a second argument, and it is given one.
  for (let i = 0; i < result.length; i++) result[i] = round(compute(first[i] as number, second[i] as number))
  return encodeResult(x.dtype, x.shape, result)
}
