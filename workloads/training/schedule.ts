import { digitClasses, digitSide, testCount, trainCount } from '../data/digits.ts'
import { type CheckpointSpec, granularities } from '../workload.ts'
import { type Network, parametersOf } from './network.ts'
import type { TrainingParams } from './params.ts'

/** How many steps there are, and which of them end an epoch. Steps count from 1; step 0 is before training. */
export interface Schedule {
  readonly stepsPerEpoch: number
  readonly steps: number
  /** Epochs that are at least begun. */
  readonly epochs: number
  endsEpoch(step: number): boolean
}

export function createSchedule({ epochs, batch, steps: limit }: TrainingParams): Schedule {
  const stepsPerEpoch = Math.floor(trainCount / batch)
  const steps = Math.min(epochs * stepsPerEpoch, limit ?? Infinity)
  return {
    stepsPerEpoch,
    steps,
    epochs: Math.ceil(steps / stepsPerEpoch),
    endsEpoch: (step) => step === steps || step % stepsPerEpoch === 0,
  }
}

/**
 * The checkpoint schema of a training, in the order of computing. A finer granularity adds places and moves none:
 *
 * - `end`: the inputs; of the last step its loss, and after it the weights, the logits, predicted labels and number of
 *   correct ones on the test images. These are the outputs.
 * - `epoch`: the same after the last step of each epoch.
 * - `step`: at every step the loss of its batch and the updated weights.
 * - `operation`: `forward/NAME`, the result of an operation; `backward/NAME`, the gradient of the loss with respect to
 *   that result; `backward/NAME/kernel` and `/bias`, with respect to a parameter.
 */
export function trainingSchema(
  network: Network,
  params: TrainingParams,
  dtype: 'f32' | 'f64' = 'f32',
): CheckpointSpec[] {
  const schedule = createSchedule(params)
  const fineness = granularities.indexOf(params.checkpoints)
  const byOperation = fineness >= granularities.indexOf('operation')
  const byStep = fineness >= granularities.indexOf('step')
  const byEpoch = fineness >= granularities.indexOf('epoch')
  const specs = inputSpecs(network, params, dtype)

  for (let step = 1; step <= schedule.steps; step++) {
    const last = step === schedule.steps
    const reports = last || (byEpoch && schedule.endsEpoch(step))
    const role = last ? 'output' : 'intermediate'
    if (byOperation) specs.push(...operationSpecs(network, step, params.batch, dtype, 'forward'))
    if (byStep || reports) specs.push({ step, name: 'loss', dtype, shape: [], role })
    if (byOperation) specs.push(...operationSpecs(network, step, params.batch, dtype, 'backward'))
    if (byStep) specs.push(...parameterSpecs(network, step, dtype, 'update', 'intermediate'))
    if (!reports) continue
    specs.push(
      ...parameterSpecs(network, step, dtype, 'weights', role),
      { step, name: 'logits', dtype, shape: [testCount, digitClasses], role },
      { step, name: 'labels', dtype: 'i32', shape: [testCount], role },
      { step, name: 'correct', dtype: 'i32', shape: [], role },
    )
  }
  return specs
}

function inputSpecs(network: Network, params: TrainingParams, dtype: 'f32' | 'f64'): CheckpointSpec[] {
  const { epochs, stepsPerEpoch } = createSchedule(params)
  const input = (name: string, dtype: CheckpointSpec['dtype'], shape: readonly number[]): CheckpointSpec => ({
    step: 0,
    name,
    dtype,
    shape,
    role: 'input',
  })
  const dropout = network.layers.find(({ kind }) => kind === 'dropout')
  return [
    input('data/train/images', dtype, [trainCount, digitSide, digitSide, 1]),
    input('data/train/labels', 'i32', [trainCount]),
    input('data/test/images', dtype, [testCount, digitSide, digitSide, 1]),
    input('data/test/labels', 'i32', [testCount]),
    ...parameterSpecs(network, 0, dtype, 'weights', 'input'),
    ...Array.from({ length: epochs }, (_, epoch) => [
      input(`shuffle/epoch${epoch}`, 'i32', [trainCount]),
      input(`batch-order/epoch${epoch}`, 'i32', [stepsPerEpoch]),
      ...(dropout && params.dropout > 0
        ? [input(`dropout/epoch${epoch}`, 'bool', [stepsPerEpoch, params.batch, ...dropout.shape])]
        : []),
    ]).flat(),
  ]
}

function parameterSpecs(
  network: Network,
  step: number,
  dtype: 'f32' | 'f64',
  group: 'weights' | 'update',
  role: CheckpointSpec['role'],
): CheckpointSpec[] {
  return parametersOf(network).map(({ name, shape }) => ({ step, name: `${group}/${name}`, dtype, shape, role }))
}

function operationSpecs(
  network: Network,
  step: number,
  batch: number,
  dtype: 'f32' | 'f64',
  direction: 'forward' | 'backward',
): CheckpointSpec[] {
  const spec = (name: string, shape: readonly number[]): CheckpointSpec => ({
    step,
    name: `${direction}/${name}`,
    dtype,
    shape,
    role: 'intermediate',
  })
  if (direction === 'forward') {
    return [
      ...network.layers.map(({ name, shape }) => spec(name, [batch, ...shape])),
      spec('softmax', [batch, digitClasses]),
    ]
  }
  return network.layers
    .toReversed()
    .flatMap(({ name, shape, parameters }) => [
      spec(name, [batch, ...shape]),
      ...parameters.toReversed().map((parameter) => spec(parameter.name, parameter.shape)),
    ])
}
