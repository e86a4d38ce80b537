import { beforeAll, describe, expect, it } from 'vitest'
import { digestOf } from '../../../shared/digest.ts'
import { drawTensor } from '../../../shared/random/data-kinds.ts'
import { createStream } from '../../../shared/random/stream.ts'
import { type Tensor, asFloat32, bitsHex, createTensor, tensorFromBits } from '../../../shared/tensor.ts'
import { type Kernels, isUnsupported } from '../../../workloads/kernels.ts'
import { download, upload } from '../../../workloads/training/tfjs-tensor.ts'
import type { Backend, BackendDriver } from '../backend.ts'
import { tfjsCpu } from '../tfjs-cpu.ts'
import { tfjsWasm } from '../tfjs-wasm.ts'
import { watchInstantiation } from './web-assembly.ts'

const conditions: [string, BackendDriver, Record<string, string>][] = [
  ['tfjs-cpu', tfjsCpu, {}],
  ['tfjs-wasm plain', tfjsWasm, { variant: 'plain' }],
  ['tfjs-wasm simd', tfjsWasm, { variant: 'simd' }],
]

/** tfjs is one per process: one condition at a time. */
async function under<T>(
  [, driver, knobs]: (typeof conditions)[number],
  use: (backend: Backend) => T | Promise<T>,
): Promise<T> {
  const backend = await driver.open(knobs)
  try {
    return await use(backend)
  } finally {
    await backend.close()
  }
}

async function underAll<T>(use: (backend: Backend) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (const condition of conditions) results.push(await under(condition, use))
  return results
}

const normal = (shape: number[], name = 'input') => drawTensor('normal', 'f32', shape, createStream('42', name))
const f32 = (shape: number[], values: number[]) =>
  createTensor('f32', shape, new Uint8Array(Float32Array.from(values).buffer))
const computed = async (result: ReturnType<Kernels['sum']>): Promise<Tensor> => {
  const tensor = await result
  if (isUnsupported(tensor)) throw new Error(tensor.unsupported)
  return tensor
}

describe('tfjs-wasm', () => {
  it('has no kernel for the gradient of a filter, as the notice on it says', async () => {
    const kernels = await underAll(
      async ({ tf }) => tf?.getKernel('Conv2DBackpropFilter', tf.getBackend()) !== undefined,
    )
    expect(kernels).toEqual([true, false, false])
  })
})

describe.each(conditions)('%s', (...condition) => {
  it('puts the backend asked for into force', async () => {
    const name = condition[1].id.replace('tfjs-', '')
    expect(await under(condition, ({ tf }) => tf?.getBackend())).toBe(name)
  })

  it('carries every bit pattern up and down untouched', async () => {
    const hostile = tensorFromBits(
      'f32',
      [2, 4],
      [...['7f800001', 'ff800001', '7fa00000', 'ffc12345', '80000000', '00000001', '807fffff', '7f7fffff']],
    )
    const back = await under(condition, ({ tf }) =>
      bitsHex(download((tf as NonNullable<typeof tf>).reshape(upload(tf as NonNullable<typeof tf>, hostile), [8]))),
    )
    expect(back).toEqual(bitsHex(hostile))
  })

  it('computes what has one answer', async () => {
    await under(condition, async ({ kernels }) => {
      const k = kernels as Kernels
      const values = async (result: ReturnType<Kernels['sum']>) => [...asFloat32(await computed(result))]
      const matrix = f32([2, 3], [1, 2, 3, 4, 5, 6])
      expect(await values(k.sum(matrix))).toEqual([21])
      expect(await values(k.dot(f32([3], [1, 2, 3]), f32([3], [4, 5, 6])))).toEqual([32])
      expect(await values(k.norm2(f32([2], [3, 4])))).toEqual([5])
      expect(await values(k.gemv(matrix, f32([3], [1, 0, 2])))).toEqual([7, 16])
      expect(await values(k.gemm(matrix, f32([3, 2], [1, 0, 0, 1, 1, 1])))).toEqual([4, 5, 10, 11])
      expect(await values(k.elementary('sqrt', f32([2], [4, 9])))).toEqual([2, 3])
      expect(await values(k.elementary('pow', f32([2], [2, 3]), f32([2], [3, 2])))).toEqual([8, 9])
      expect(await values(k.softmax(f32([2, 2], [0, 0, 7, 7])))).toEqual([0.5, 0.5, 0.5, 0.5])
      const ramp = f32([2, 2], [0, 2, 10, 8])
      expect(await values(k.layernorm(ramp, f32([2], [2, 4]), f32([2], [0, 1]), 0))).toEqual([-2, 5, 2, -3])
      const image = f32([1, 3, 3, 1], [1, 2, 3, 4, 5, 6, 7, 8, 9])
      expect(await values(k.conv2d(image, f32([2, 2, 1, 1], [1, 0, 0, 1])))).toEqual([6, 8, 12, 14])
    })
  })

  it('says what it cannot', async () => {
    await under(condition, async ({ kernels }) => {
      expect(kernels.sum?.(createTensor('f64', [1], new Uint8Array(8)))).toEqual({
        unsupported: 'tfjs computes in f32 alone, not in f64',
      })
      expect(kernels.elementary?.('cbrt', f32([1], [8]))).toEqual({ unsupported: expect.stringContaining('cbrt') })
    })
  })

  it('refuses to compute when another backend is in force', async () => {
    const other = condition[1] === tfjsCpu ? tfjsWasm : tfjsCpu
    await under(condition, ({ kernels }) =>
      under(['', other, {}], () => expect(() => kernels.sum?.(f32([1], [1]))).toThrow('is in force')),
    )
  })
})

describe('the three conditions', () => {
  let digests: Record<string, string[]>
  beforeAll(async () => {
    const x = normal([64, 128])
    const kernel = normal([128, 32], 'kernel')
    const all = await underAll(async ({ kernels, tf }) => {
      const k = kernels as Kernels
      const digest = async (result: ReturnType<Kernels['sum']>) => digestOf((await computed(result)).bytes)
      return {
        softmax: await digest(k.softmax(x)),
        gemm: await digest(k.gemm(x, kernel)),
        exp: await digest(k.elementary('exp', x)),
        sqrt: await digest(k.elementary('sqrt', f32([3], [2, 3, 5]))),
        sigmoid: digestOf(
          download((tf as NonNullable<typeof tf>).sigmoid(upload(tf as NonNullable<typeof tf>, x))).bytes,
        ),
      }
    })
    digests = Object.fromEntries(
      (['softmax', 'gemm', 'exp', 'sqrt', 'sigmoid'] as const).map((name) => [name, all.map((one) => one[name])]),
    )
  })

  it('differ at softmax and sigmoid by instruction set, and not at matrix products or exp', () => {
    for (const name of ['softmax', 'sigmoid']) expect(new Set(digests[name]).size, name).toBe(3)
    for (const name of ['gemm', 'exp']) {
      expect(digests[name]?.[1], name).toBe(digests[name]?.[2])
      expect(digests[name]?.[0], name).not.toBe(digests[name]?.[1])
    }
  })

  it('agree where IEEE 754 leaves no choice', () => {
    expect(new Set(digests.sqrt).size).toBe(1)
  })
})

describe('tfjs-wasm', () => {
  it('reads back the module that was loaded, by its bytes', async () => {
    const read = async (variant: string) => under(['', tfjsWasm, { variant }], (backend) => backend.effective())
    const plain = await read('plain')
    const simd = await read('simd')
    expect(plain.settings).toEqual({ variant: 'plain', threads: '1' })
    expect(simd.settings).toEqual({ variant: 'simd', threads: '1' })
    expect(plain.facts['lib.tfjs-backend-wasm.digest']).toMatch(/^sha256:/)
    expect(plain.facts['lib.tfjs-backend-wasm.digest']).not.toBe(simd.facts['lib.tfjs-backend-wasm.digest'])
    expect([...plain.notes, ...simd.notes]).toEqual([])
  })

  it('says that one thread computes, and why, if more were asked for', async () => {
    const { settings, reasons } = await under(['', tfjsWasm, { threads: '2' }], (backend) => backend.effective())
    expect(settings.threads).toBe('1')
    expect(reasons?.threads).toContain('Node cannot start the worker')
  })

  it('leaves WebAssembly as it was, also when nothing starts', async () => {
    const { instantiate } = WebAssembly
    await expect(watchInstantiation(() => Promise.reject(new Error('no start')))).rejects.toThrow('no start')
    expect(WebAssembly.instantiate).toBe(instantiate)
  })

  it('has no result for operands without elements', async () => {
    const result = await under(['', tfjsWasm, {}], ({ kernels }) => kernels.sum?.(f32([0], [])))
    expect(result).toEqual({ unsupported: expect.stringContaining('without elements') })
    expect(bitsHex((await under(['', tfjsCpu, {}], ({ kernels }) => kernels.sum?.(f32([0], [])))) as Tensor)).toEqual([
      '00000000',
    ])
  })
})

declare const WebAssembly: { instantiate: unknown }
