import { describe, expect, it } from 'vitest'
import { digestOf } from '../../shared/digest.ts'
import { asFloat32, asFloat64, type Tensor } from '../../shared/tensor.ts'
import { readDigits, testCount, trainCount } from '../data/digits.ts'
import { sources } from '../sources.ts'
import { countCorrect, createBatch, integers } from './batch.ts'
import { createTrainingInputs, initialScale } from './inputs.ts'
import { createConvolutional, createPerceptron, parametersOf } from './network.ts'
import { mlp } from './mlp.ts'
import { createSchedule } from './schedule.ts'
import { trainingStreams } from './streams.ts'

const network = createPerceptron(8, 64, 10)
const params = mlp.params.parse({ hidden: 8, epochs: 2, batch: 100, dropout: 0.25 })
const inputs = createTrainingInputs(network, params, '42')

describe('the inputs of a training', () => {
  it('are every image once, for training or for testing', () => {
    const { pixels, classes } = readDigits()
    const known = Array.from(classes, (label, i) => `${label}:${pixels.subarray(i * 64, (i + 1) * 64).map(Number)}`)
    const split = [inputs.train, inputs.test].flatMap(({ images, labels }) => {
      const values = asFloat32(images)
      return Array.from(integers(labels), (label, i) => {
        const row = values.subarray(i * 64, (i + 1) * 64)
        return `${label}:${Uint8Array.from(row, (value) => value * 16)}`
      })
    })
    expect(split).toHaveLength(trainCount + testCount)
    expect(split.toSorted()).toEqual(known.toSorted())
  })

  it('shuffle anew for each epoch', () => {
    const [first, second] = inputs.epochs.map(({ shuffle }) => [...integers(shuffle)])
    expect(first).not.toEqual(second)
    expect(first?.toSorted((a, b) => a - b)).toEqual(Array.from({ length: trainCount }, (_, i) => i))
  })

  it('drop out about as much as was asked for', () => {
    const kept = inputs.epochs[0]?.kept as Tensor
    const share = kept.bytes.reduce((sum, keep) => sum + keep, 0) / kept.bytes.length
    expect(Math.abs(share - 0.75)).toBeLessThan(0.01)
  })

  it('have weights of a power of two times the normal draws, in either dtype', () => {
    const wide = createTrainingInputs(network, params, '42', 'f64')
    inputs.weights.forEach((weight, i) => {
      expect(asFloat32(weight)).toEqual(Float32Array.from(asFloat64(wide.weights[i] as Tensor)))
    })
    expect([64, 9, 8, 72, 2, 1].map(initialScale)).toEqual([0.125, 0.25, 0.5, 0.125, 1, 1])
  })

  it('let one source vary while the others stand still', () => {
    const other = createTrainingInputs(network, { ...params, dropout: 0.5, batch: 50 }, '42')
    expect(other.weights).toEqual(inputs.weights)
    expect(digestOf(other.train.images.bytes)).toBe(digestOf(inputs.train.images.bytes))
    expect(other.epochs.map(({ shuffle }) => shuffle)).toEqual(inputs.epochs.map(({ shuffle }) => shuffle))
    expect(other.epochs[0]?.kept).not.toEqual(inputs.epochs[0]?.kept)
  })
})

describe('a batch', () => {
  it('is the rows that shuffle and batch order name, with the masks of its step', () => {
    const schedule = createSchedule(params)
    const epoch = inputs.epochs[1] as (typeof inputs.epochs)[number]
    const step = schedule.stepsPerEpoch + 3
    const { images, targets, factors } = createBatch(network, params, inputs, schedule, step)
    const first = (integers(epoch.batchOrder)[2] as number) * 100
    const row = integers(epoch.shuffle)[first + 7] as number
    expect(images.shape).toEqual([100, 64])
    expect(asFloat32(images).slice(7 * 64, 8 * 64)).toEqual(
      asFloat32(inputs.train.images).slice(row * 64, (row + 1) * 64),
    )
    expect(asFloat32(targets).subarray(70, 80).indexOf(1)).toBe(integers(inputs.train.labels)[row])
    expect(new Set(asFloat32(factors as Tensor))).toEqual(new Set([0, Math.fround(4 / 3)]))
    const kept = epoch.kept?.bytes.subarray(2 * 800, 3 * 800) as Uint8Array
    expect(Array.from(asFloat32(factors as Tensor), (factor) => (factor > 0 ? 1 : 0))).toEqual([...kept])
  })

  it('counts what is right', () => {
    const labels = (...values: number[]): Tensor => ({
      dtype: 'i32',
      shape: [values.length],
      bytes: new Uint8Array(Int32Array.from(values).buffer),
    })
    expect(integers(countCorrect(labels(1, 2, 3), labels(1, 3, 3)))).toEqual(Int32Array.of(2))
  })
})

describe('a schedule', () => {
  it('counts full batches, and ends with the limit', () => {
    expect(createSchedule(params)).toMatchObject({ stepsPerEpoch: 14, steps: 28, epochs: 2 })
    const limited = createSchedule({ ...params, steps: 15 })
    expect(limited).toMatchObject({ steps: 15, epochs: 2 })
    expect([13, 14, 15].map(limited.endsEpoch)).toEqual([false, true, true])
    expect(createSchedule({ ...params, steps: 14 })).toMatchObject({ steps: 14, epochs: 1 })
  })
})

describe('networks', () => {
  it('name their parameters as the checkpoints do', () => {
    expect(parametersOf(createConvolutional(8, 8, 10)).map(({ name, shape }) => `${name} ${shape}`)).toEqual([
      'conv1/kernel 3,3,1,8',
      'conv1/bias 8',
      'conv2/kernel 3,3,8,16',
      'conv2/bias 16',
      'dense1/kernel 64,10',
      'dense1/bias 10',
    ])
  })
})

describe('the streams of a training', () => {
  it('are sources of the literature', () => {
    const known = new Set<string>(sources.map(({ id }) => id))
    for (const { source } of trainingStreams) expect(known).toContain(source)
  })
})
