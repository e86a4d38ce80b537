import { describe, expect, it } from 'vitest'
import { type Readings, settingsOf } from './read-back.ts'
import { startedBetween } from './threads.ts'

const readings: Readings = {
  tensorflow: {
    version: '2.21.0',
    packageVersion: '4.22.0',
    usesGpu: false,
    build: 'cpu',
    started: { all: 10, interOp: 2 },
  },
  native: { oneDnn: true, deterministicOps: false, intraOpAsked: 8, interOpAsked: 0, processors: 2 },
  onednn: { version: '3.7.3', instructions: 'AVX2', threads: 8, implementations: ['matmul gemm:jit:f32'] },
}

describe('what is in force', () => {
  it('is told by threads that were started, and by what gave each pool its size', () => {
    const { settings, facts, notes } = settingsOf(readings)
    expect(settings).toEqual({
      ...{ intraOpThreads: '8', interOpThreads: '2' },
      ...{ oneDNN: 'true', maxIsa: 'AVX2', deterministicOps: 'false' },
    })
    expect(facts).toMatchObject({
      'pool.tensorflow.intra-op': '8',
      'pool.tensorflow.intra-op.from': 'environment',
      'pool.tensorflow.inter-op.from': 'affinity',
      'lib.onednn.implementations': 'matmul gemm:jit:f32',
    })
    expect(notes).toEqual([])
  })

  it('is told by the rule of the pool where no thread has a name, as before TensorFlow 2.19', () => {
    const tensorflow = { ...readings.tensorflow, started: { all: 10, interOp: 0 } }
    expect(settingsOf({ ...readings, tensorflow }).settings).toMatchObject({
      intraOpThreads: '8',
      interOpThreads: '2',
    })
  })

  it('says why a bound of instructions is not the one that was asked for, or is not known', () => {
    expect(settingsOf(readings).reasons.maxIsa).toContain('it is a bound')
    const silent = settingsOf({ ...readings, onednn: { implementations: [] } })
    expect(silent.settings).not.toHaveProperty('maxIsa')
    expect(silent.reasons.maxIsa).toContain('said nothing')
  })

  it('warns where oneDNN was given another number of threads', () => {
    const onednn = { ...readings.onednn, threads: 3 }
    expect(settingsOf({ ...readings, onednn }).notes).toMatchObject([
      { kind: 'warning', subject: 'intraOpThreads', message: expect.stringMatching(/8 threads.* 3$/) },
    ])
  })

  it('says where a build for GPUs computes on processors', () => {
    const tensorflow = { ...readings.tensorflow, build: 'gpu' as const }
    expect(settingsOf({ ...readings, tensorflow }).notes).toMatchObject([{ kind: 'fallback', subject: 'device' }])
  })

  it('says nothing of what was not read', () => {
    const tensorflow = { version: '2', packageVersion: '4', usesGpu: true, build: 'gpu' } as const
    const bare = { tensorflow, native: {} }
    expect(settingsOf({ ...bare, onednn: { implementations: [] } })).toEqual({
      settings: {},
      reasons: expect.any(Object),
      facts: { 'lib.tensorflow.version': '2', 'lib.tfjs-node.version': '4', 'lib.tensorflow.device': 'gpu' },
      notes: [],
    })
  })
})

it('threads are counted between two looks, by name', () => {
  const before = new Map([['node', 7]])
  const after = new Map([
    ['node', 15],
    ['tf_Compute', 3],
  ])
  expect(startedBetween(before, after)).toEqual({ all: 11, interOp: 3 })
})
