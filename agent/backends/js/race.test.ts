import { describe, expect, it } from 'vitest'
import { createStream } from '../../../shared/random/stream.ts'
import { type Tensor, bitsHex, bytesOf, createTensor, tensorFromBits } from '../../../shared/tensor.ts'
import { isUnsupported } from '../../../workloads/kernels.ts'
import { createKernels } from './kernels.ts'
import { createRacingKernels } from './racing-kernels.ts'

const vector = (values: Float32Array | Float64Array): Tensor =>
  createTensor(values instanceof Float32Array ? 'f32' : 'f64', [values.length], bytesOf(values))

async function bitsOf(result: unknown): Promise<string[]> {
  const tensor = await result
  if (isUnsupported(tensor)) throw new Error(tensor.unsupported)
  return bitsHex(tensor as Tensor)
}

describe('atomic:T', () => {
  it('gives several sums of the same terms, because threads really race', { timeout: 60_000 }, async () => {
    const x = vector(createStream('42', 'input').uniform32(2 ** 16))
    const seen = new Set<string>()
    for (let repetition = 0; repetition < 8; repetition++) {
      seen.add((await bitsOf(createRacingKernels(4).sum(x))).join())
    }
    expect(seen.size).toBeGreaterThan(1)
  })

  it('is exact on small whole numbers, whoever comes first', { timeout: 60_000 }, async () => {
    const racing = createRacingKernels(3)
    const steady = createKernels({ kind: 'sequential' })
    const whole = (n: number, name: string) =>
      Float64Array.from(createStream('1', name).fillU32(n), (word) => (word % 15) - 7)
    const a = { ...vector(whole(5 * 70, 'a')), shape: [5, 70] }
    const b = { ...vector(whole(70 * 4, 'b')), shape: [70, 4] }
    const x = vector(whole(70, 'x'))
    const y = vector(whole(70, 'y'))
    expect(await bitsOf(racing.gemm(a, b))).toEqual(await bitsOf(steady.gemm(a, b)))
    expect(await bitsOf(racing.gemv(a, x))).toEqual(await bitsOf(steady.gemv(a, x)))
    expect(await bitsOf(racing.dot(x, y))).toEqual(await bitsOf(steady.dot(x, y)))
    expect(await bitsOf(racing.norm2(x))).toEqual(await bitsOf(steady.norm2(x)))
    expect(await bitsOf(racing.sum(x))).toEqual(await bitsOf(steady.sum(x)))
  })

  it.each([
    ['f32', [], '00000000'],
    ['f32', ['80000000', '80000000', '80000000'], '80000000'],
    ['f32', ['7f800000', '3f800000', 'ff800000'], '7fc00000'],
    ['f64', ['8000000000000000', '8000000000000000'], '8000000000000000'],
    ['f16', ['3c00', '3c00', '8000'], '4000'],
    ['bf16', ['3f80', '3b80', '3b80'], '3f81'],
  ] as const)('%s sum of [%s] is %s', { timeout: 30_000 }, async (dtype, bits, expected) => {
    const allowed = dtype === 'bf16' ? [expected, '3f80'] : [expected]
    const sum = await bitsOf(createRacingKernels(2).sum(tensorFromBits(dtype, [bits.length], bits)))
    expect(allowed).toContain(sum[0])
  })
})
