import type * as tfjs from '@tensorflow/tfjs-core'
import { BitfleetError } from '../../../shared/errors.ts'
import type { Tensor } from '../../../shared/tensor.ts'
import { type ElementaryFunction, type Kernels, type Unsupported, unsupported } from '../../../workloads/kernels.ts'
import { download, upload } from '../../../workloads/training/tfjs-tensor.ts'
import type { Substitutions } from '../substitutions.ts'

/** What tfjs has of a libm, and the name of the kernel that a backend must have registered for it. */
const elementary: Partial<Record<ElementaryFunction, string>> = {
  exp: 'Exp',
  expm1: 'Expm1',
  log: 'Log',
  log1p: 'Log1p',
  sin: 'Sin',
  cos: 'Cos',
  tan: 'Tan',
  asin: 'Asin',
  acos: 'Acos',
  atan: 'Atan',
  sinh: 'Sinh',
  cosh: 'Cosh',
  tanh: 'Tanh',
  sqrt: 'Sqrt',
  pow: 'Pow',
  atan2: 'Atan2',
}

export const tfjsKernelNames = [
  'sum',
  'dot',
  'norm2',
  'gemv',
  'gemm',
  'elementary',
  'softmax',
  'layernorm',
  'conv2d',
] as const satisfies readonly (keyof Kernels)[]

/**
 * Bitfleet's kernels as tfjs's own operations in binary32.
 *
 * @param name     as tfjs names the backend: `cpu`, `wasm` or `tensorflow`
 * @param substitutions told of a kernel that is made of other operations
 * @param hasEmpty whether its reductions of nothing write a result; tfjs-wasm leaves the memory as it was
 */
export function createTfjsKernels(
  tf: typeof tfjs,
  name: string,
  hasEmpty: boolean,
  substitutions: Substitutions,
): Kernels {
  const compute = (operands: readonly Tensor[], apply: (...operands: tfjs.Tensor[]) => tfjs.Tensor) => {
    if (tf.getBackend() !== name) {
      throw new BitfleetError('internal', `tfjs: backend ${name} was opened, and ${tf.getBackend()} is in force`)
    }
    const refusal = refuse(operands, hasEmpty)
    if (refusal) return refusal
    const result = tf.tidy(() => apply(...operands.map((operand) => upload(tf, operand))))
    const tensor = download(result)
    result.dispose()
    return tensor
  }
  return {
    sum: (x) => compute([x], (a) => tf.sum(a)),
    dot: (x, y) => compute([x, y], (a, b) => tf.dot(a, b)),
    norm2: (x) => compute([x], (a) => tf.norm(a, 'euclidean')),
    gemv: (a, x) => compute([a, x], (matrix, vector) => tf.dot(matrix, vector)),
    gemm: (a, b) => compute([a, b], (left, right) => tf.matMul(left, right)),
    elementary(fn, x, y) {
      const kernel = elementary[fn]
      if (!kernel || !tf.getKernel(kernel, name)) return unsupported(`tfjs's backend ${name} has no ${fn}`)
      const unary = tf[fn as 'exp']
      const binary = tf[fn as 'pow']
      return y ? compute([x, y], (a, b) => binary(a, b)) : compute([x], (a) => unary(a))
    },
    softmax: (x) => compute([x], (a) => tf.softmax(a, -1)),
    // Composed: tfjs has no such kernel, and its fused batch normalisation does not broadcast over rows.
    layernorm(x, gain, bias, epsilon) {
      substitutions.add(
        'layernorm',
        'tfjs has no layernorm: it is computed by moments, subtraction, division and addition',
      )
      return compute([x, gain, bias], (a, scale, offset) => {
        const { mean, variance } = tf.moments(a, -1, true)
        const normal = tf.div(tf.sub(a, mean), tf.sqrt(tf.add(variance, tf.scalar(epsilon))))
        return tf.add(tf.mul(normal, scale), offset)
      })
    },
    conv2d: (x, kernel) =>
      compute([x, kernel], (a, b) => tf.conv2d(a as tfjs.Tensor4D, b as tfjs.Tensor4D, 1, 'valid')),
  }
}

function refuse(operands: readonly Tensor[], hasEmpty: boolean): Unsupported | undefined {
  const wide = operands.find(({ dtype }) => dtype !== 'f32')
  if (wide) return unsupported(`tfjs computes in f32 alone, not in ${wide.dtype}`)
  const empty = !hasEmpty && operands.some(({ bytes }) => bytes.byteLength === 0)
  return empty ? unsupported('tfjs-wasm writes no result for operands without elements') : undefined
}
