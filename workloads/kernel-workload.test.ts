import { describe, expect, it } from 'vitest'
import { findArray } from '../shared/array-identity.ts'
import { digestOf } from '../shared/digest.ts'
import { drawTensor } from '../shared/random/data-kinds.ts'
import { createStream } from '../shared/random/stream.ts'
import { type Tensor, bitsHex, tensorFromBits } from '../shared/tensor.ts'
import { findWorkload } from './index.ts'
import { type Kernels, unsupported } from './kernels.ts'
import type { SchemedWorkload } from './workload.ts'

const matrix = tensorFromBits('f32', [2, 3], ['3f800000', '40000000', '40400000', 'ff800001', '80000000', '7fc12345'])
const shorts = tensorFromBits('u16', [2], ['3f80', '4000'])
/** The bytes of `matrix` once more, in another shape. */
const turned = tensorFromBits('f32', [3, 2], bitsHex(matrix))
const given = (tensor: Tensor) => ({ ...tensor, digest: digestOf(tensor.bytes) })
const arrays = [matrix, shorts].map(given)
const [pinned, pinnedShorts] = arrays.map(({ digest }, i) => ({ file: `${i}.npy`, digest }))

const workload = (id: string) => findWorkload(id) as SchemedWorkload

/** Runs on kernels that only remember what they were given. */
async function run(
  id: string,
  params: Record<string, unknown>,
  kernels: Partial<Kernels>,
  seed = '42',
  known = arrays,
) {
  const made: Record<string, Tensor> = {}
  const result = await workload(id).run({
    params,
    seed,
    backend: 'test',
    kernels,
    input: (array) => findArray(known, array),
    checkpoint: (_step, name, tensor) => {
      made[name] = tensor
    },
  })
  return { result, made }
}

const scalar = tensorFromBits('f32', [], ['3f800000'])

describe('a user’s own array', () => {
  it('reaches the kernel and the first checkpoint with its own bytes and shape', async () => {
    let given: Tensor | undefined
    const { made } = await run('reduce.sum', { dtype: 'f32', input: pinned }, { sum: (x) => ((given = x), scalar) })
    expect(given?.shape).toEqual([6])
    expect(made.input?.shape).toEqual([2, 3])
    expect(bitsHex(made.input as Tensor)).toEqual(bitsHex(matrix))
    expect(bitsHex(given as Tensor)).toEqual(bitsHex(matrix))
  })

  it('gives the schema its shapes before its bytes are there', () => {
    const shapes = (id: string, params: Record<string, unknown>) =>
      workload(id)
        .schema(params, arrays)
        .map(({ name, shape }) => `${name}[${shape}]`)
    expect(shapes('reduce.sum', { input: pinned })).toEqual(['input[2,3]', 'sum[]'])
    expect(shapes('linalg.gemv', { input: pinned })).toEqual(['input[2,3]', 'input-b[3]', 'gemv[2]'])
    expect(shapes('linalg.gemm', { input: pinned, n: 5 })).toEqual(['input[2,3]', 'input-b[3,5]', 'gemm[2,5]'])
    expect(shapes('linalg.gemm', { inputB: pinned, m: 7 })).toEqual(['input[7,2]', 'input-b[2,3]', 'gemm[7,3]'])
    expect(shapes('elementary.pow', { input: pinned })).toEqual(['input[2,3]', 'input-b[2,3]', 'pow[2,3]'])
    expect(shapes('nn.layernorm', { input: pinned })).toEqual(['input[2,3]', 'gain[3]', 'bias[3]', 'layernorm[2,3]'])
  })

  it('may hold bfloat16 as the u16 that numpy has for it', async () => {
    let given: Tensor | undefined
    const one = tensorFromBits('bf16', [], ['3f80'])
    await run('reduce.sum', { dtype: 'bf16', input: pinnedShorts }, { sum: (x) => ((given = x), one) })
    expect(given).toMatchObject({ dtype: 'bf16', shape: [2] })
  })

  it.each([
    ['reduce.sum', { dtype: 'f64', input: pinned }, /0\.npy holds f32 and dtype is f64/],
    ['linalg.gemv', { inputB: pinned }, /0\.npy has shape \[2,3\] and input-b must have 1 axes/],
    ['reduce.dot', { n: 5, inputB: pinned }, /0\.npy has shape \[2,3\] and the first operand \[5\]/],
    ['linalg.gemm', { input: pinned, inputB: pinned }, /the first matrix has 3 columns and the second 2 rows/],
    ['nn.conv2d', { input: pinned }, /must have 4 axes/],
    ['nn.conv2d', { height: 2 }, /a kernel of 3 × 3 does not fit an image of 2 × 2/],
  ])('%s with %j is refused where it does not fit', (id, params, message) => {
    expect(() => workload(id).schema(params, arrays)).toThrow(message)
  })

  it('is told from another of equal bytes by its dtype and shape', async () => {
    const both = [matrix, turned].map(given)
    const params = ([input, inputB]: Tensor[]) => ({
      input: { ...pinned, dtype: input?.dtype, shape: input?.shape },
      inputB: { ...pinned, dtype: inputB?.dtype, shape: inputB?.shape },
    })
    const shapes = (tensors: Tensor[]) =>
      workload('linalg.gemm')
        .schema(params(tensors), both)
        .map(({ shape }) => String(shape))
    expect(shapes([matrix, turned])).toEqual(['2,3', '3,2', '2,2'])
    expect(shapes([turned, matrix])).toEqual(['3,2', '2,3', '3,3'])
    let operands: Tensor[] = []
    const gemm: Kernels['gemm'] = (a, b) => {
      operands = [a, b]
      return tensorFromBits('f32', [3, 3], new Array<string>(9).fill('00000000'))
    }
    await run('linalg.gemm', params([turned, matrix]), { gemm }, '42', both)
    expect(operands.map(({ shape }) => String(shape))).toEqual(['3,2', '2,3'])
    expect(() => workload('reduce.sum').schema({ input: pinned }, both)).toThrow(
      /0\.npy may be f32\[2,3\] and f32\[3,2\], which have the same bytes/,
    )
  })

  it('that did not come with the plan is not found', () => {
    const missing = { file: 'x.npy', digest: `sha256:${'0'.repeat(64)}` }
    expect(() => workload('reduce.sum').schema({ input: missing }, arrays)).toThrow(/was not given with the plan/)
  })
})

describe('parameters', () => {
  const issuesOf = (id: string, params: unknown) =>
    workload(id)
      .params.safeParse(params)
      .error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)

  it.each([
    ['reduce.sum', { input: pinned, n: 3 }, 'n: "n" is the array\'s own where "input" is given; leave one of them out'],
    ['reduce.sum', { size: 3 }, ': there is no parameter "size"; it takes dtype, n, data, input'],
    ['elementary.exp', { domain: [2, 1] }, 'domain: a domain is [low, high] with low below high'],
    ['elementary.exp', { inputB: pinned }, ': there is no parameter "inputB"; it takes dtype, n, domain, input'],
  ])('%s with %j: %s', (id, params, message) => {
    expect(issuesOf(id, params)).toEqual([message])
  })

  it.each([
    ['reduce.sum', { dtype: 'i32' }],
    ['reduce.sum', { n: -1 }],
    ['reduce.sum', { n: 2 ** 40 }],
    ['reduce.sum', { n: '8' }],
    ['reduce.sum', { input: { file: 'u.npy' } }],
    ['reduce.sum', { input: { file: 'u.npy', digest: 'sha256:00' } }],
    ['linalg.gemm', { n: 0 }],
    ['nn.layernorm', { epsilon: 0 }],
  ])('%s with %j is refused', (id, params) => {
    expect(issuesOf(id, params)).toHaveLength(1)
  })
})

describe('operands', () => {
  it('are drawn from the stream of their name', async () => {
    const drawn = (name: string) => digestOf(drawTensor('wide', 'f64', [10], createStream('7', name)).bytes)
    const dot = () => tensorFromBits('f64', [], ['0000000000000000'])
    const { made } = await run('reduce.dot', { dtype: 'f64', n: 10, data: 'wide' }, { dot }, '7')
    expect(digestOf(made.input?.bytes as Uint8Array)).toBe(drawn('input'))
    expect(digestOf(made['input-b']?.bytes as Uint8Array)).toBe(drawn('input-b'))
  })

  it('of 2²⁰ uniform f32 have the digest of the formats', async () => {
    const { made } = await run('reduce.sum', {}, { sum: () => scalar })
    expect(digestOf(made.input?.bytes as Uint8Array)).toBe(
      'sha256:9d9af75b3fcb643ccfb42dcee9f4f8890754b4abf07c071baf843cc6abac5d31',
    )
  })

  it('of elementary functions lie in their domain, and are low + (high − low)·u rounded once', async () => {
    let given: Tensor | undefined
    const elementary: Kernels['elementary'] = (_name, x) => ((given = x), x)
    await run('elementary.exp', { n: 4, domain: [-3, 0.1] }, { elementary })
    const expected = [...createStream('42', 'input').uniform32(4)].map((u) => Math.fround(-3 + (0.1 - -3) * u))
    expect([...new Float32Array((given as Tensor).bytes.slice().buffer)]).toEqual(expected)
  })
})

describe('a kernel', () => {
  it('that the backend lacks leaves the workload unsupported', async () => {
    expect((await run('reduce.sum', {}, {})).result).toEqual({ unsupported: 'test has no kernel sum' })
  })

  it('may itself say why it cannot', async () => {
    const { result, made } = await run('reduce.sum', { n: 3 }, { sum: () => unsupported('not today') })
    expect(result).toEqual({ unsupported: 'not today' })
    expect(Object.keys(made)).toEqual(['input'])
  })

  it('that returns another dtype or size breaks the workload', async () => {
    const wide = tensorFromBits('f64', [], ['0000000000000000'])
    await expect(run('reduce.sum', { n: 3 }, { sum: () => wide })).rejects.toThrow(/kernel sum of test gave f64/)
    await expect(run('reduce.sum', { n: 3 }, { sum: () => matrix })).rejects.toThrow(/needs 4 bytes, 24 were given/)
  })
})
