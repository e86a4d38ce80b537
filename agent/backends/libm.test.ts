import { describe, expect, it } from 'vitest'
import { needs } from '../../test/needs.ts'
import { underCondition } from '../../test/under-condition.ts'
import { drawTensor } from '../../shared/random/data-kinds.ts'
import { createStream } from '../../shared/random/stream.ts'
import { bitsHex, createTensor, type Tensor, tensorFromBits } from '../../shared/tensor.ts'
import { type ElementaryFunction, elementaryFunctions, isUnsupported } from '../../workloads/kernels.ts'
import { libm } from './libm.ts'

const state = await libm.detect()
const absent = needs('the C mathematics library', state.status === 'ready', state.reason ?? '')
const glibc = state.version?.startsWith('glibc') === true && process.arch === 'x64'
const noHwcaps = needs(
  'GLIBC_TUNABLES conditions',
  glibc,
  `they need glibc on x86-64, here is ${state.version} on ${process.arch}`,
)

const binary = ['pow', 'atan2', 'hypot']

async function compute(name: ElementaryFunction, x: Tensor, y?: Tensor): Promise<Tensor> {
  const { kernels } = await libm.open({})
  const result = await kernels.elementary?.(name, x, y)
  if (result === undefined || isUnsupported(result)) throw new Error(result?.unsupported ?? 'no such kernel')
  return result
}

const f64 = (...values: number[]) =>
  createTensor('f64', [values.length], new Uint8Array(Float64Array.from(values).buffer))
const draw = (dtype: 'f32' | 'f64', n: number, name = 'input') =>
  drawTensor('normal', dtype, [n], createStream('42', name))

describe.skipIf(absent)('libm', () => {
  it('has every elementary function in both precisions', async () => {
    for (const dtype of ['f32', 'f64'] as const) {
      for (const name of elementaryFunctions) {
        const y = binary.includes(name) ? draw(dtype, 4, 'input-b') : undefined
        expect((await compute(name, draw(dtype, 4), y)).shape, `${name} ${dtype}`).toEqual([4])
      }
    }
  })

  it('computes what has one answer', async () => {
    expect(bitsHex(await compute('sqrt', f64(4, 2)))).toEqual(['4000000000000000', '3ff6a09e667f3bcd'])
    expect(bitsHex(await compute('exp', f64(0, -Infinity)))).toEqual(['3ff0000000000000', '0000000000000000'])
    expect(bitsHex(await compute('pow', f64(2, -2), f64(10, 3)))).toEqual(['4090000000000000', 'c020000000000000'])
    expect(bitsHex(await compute('atan2', f64(-0), f64(1)))).toEqual(['8000000000000000'])
    expect(bitsHex(await compute('cbrt', tensorFromBits('f32', [1], ['41d80000'])))).toEqual(['40400000'])
  })

  it('carries signs of zero, subnormals and payloads of NaN through calls', async () => {
    const hostile = ['8000000000000000', '0000000000000001', '7ff8000000abcdef', 'fff8000000abcdef']
    expect(bitsHex(await compute('sinh', tensorFromBits('f64', [4], hostile)))).toEqual(hostile)
    const single = ['80000000', '00000001', '7fc12345', 'ffc12345']
    expect(bitsHex(await compute('atan', tensorFromBits('f32', [4], single)))).toEqual(single)
  })

  it.skipIf(needs('the sign of a NaN of sqrt', process.arch === 'x64' && glibc, 'not glibc on x86-64'))(
    'keeps the sign x86 gives to a NaN made by an operation',
    async () => {
      expect(bitsHex(await compute('sqrt', f64(-1)))).toEqual(['fff8000000000000'])
    },
  )

  it('computes nothing from nothing', async () => {
    expect((await compute('exp', f64())).bytes.length).toBe(0)
  })

  it('says what it has not', async () => {
    const { kernels } = await libm.open({})
    expect(kernels.elementary?.('exp', createTensor('f16', [1], new Uint8Array(2)))).toEqual({
      unsupported: 'a C library has no exp in f16',
    })
    expect(kernels.sum).toBeUndefined()
  })
})

describe.skipIf(absent || noHwcaps)('libm under GLIBC_TUNABLES', () => {
  const functions: ElementaryFunction[] = ['exp', 'log', 'sin', 'tan', 'atan', 'pow']
  const calls = (dtype: 'f32' | 'f64') =>
    functions.map((name) => ({
      kernel: 'elementary' as const,
      operands: [name, draw(dtype, 4096), ...(name === 'pow' ? [draw(dtype, 4096, 'input-b')] : [])],
    }))
  const hexes = (results: Awaited<ReturnType<typeof underCondition>>['results']) =>
    results.map((result) => Buffer.from((result as Tensor).bytes).toString('hex'))

  it('takes another code path without FMA, and says so', async () => {
    const native = await underCondition(libm, {}, calls('f64'))
    const without = await underCondition(libm, { hwcaps: '-FMA' }, calls('f64'))
    const both = await underCondition(libm, { hwcaps: '-FMA,-AVX2' }, calls('f64'))
    expect(native.settings).toEqual({ hwcaps: 'native' })
    expect(without.settings).toEqual({ hwcaps: '-FMA' })
    expect(both.settings).toEqual({ hwcaps: '-FMA,-AVX2' })
    expect(both.facts['lib.libm.hwcaps']).toBe('-AVX2,-FMA')
    for (const { states } of [without, both]) expect(states).toEqual({ hwcaps: { state: 'in force' } })
    const parted = functions.filter((_, i) => hexes(native.results)[i] !== hexes(without.results)[i])
    expect(parted.length).toBeGreaterThan(0)
  })

  it('catches a name that glibc ignores', async () => {
    const native = await underCondition(libm, {}, calls('f32'))
    const ignored = await underCondition(libm, { hwcaps: '-FMA_Usable' }, calls('f32'))
    expect(hexes(ignored.results)).toEqual(hexes(native.results))
    expect(ignored.settings).toEqual({ hwcaps: 'native' })
    expect(ignored.states.hwcaps).toMatchObject({ state: 'replaced', by: 'native' })
  })

  it('names only the part that did nothing', async () => {
    const { states } = await underCondition(libm, { hwcaps: '-FMA,-Bogus' }, [])
    expect(states.hwcaps).toEqual({
      state: 'replaced',
      by: '-FMA',
      why: expect.stringMatching(/does not know -Bogus,/),
    })
  })
})
