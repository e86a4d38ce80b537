import { z } from 'zod'
import { encodeFloats } from '../../shared/half.ts'
import type { Stream } from '../../shared/random/stream.ts'
import { type FloatDType, type Tensor, createTensor, elementCount } from '../../shared/tensor.ts'
import { createKernelWorkload } from '../kernel-workload.ts'
import { type ElementaryFunction, elementaryFunctions } from '../kernels.ts'
import { type FindShape, drawnOperand, flattened, givenOperand } from '../operand.ts'
import { dtypeParam, inputParam, maxElements, refuseBeside, strictParams } from '../params.ts'
import { secondOperand } from '../reductions/vector.ts'
import type { Workload } from '../workload.ts'

type Domain = readonly [number, number]

/** Where arguments are drawn from if the plan does not say: the range where the function's own code works hardest. */
const domains: Record<ElementaryFunction, readonly [Domain] | readonly [Domain, Domain]> = {
  exp: [[-16, 16]],
  exp2: [[-16, 16]],
  expm1: [[-2, 2]],
  log: [[0.015625, 64]],
  log2: [[0.015625, 64]],
  log10: [[0.015625, 64]],
  log1p: [[-0.5, 1.5]],
  sin: [[-64, 64]],
  cos: [[-64, 64]],
  tan: [[-64, 64]],
  asin: [[-1, 1]],
  acos: [[-1, 1]],
  atan: [[-16, 16]],
  sinh: [[-8, 8]],
  cosh: [[-8, 8]],
  tanh: [[-4, 4]],
  cbrt: [[-64, 64]],
  sqrt: [[0, 64]],
  pow: [
    [0.0625, 16],
    [-8, 8],
  ],
  atan2: [
    [-4, 4],
    [-4, 4],
  ],
  hypot: [
    [-64, 64],
    [-64, 64],
  ],
}

const domainParam = z
  .tuple([z.number(), z.number()])
  .refine(([low, high]) => low < high, { error: 'a domain is [low, high] with low below high' })
  .optional()

const unaryShape = {
  dtype: dtypeParam,
  n: z.int().min(0).max(maxElements).optional().describe('Number of arguments; 65536 if left out'),
  domain: domainParam.describe('Range [low, high] that arguments are drawn from'),
  input: inputParam.optional(),
}
type UnaryParams = z.infer<z.ZodObject<typeof unaryShape>>
const binaryShape = {
  ...unaryShape,
  domainB: domainParam.describe('Range that second arguments are drawn from'),
  inputB: inputParam.optional(),
}

/**
 * low + (high − low)·u, each operation in binary64, then rounded once to the dtype; u is the stream's `uniform` of
 * binary64 for f64 and of binary32 for the narrower dtypes. IEEE 754 fixes every bit of it.
 */
function drawFrom([low, high]: Domain) {
  return (dtype: FloatDType, shape: readonly number[], stream: Stream): Tensor => {
    const n = elementCount(shape)
    const uniform = dtype === 'f64' ? stream.uniform64(n) : stream.uniform32(n)
    const drawn = Float64Array.from(uniform, (u) => low + (high - low) * u)
    return createTensor(dtype, shape, encodeFloats(dtype, drawn))
  }
}

/** One workload a function: `elementary.exp`, `elementary.pow`, … */
export const elementary: Workload[] = elementaryFunctions.map((name) =>
  domains[name].length === 1 ? createUnary(name, domains[name][0]) : createBinary(name, domains[name]),
)

function createUnary(name: ElementaryFunction, preset: Domain): Workload {
  return createKernelWorkload({
    ...describe(name, `${name}(x)`, `x from [${preset}], stream \`input\``),
    params: strictParams(unaryShape).superRefine(refuseBeside('input', ['n', 'domain'])),
    operands: (params, find) => [firstArgument(params, preset, find)],
    resultShape: ([x]) => x.shape,
    compute: (kernels, [x]) => kernels.elementary(name, flattened(x)),
  })
}

function createBinary(name: ElementaryFunction, [preset, presetB]: readonly [Domain, Domain]): Workload {
  return createKernelWorkload({
    ...describe(
      name,
      `${name}(x, y)`,
      `x from [${preset}], stream \`input\`, and y from [${presetB}], stream \`input-b\``,
    ),
    params: strictParams(binaryShape)
      .superRefine(refuseBeside('input', ['n', 'domain']))
      .superRefine(refuseBeside('inputB', ['domainB'])),
    operands(params, find) {
      const x = firstArgument(params, preset, find)
      return [x, secondOperand(x, drawFrom(params.domainB ?? presetB), params.inputB, find)]
    },
    resultShape: ([x]) => x.shape,
    compute: (kernels, [x, y]) => kernels.elementary(name, flattened(x), flattened(y)),
  })
}

function firstArgument({ dtype, n, domain, input }: UnaryParams, preset: Domain, find: FindShape) {
  return input
    ? givenOperand('input', dtype, input, find)
    : drawnOperand('input', dtype, [n ?? 1 << 16], drawFrom(domain ?? preset))
}

function describe(name: ElementaryFunction, formula: string, source: string) {
  return {
    id: `elementary.${name}`,
    version: 1,
    title: formula,
    summary:
      `Computes ${formula} element by element: ${source}, if not given. Mathematical libraries differ in the last bit, and one ` +
      'library differs between processors where it chooses its code by their instructions.',
    kernel: 'elementary' as const,
  }
}
