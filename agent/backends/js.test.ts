import { spawnSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { entryPoint } from '../../shared/entry-point.ts'
import { type Tensor, bitsHex, bytesOf, createTensor, tensorFromBits } from '../../shared/tensor.ts'
import { elementaryFunctions } from '../../workloads/kernels.ts'
import { hostileBits } from '../../test/hostile-bits.ts'
import { js } from './js.ts'
import { jitArguments } from './js/jit.ts'

const f64 = (...values: number[]) => createTensor('f64', [values.length], bytesOf(Float64Array.from(values)))
const openKernels = async (order: string) =>
  (await js.open({ order })).kernels as Required<Awaited<ReturnType<typeof js.open>>['kernels']>

describe('js', () => {
  it('says which kernels an order leaves without meaning', async () => {
    const rows = { ...f64(1, 2, 3, 4), shape: [2, 2] }
    const fma = await openKernels('fma')
    for (const result of [fma.sum(f64(1)), fma.softmax(rows), fma.layernorm(rows, f64(1, 1), f64(0, 0), 1)]) {
      expect(result).toEqual({ unsupported: 'js.order=fma fuses products, and a plain sum has none' })
    }
    const atomic = await openKernels('atomic:2')
    for (const result of [
      atomic.softmax(rows),
      atomic.layernorm(rows, f64(1, 1), f64(0, 0), 1),
      atomic.conv2d(rows, rows),
    ]) {
      expect(result).toEqual({ unsupported: 'js.order=atomic:2 races over sum, dot, norm2, gemv and gemm alone' })
    }
  })

  it('computes on floating-point tensors alone', async () => {
    const whole = createTensor('i32', [1], new Uint8Array(4))
    for (const order of ['sequential', 'atomic:1']) {
      const { sum, elementary } = await openKernels(order)
      expect(await sum(whole)).toEqual({ unsupported: 'js computes in f64, f32, f16 and bf16, not in i32' })
      expect(elementary('exp', whole)).toEqual({ unsupported: 'js computes in f64, f32, f16 and bf16, not in i32' })
    }
  })

  it('has every elementary function of Math, and no other', async () => {
    const { elementary } = await openKernels('sequential')
    const lacks = elementaryFunctions.filter((name) => 'unsupported' in elementary(name, f64(0.5), f64(2)))
    expect(lacks).toEqual(['exp2'])
    expect(bitsHex((await elementary('pow', f64(3), f64(4))) as Tensor)).toEqual(['4054400000000000'])
  })

  it.each(['f64', 'f32', 'f16', 'bf16'] as const)('gives no NaN but the positive quiet one, in %s', async (dtype) => {
    const quiet = { f64: '7ff8000000000000', f32: '7fc00000', f16: '7e00', bf16: '7fc0' }[dtype]
    const all = tensorFromBits(dtype, [hostileBits[dtype].length], hostileBits[dtype])
    const { elementary, sum } = await openKernels('sequential')
    const sines = bitsHex((await elementary('sin', all)) as Tensor)
    expect(sines.filter((bits) => bits === quiet).length).toBeGreaterThan(3)
    for (const bits of [...sines, ...bitsHex((await sum(all)) as Tensor)]) {
      const magnitude = BigInt(`0x${bits}`) & ((1n << BigInt(bits.length * 4 - 1)) - 1n)
      const infinity = { f64: 0x7ffn << 52n, f32: 0xffn << 23n, f16: 0x1fn << 10n, bf16: 0xffn << 7n }[dtype]
      if (magnitude > infinity) expect(bits).toBe(quiet)
    }
  })

  it('says the order and the compilers in force, asked for or not', async () => {
    expect((await (await js.open({ order: 'pairwise' })).effective()).settings).toEqual({
      order: 'pairwise',
      jit: 'default',
    })
    expect((await (await js.open({})).effective()).settings).toEqual({ order: 'sequential', jit: 'default' })
  })

  it.each(Object.entries(jitArguments))('jit %s is in force with its arguments, and moves no sum', (jit, argv) => {
    const script = `
      const { js } = await import(${JSON.stringify(pathToFileURL(entryPoint(import.meta.url, './js.ts')).href)})
      const backend = await js.open({ jit: ${JSON.stringify(jit)} })
      const x = Float32Array.from({ length: 5000 }, (_, i) => 1 / (i + 1))
      const sum = backend.kernels.sum({ dtype: 'f32', shape: [5000], bytes: new Uint8Array(x.buffer) })
      const { settings } = await backend.effective()
      console.log(JSON.stringify([settings.jit, Buffer.from(sum.bytes).toString('hex')]))`
    const { stdout, status } = spawnSync(process.execPath, [...argv, '--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 60_000,
      env: {},
    })
    expect(status).toBe(0)
    let harmonic = 0
    for (let i = 1; i <= 5000; i++) harmonic = Math.fround(harmonic + Math.fround(1 / i))
    expect(JSON.parse(stdout)).toEqual([jit, Buffer.from(Float32Array.of(harmonic).buffer).toString('hex')])
  })
})
