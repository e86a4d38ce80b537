import { describe, expect, it } from 'vitest'
import { needs } from '../../test/needs.ts'
import { type Answer, underCondition } from '../../test/under-condition.ts'
import { drawTensor } from '../../shared/random/data-kinds.ts'
import { createStream } from '../../shared/random/stream.ts'
import { bitsHex, createTensor, type Tensor } from '../../shared/tensor.ts'
import { blis } from './blis.ts'

const state = await blis.detect()
const absent = needs('BLIS', state.status === 'ready', state.reason ?? '', state.add)
const numbered = process.arch === 'x64' && state.version?.startsWith('0.9') === true
const otherArch = needs('BLIS by architecture', numbered, 'not BLIS 0.9 on x86-64')

const draw = (shape: number[], name = 'input') => drawTensor('normal', 'f32', shape, createStream('42', name))
const f64 = (shape: number[], values: number[]) =>
  createTensor('f64', shape, new Uint8Array(Float64Array.from(values).buffer))
const bits = ({ results }: Answer) => results.map((result) => bitsHex(result as Tensor))

describe.skipIf(absent)('blis', () => {
  it('computes what has one answer', async () => {
    const { kernels } = await blis.open({})
    const a = f64([2, 3], [1, 2, 3, 4, 5, 6])
    const x = f64([3], [1, -1, 2])
    expect(kernels.dot?.(x, x)).toEqual(f64([], [6]))
    expect(kernels.norm2?.(f64([2], [3, 4]))).toEqual(f64([], [5]))
    expect(kernels.gemv?.(a, x)).toEqual(f64([2], [5, 11]))
    expect(kernels.gemm?.(a, f64([3, 1], [1, -1, 2]))).toEqual(f64([2, 1], [5, 11]))
  })

  it('refuses a name, which BLIS would read as 0, with the list of numbers', async () => {
    await expect(blis.open({ archType: 'haswell' })).rejects.toThrow(/"haswell" is a name.*\d+ haswell.*\d+ generic/)
    const pattern = new RegExp(blis.knobs.find(({ name }) => name === 'archType')?.pattern ?? '')
    expect([pattern.test('3'), pattern.test('haswell')]).toEqual([true, false])
  })

  const gemm = [{ kernel: 'gemm' as const, operands: [draw([48, 200]), draw([200, 32], 'input-b')] }]

  it.skipIf(otherArch)('takes the kernels of another processor', async () => {
    const penryn = await underCondition(blis, { archType: 5 }, gemm)
    const haswell = await underCondition(blis, { archType: 3 }, gemm)
    expect([penryn.facts['lib.blis.arch'], penryn.states.archType]).toEqual(['penryn', { state: 'in force' }])
    expect([null, 'SIGILL']).toContain(haswell.signal)
    expect(bits(penryn)).not.toEqual(bits(haswell))
  })

  it.skipIf(otherArch)('reports the abort of an architecture that is not in the build', async () => {
    const { signal, stderr } = await underCondition(blis, { archType: 14 }, gemm)
    expect(signal).toBe('SIGABRT')
    expect(stderr).toContain('BLIS_ARCH_TYPE')
  })

  it('reads back how many threads run', async () => {
    const { facts, states } = await underCondition(blis, { threads: 2 }, gemm)
    expect([states.threads, facts['pool.blis']]).toEqual([{ state: 'in force' }, '2'])
  })

  it('reads back what is in force if no knob is set', async () => {
    expect((await underCondition(blis, {}, [])).settings).toEqual({
      threads: '1',
      archType: expect.stringMatching(/^\d+$/),
    })
  })
})
