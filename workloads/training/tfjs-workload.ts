import type { z } from 'zod'
import { unsupported } from '../kernels.ts'
import type { SchemedWorkload, WorkloadDescription } from '../workload.ts'
import { createTrainingInputs } from './inputs.ts'
import type { Network } from './network.ts'
import type { TrainingParams } from './params.ts'
import { createRecorder, offerInputs } from './recorder.ts'
import { trainingSchema } from './schedule.ts'
import { trainOnTfjs } from './tfjs-training.ts'

export interface TfjsTraining<Params extends TrainingParams> extends Omit<WorkloadDescription<Params>, 'schema'> {
  readonly params: z.ZodType<Params>
  network(params: Params): Network
}

const filterGradient = 'Conv2DBackpropFilter'
/** The same on every backend of tfjs, so that a report says it once. Why it is so, see `convolve` of the network. */
const filterGradientText = `tfjs-wasm lacks this kernel, so every backend of tfjs computes the filter's gradient as conv2d of transposed inputs`

/** A training in binary32 on the tfjs API. */
export function createTfjsTraining<Params extends TrainingParams>(
  definition: TfjsTraining<Params>,
): SchemedWorkload<Params> {
  const { network: networkOf, ...description } = definition
  return {
    ...description,
    schema(written) {
      const params = description.params.parse(written)
      return trainingSchema(networkOf(params), params)
    },
    run(context) {
      if (!context.tf)
        return unsupported(`${context.backend} has no automatic differentiation, which ${description.id} needs`)
      const params = description.params.parse(context.params)
      const network = networkOf(params)
      const recorder = createRecorder(trainingSchema(network, params), context.checkpoint)
      const inputs = createTrainingInputs(network, params, context.seed)
      offerInputs(recorder, network, inputs)
      if (network.layers.some(({ kind }) => kind === 'convolution')) {
        context.substituted?.(filterGradient, filterGradientText)
      }
      trainOnTfjs(context.tf, network, params, inputs, recorder)
      return undefined
    },
  }
}
