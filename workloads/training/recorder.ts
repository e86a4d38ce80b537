import type { Tensor } from '../../shared/tensor.ts'
import type { CheckpointSpec, WorkloadContext } from '../workload.ts'
import type { TrainingInputs } from './inputs.ts'
import { type Network, parametersOf } from './network.ts'

/**
 * Offers the result of every operation in the order of computing; it becomes a checkpoint where the schema has a place
 * for it next, so that the same program serves every granularity.
 */
export interface Recorder {
  /** @param make called only where the schema has the place */
  offer(step: number, name: string, make: () => Tensor): void
}

export function createRecorder(schema: readonly CheckpointSpec[], checkpoint: WorkloadContext['checkpoint']): Recorder {
  let next = 0
  return {
    offer(step, name, make) {
      const place = schema[next]
      if (place?.step !== step || place.name !== name) return
      next++
      checkpoint(step, name, make())
    },
  }
}

/** The first checkpoints of a training: if they differ, it was not the arithmetic. */
export function offerInputs(recorder: Recorder, network: Network, inputs: TrainingInputs): void {
  const offer = (name: string, tensor: Tensor) => recorder.offer(0, name, () => tensor)
  offer('data/train/images', inputs.train.images)
  offer('data/train/labels', inputs.train.labels)
  offer('data/test/images', inputs.test.images)
  offer('data/test/labels', inputs.test.labels)
  parametersOf(network).forEach(({ name }, i) => offer(`weights/${name}`, inputs.weights[i] as Tensor))
  inputs.epochs.forEach(({ shuffle, batchOrder, kept }, epoch) => {
    offer(`shuffle/epoch${epoch}`, shuffle)
    offer(`batch-order/epoch${epoch}`, batchOrder)
    if (kept) offer(`dropout/epoch${epoch}`, kept)
  })
}
