import { describe, expect, it } from 'vitest'
import { needs } from '../../test/needs.ts'
import { type Answer, underCondition } from '../../test/under-condition.ts'
import { drawTensor } from '../../shared/random/data-kinds.ts'
import { createStream } from '../../shared/random/stream.ts'
import { bitsHex, createTensor, type Tensor, tensorFromBits } from '../../shared/tensor.ts'
import { openblas, parseOpenblasConfig } from './openblas.ts'

const state = await openblas.detect()
const absent = needs('OpenBLAS', state.status === 'ready', state.reason ?? '', state.add)
const otherArch = needs('OpenBLAS by core types of x86', process.arch === 'x64', 'another processor')

const draw = (dtype: 'f32' | 'f64', shape: number[], name = 'input') =>
  drawTensor('normal', dtype, shape, createStream('42', name))
const tensor = (dtype: 'f32' | 'f64', shape: number[], values: number[]) =>
  createTensor(
    dtype,
    shape,
    new Uint8Array((dtype === 'f32' ? Float32Array.from(values) : Float64Array.from(values)).buffer),
  )
const bits = ({ results }: Answer) => results.map((result) => bitsHex(result as Tensor))

describe.skipIf(absent)('openblas', () => {
  it.each(['f32', 'f64'] as const)('computes what has one answer in %s', async (dtype) => {
    const { kernels } = await openblas.open({})
    const a = tensor(dtype, [2, 3], [1, 2, 3, 4, 5, 6])
    const b = tensor(dtype, [3, 2], [7, 8, 9, 10, 11, 12])
    const x = tensor(dtype, [3], [1, -1, 2])
    expect(kernels.dot?.(x, x)).toEqual(tensor(dtype, [], [6]))
    expect(kernels.norm2?.(tensor(dtype, [2], [3, 4]))).toEqual(tensor(dtype, [], [5]))
    expect(kernels.gemv?.(a, x)).toEqual(tensor(dtype, [2], [5, 11]))
    expect(kernels.gemm?.(a, b)).toEqual(tensor(dtype, [2, 2], [58, 64, 139, 154]))
  })

  it('leaves +0 where there is nothing to add', async () => {
    const { kernels } = await openblas.open({})
    const nothing = tensor('f32', [0], [])
    expect(bitsHex(kernels.dot?.(nothing, nothing) as Tensor)).toEqual(['00000000'])
    expect(kernels.gemv?.(tensor('f32', [2, 0], []), nothing)).toEqual(tensor('f32', [2], [0, 0]))
    expect(kernels.gemm?.(tensor('f32', [2, 0], []), tensor('f32', [0, 1], []))).toEqual(tensor('f32', [2, 1], [0, 0]))
  })

  it('brings a NaN out with its sign and payload', async () => {
    const { kernels } = await openblas.open({})
    const x = tensorFromBits('f32', [1], ['ffc12345'])
    expect(bitsHex(kernels.dot?.(x, tensor('f32', [1], [1])) as Tensor)).toEqual(['ffc12345'])
  })

  it('does not depend on where its operands came from', async () => {
    const { kernels } = await openblas.open({})
    const x = draw('f32', [1001])
    const shifted = new Uint8Array(x.bytes.length + 4).subarray(4)
    shifted.set(x.bytes)
    expect(kernels.dot?.({ ...x, bytes: shifted }, x)).toEqual(kernels.dot?.(x, x))
  })

  it('says what it has not', async () => {
    const { kernels } = await openblas.open({})
    expect(kernels.sum).toBeUndefined()
    const half = createTensor('f16', [1], new Uint8Array(2))
    expect(kernels.dot?.(half, half)).toEqual({ unsupported: 'BLAS computes in f32 and f64, not in f16' })
  })

  const gemm = [{ kernel: 'gemm' as const, operands: [draw('f32', [48, 200]), draw('f32', [200, 32], 'input-b')] }]

  it.skipIf(otherArch)('takes the kernels of another processor', async () => {
    const nehalem = await underCondition(openblas, { coreType: 'Nehalem' }, gemm)
    const haswell = await underCondition(openblas, { coreType: 'Haswell' }, gemm)
    const skylake = await underCondition(openblas, { coreType: 'SkylakeX' }, gemm)
    const answers = [nehalem, haswell, skylake].filter(({ signal }) => signal === null)
    // A processor without the instructions dies; those left must have done as asked and must differ.
    for (const { signal } of [nehalem, haswell, skylake]) expect([null, 'SIGILL']).toContain(signal)
    expect(answers.length).toBeGreaterThan(1)
    expect(new Set(answers.map((answer) => JSON.stringify(bits(answer)))).size).toBe(answers.length)
    for (const { states } of answers) expect(states).toEqual({ coreType: { state: 'in force' } })
    expect(nehalem.settings.coreType).toBe('Nehalem')
  })

  it.skipIf(otherArch)('says what it took in place of a core type that it does not have', async () => {
    const without = await underCondition(openblas, {}, gemm)
    expect(without.settings.coreType).toMatch(/^\w+$/)
    for (const coreType of ['Bogus', 'NEOVERSEN1']) {
      const { settings, states } = await underCondition(openblas, { coreType }, [])
      expect(settings.coreType).toMatch(/^\w+$/)
      expect(states).toEqual({
        coreType: {
          state: 'replaced',
          by: settings.coreType,
          why: expect.stringMatching(/has no such core type here/),
        },
      })
    }
  })

  it('reads back how many threads run', async () => {
    const { settings, facts, states } = await underCondition(openblas, { threads: 1 }, gemm)
    expect([settings.threads, facts['pool.openblas'], states.threads]).toEqual(['1', '1', { state: 'in force' }])
    const many = await underCondition(openblas, { threads: 9999 }, [])
    expect(many.states.threads).toMatchObject({ state: 'replaced', by: many.settings.threads })
    expect((await underCondition(openblas, {}, [])).settings.threads).toMatch(/^\d+$/)
  })
})

describe('parseOpenblasConfig', () => {
  it('reads version, options and integers', () => {
    const text = 'OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Haswell MAX_THREADS=64'
    expect(parseOpenblasConfig(text, 'Haswell')).toEqual({
      version: '0.3.21',
      options: 'NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY MAX_THREADS=64',
      integerBits: 32,
      dynamic: true,
    })
    const scipy = parseOpenblasConfig('OpenBLAS 0.3.29  USE64BITINT DYNAMIC_ARCH NO_AFFINITY Zen MAX_THREADS=64', 'Zen')
    expect(scipy).toMatchObject({ version: '0.3.29', integerBits: 64 })
    expect(parseOpenblasConfig('NO_LAPACK Core2')).toMatchObject({ version: 'unknown', dynamic: false })
  })
})
