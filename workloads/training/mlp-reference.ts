import { z } from 'zod'
import { backendName } from '../../shared/backend-description.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { type Tensor, createTensor } from '../../shared/tensor.ts'
import { digitClasses, digitPixels } from '../data/digits.ts'
import { isUnsupported, unsupported } from '../kernels.ts'
import { strictParams } from '../params.ts'
import type { SchemedWorkload } from '../workload.ts'
import { createTrainingInputs } from './inputs.ts'
import { createPerceptron } from './network.ts'
import { trainingParams } from './params.ts'
import { createPlainArithmetic } from './plain-arithmetic.ts'
import { trainPlainly } from './plain-training.ts'
import { createRecorder, offerInputs } from './recorder.ts'
import { trainingSchema } from './schedule.ts'

const paramsSchema = strictParams({
  ...trainingParams,
  hidden: z.int().min(1).max(4096).default(32).describe('Width of the hidden layer'),
  dtype: z.enum(['f32', 'f64']).default('f32').describe('What every result is rounded to'),
})
type Params = z.infer<typeof paramsSchema>

export const mlpReference: SchemedWorkload<Params> = {
  id: 'train.mlp-reference',
  version: 1,
  title: 'Training of a perceptron with nothing left open',
  summary:
    'The training of train.mlp in plain +, −, × and ÷, each rounded to the dtype, every sum in the named accumulation ' +
    'order of the backend js, exp and log built from the same four operations. IEEE 754 leaves no choice in any of ' +
    'them: every machine that computes correctly has the same bits.',
  params: paramsSchema,
  schema(written) {
    const params = paramsSchema.parse(written)
    return trainingSchema(createPerceptron(params.hidden, digitPixels, digitClasses), params, params.dtype)
  },
  async run(context) {
    const { gemm } = context.kernels
    if (backendName(context.backend) !== 'js' || !gemm) {
      return unsupported(
        `train.mlp-reference is defined by the accumulation orders of backend js, not ${context.backend}`,
      )
    }
    const params = paramsSchema.parse(context.params)
    const { dtype } = params
    const one = createTensor(dtype, [1, 1], new Uint8Array(dtype === 'f32' ? 4 : 8))
    const refusal = await gemm(one, one)
    if (isUnsupported(refusal)) return refusal

    const network = createPerceptron(params.hidden, digitPixels, digitClasses)
    const recorder = createRecorder(trainingSchema(network, params, dtype), context.checkpoint)
    const inputs = createTrainingInputs(network, params, context.seed, dtype)
    offerInputs(recorder, network, inputs)
    const multiply = async (a: Tensor, b: Tensor): Promise<Tensor> => {
      const product = await gemm(a, b)
      if (isUnsupported(product)) throw new BitfleetError('workload', `gemm was given up: ${product.unsupported}`)
      return product
    }
    await trainPlainly(network, params, createPlainArithmetic(dtype), inputs, multiply, recorder)
    return undefined
  },
}
