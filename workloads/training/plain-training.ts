import { decodeFloats } from '../../shared/half.ts'
import { type Tensor, bytesOf, createTensor } from '../../shared/tensor.ts'
import { type Batch, countCorrect, createBatch, testImages } from './batch.ts'
import type { TrainingInputs } from './inputs.ts'
import { type Layer, type Network, parametersOf } from './network.ts'
import type { TrainingParams } from './params.ts'
import type { PlainArithmetic } from './plain-arithmetic.ts'
import { plainExp, plainLog } from './plain-elementary.ts'
import type { Recorder } from './recorder.ts'
import { createSchedule } from './schedule.ts'

/** [m, k] times [k, n] in a named accumulation order. Sums are products with ones, which are exact. */
export type Multiply = (a: Tensor, b: Tensor) => Promise<Tensor>

/**
 * The training of `trainOnTfjs` for a perceptron in +, −, × and ÷ alone, each rounded to the dtype:
 *
 * - dense: product, + bias. relu: 0 where x ≤ 0. dropout: x·factor.
 * - softmax: s = x − max; e = exp(s); p = e ÷ Σe. Loss: Σ(ln Σe − s at the label) ÷ batch.
 * - Gradient of the logits: (p − target) ÷ batch. Of a bias: ones times the gradient g of the result; of a kernel: xᵀ
 *   times g; of the argument: g times the kernel transposed; relu: 0 where x ≤ 0.
 * - v ← (momentum·v) + gradient; w ← w − (rate·v).
 */
export async function trainPlainly(
  network: Network,
  params: TrainingParams,
  { dtype, round, map, largest, ones, transpose }: PlainArithmetic,
  inputs: TrainingInputs,
  multiply: Multiply,
  recorder: Recorder,
): Promise<void> {
  const schedule = createSchedule(params)
  const momentum = round(params.momentum)
  const rate = round(params.learningRate)
  const names = parametersOf(network).map(({ name }) => name)
  const weights = new Map(names.map((name, i) => [name, inputs.weights[i] as Tensor]))
  const velocities = new Map(names.map((name, i) => [name, map([inputs.weights[i] as Tensor], () => 0)]))

  for (let step = 1; step <= schedule.steps; step++) {
    const gradients = await computeGradients(step, createBatch(network, params, inputs, schedule, step))
    for (const name of names) {
      const velocity = map([named(velocities, name), named(gradients, name)], (v, g) => round(momentum * v) + g)
      velocities.set(name, velocity)
      weights.set(
        name,
        map([named(weights, name), velocity], (w, v) => w - round(rate * v)),
      )
    }
    for (const name of names) recorder.offer(step, `update/${name}`, () => named(weights, name))
    if (schedule.endsEpoch(step)) await report(step)
  }

  async function applyLayer({ kind, name }: Layer, x: Tensor, factors: Tensor | undefined): Promise<Tensor> {
    if (kind === 'relu') return map([x], (value) => (value <= 0 ? 0 : value))
    if (kind === 'dropout') return factors ? map([x, factors], (value, factor) => value * factor) : x
    const product = await multiply(x, named(weights, `${name}/kernel`))
    return map([product, named(weights, `${name}/bias`)], (value, bias) => value + bias)
  }

  /** The gradient with respect to a layer's argument x, given that with respect to its result. */
  async function reverseLayer({ kind, name }: Layer, gradient: Tensor, x: Tensor, factors: Tensor | undefined) {
    if (kind === 'relu') return map([gradient, x], (slope, value) => (value <= 0 ? 0 : slope))
    if (kind === 'dropout') return factors ? map([gradient, factors], (slope, factor) => slope * factor) : gradient
    return multiply(gradient, transpose(named(weights, `${name}/kernel`)))
  }

  async function computeGradients(step: number, { images, targets, factors }: Batch): Promise<Map<string, Tensor>> {
    const offer = (name: string, tensor: Tensor) => recorder.offer(step, name, () => tensor)
    const results = [images]
    for (const layer of network.layers) {
      const result = await applyLayer(layer, results.at(-1) as Tensor, factors)
      offer(`forward/${layer.name}`, result)
      results.push(result)
    }
    const { probabilities, loss } = await crossEntropy(results.pop() as Tensor, targets)
    offer('forward/softmax', probabilities)
    offer('loss', loss)

    const gradients = new Map<string, Tensor>()
    let gradient = map([probabilities, targets], (p, target) => round(p - target) / params.batch)
    for (const layer of network.layers.toReversed()) {
      const x = results.pop() as Tensor
      offer(`backward/${layer.name}`, gradient)
      for (const { name, shape } of layer.parameters.toReversed()) {
        const product = await multiply(name.endsWith('/bias') ? ones(1, params.batch) : transpose(x), gradient)
        const slope = createTensor(dtype, shape, product.bytes)
        offer(`backward/${name}`, slope)
        gradients.set(name, slope)
      }
      if (layer !== network.layers[0]) gradient = await reverseLayer(layer, gradient, x, factors)
    }
    return gradients
  }

  async function crossEntropy(logits: Tensor, targets: Tensor): Promise<{ probabilities: Tensor; loss: Tensor }> {
    const [rows, classes] = logits.shape as [number, number]
    const shifted = map([logits, largest(logits)], (value, max) => value - max)
    const powers = map([shifted], plainExp)
    const sums = await multiply(powers, ones(classes, 1))
    // All but one of the addends are 0, so that this sum is exact in any order.
    const atLabel = await multiply(
      map([shifted, targets], (value, target) => (target === 1 ? value : 0)),
      ones(classes, 1),
    )
    const losses = map([sums, atLabel], (sum, value) => round(plainLog(sum)) - value)
    const total = await multiply(ones(1, rows), losses)
    return {
      probabilities: map([powers, sums], (power, sum) => power / sum),
      loss: createTensor(dtype, [], map([total], (sum) => sum / rows).bytes),
    }
  }

  async function report(step: number): Promise<void> {
    for (const name of names) recorder.offer(step, `weights/${name}`, () => named(weights, name))
    let logits = testImages(network, inputs)
    for (const layer of network.layers) logits = await applyLayer(layer, logits, undefined)
    const labels = predictedLabels(logits)
    recorder.offer(step, 'logits', () => logits)
    recorder.offer(step, 'labels', () => labels)
    recorder.offer(step, 'correct', () => countCorrect(labels, inputs.test.labels))
  }
}

function named(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  return tensors.get(name) as Tensor
}

/** The index of the largest logit of each row, the first of equals: i32 [rows]. */
function predictedLabels(logits: Tensor): Tensor {
  const [rows, classes] = logits.shape as [number, number]
  const values = decodeFloats(logits)
  const labels = Int32Array.from({ length: rows }, (_, row) => {
    const scores = values.subarray(row * classes, (row + 1) * classes)
    return scores.reduce((best, score, i) => (score > (scores[best] as number) ? i : best), 0)
  })
  return createTensor('i32', [rows], bytesOf(labels))
}
