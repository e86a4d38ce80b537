import type * as tfjs from '@tensorflow/tfjs-core'
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

/** Why a filter's gradient is not the library's own kernel, see `convolve` of the network. */
function sayFilterGradient(backend: string, tf: typeof tfjs): string {
  const why = tf.getKernel(filterGradient, tf.getBackend())
    ? `${backend} has ${filterGradient}, and tfjs-wasm does not`
    : `${backend} has no ${filterGradient}`
  return `${why}: the filter's gradient is computed by conv2d of transposed inputs on every backend of tfjs`
}

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
        context.substituted?.(filterGradient, sayFilterGradient(context.backend, context.tf))
      }
      trainOnTfjs(context.tf, network, params, inputs, recorder)
      return undefined
    },
  }
}
