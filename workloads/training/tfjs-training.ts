import type * as tfjs from '@tensorflow/tfjs-core'
import type { Tensor } from '../../shared/tensor.ts'
import { type Batch, countCorrect, createBatch, testImages } from './batch.ts'
import type { TrainingInputs } from './inputs.ts'
import { type Network, parametersOf } from './network.ts'
import type { TrainingParams } from './params.ts'
import type { Recorder } from './recorder.ts'
import { createSchedule } from './schedule.ts'
import { applyNetwork, crossEntropy } from './tfjs-network.ts'
import { download, upload } from './tfjs-tensor.ts'

/**
 * Trains by gradient descent with momentum, v ← momentum·v + gradient and w ← w − rate·v, on the tfjs backend in force.
 *
 * @see Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning. ICML 2013
 */
export function trainOnTfjs(
  tf: typeof tfjs,
  network: Network,
  params: TrainingParams,
  inputs: TrainingInputs,
  recorder: Recorder,
): void {
  const schedule = createSchedule(params)
  const names = parametersOf(network).map(({ name }) => name)
  let weights = inputs.weights.map((tensor) => upload(tf, tensor))
  let velocities = weights.map((tensor) => tf.zerosLike(tensor))

  for (let step = 1; step <= schedule.steps; step++) {
    const batch = createBatch(network, params, inputs, schedule, step)
    const gradients = computeGradients(step, batch)
    const updated = tf.tidy(() => {
      const moving = velocities.map((velocity, i) =>
        tf.add(tf.mul(velocity, tf.scalar(params.momentum)), gradients[i] as tfjs.Tensor),
      )
      const moved = weights.map((weight, i) =>
        tf.sub(weight, tf.mul(moving[i] as tfjs.Tensor, tf.scalar(params.learningRate))),
      )
      return { moving, moved }
    })
    tf.dispose([weights, velocities, gradients])
    weights = updated.moved
    velocities = updated.moving
    names.forEach((name, i) => offer(step, `update/${name}`, weights[i] as tfjs.Tensor))
    if (schedule.endsEpoch(step)) report(step)
  }
  tf.dispose([weights, velocities])

  function offer(step: number, name: string, tensor: tfjs.Tensor): void {
    recorder.offer(step, name, () => download(tensor))
  }

  function computeGradients(step: number, { images, targets, factors }: Batch): tfjs.Tensor[] {
    const watch = (direction: string, name: string, tensor: tfjs.Tensor) => offer(step, `${direction}/${name}`, tensor)
    return tf.tidy(() => {
      const x = upload(tf, images)
      const expected = upload(tf, targets)
      const dropped = factors && upload(tf, factors)
      const differentiate = tf.grads((...tensors: tfjs.Tensor[]) => {
        const byName = new Map(names.map((name, i) => [name, tensors[i] as tfjs.Tensor]))
        const loss = crossEntropy(tf, applyNetwork(tf, network, byName, x, dropped, watch), expected, watch)
        offer(step, 'loss', loss)
        return loss
      })
      return differentiate(weights)
    })
  }

  /** What an epoch's end, and the end, are judged by. */
  function report(step: number): void {
    names.forEach((name, i) => offer(step, `weights/${name}`, weights[i] as tfjs.Tensor))
    tf.tidy(() => {
      const byName = new Map(names.map((name, i) => [name, weights[i] as tfjs.Tensor]))
      const logits = applyNetwork(tf, network, byName, upload(tf, testImages(network, inputs)))
      offer(step, 'logits', logits)
      const labels: Tensor = download(tf.argMax(logits, 1))
      recorder.offer(step, 'labels', () => labels)
      recorder.offer(step, 'correct', () => countCorrect(labels, inputs.test.labels))
    })
  }
}
