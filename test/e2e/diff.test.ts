import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatNpy } from '../../shared/npy.ts'
import { formatSafetensors } from '../../shared/safetensors.ts'
import { type Tensor, tensorFromBits } from '../../shared/tensor.ts'
import { bitfleet, cleanUp, folder } from './bitfleet.ts'

let dir: string
beforeAll(() => {
  dir = folder()
})
afterAll(cleanUp)

function file(name: string, bytes: Uint8Array): string {
  const path = join(dir, name)
  writeFileSync(path, bytes)
  return path
}

const f32 = (...bits: string[]): Tensor => tensorFromBits('f32', [bits.length], bits)
const npy = (name: string, tensor: Tensor) => file(name, formatNpy(tensor))

describe('bitfleet diff', () => {
  it('finds equal arrays identical: exit 0', async () => {
    const a = npy('equal-a.npy', f32('3f800000', '7fa00001'))
    const b = npy('equal-b.npy', f32('3f800000', '7fa00001'))
    const { code, stdout } = await bitfleet(['diff', a, b])
    expect(code).toBe(0)
    expect(stdout).toMatch(/identical/i)
  })

  it('shows the first differing element, both patterns, the distance and the histogram: exit 1', async () => {
    const a = npy('a.npy', f32('3f800000', '40000000', '40400000'))
    const b = npy('b.npy', f32('3f800000', '40000003', '40400001'))
    const { code, stdout } = await bitfleet(['diff', a, b])
    expect(code).toBe(1)
    expect(stdout).toContain('40000000')
    expect(stdout).toContain('40000003')
    const { stdout: json } = await bitfleet(['diff', a, b, '--json'])
    expect(json).toMatch(/"element":\s*1\b/)
    expect(json).toMatch(/"ulp":\s*"3"/)
    expect(json).toMatch(/"bucket":\s*"3-4",\s*"count":\s*1/)
  })

  it('tells −0 from +0 in bits, though no ULP lies between them', async () => {
    const { code, stdout } = await bitfleet([
      'diff',
      npy('n.npy', f32('80000000')),
      npy('p.npy', f32('00000000')),
      '--json',
    ])
    expect(code).toBe(1)
    expect(stdout).toMatch(/"ulp":\s*"0"/)
    expect(stdout).toMatch(/"signOfZero":\s*1/)
    expect(stdout).toMatch(/"kinds":\s*\{\s*"sign-of-zero":\s*1\s*\}/)
  })

  it('says different things of different differences without a distance', async () => {
    const a = npy('nan-a.npy', f32('3f800000', 'ffc00000', '80000000'))
    const others = { 'nan-sign': '7fc00000', 'nan-payload': 'ffc00001', 'nan-number': '3f800000' }
    for (const [kind, bits] of Object.entries(others)) {
      const b = npy(`${kind}.npy`, f32('3f800000', bits, '80000000'))
      const { code, stdout } = await bitfleet(['diff', a, b, '--json'])
      expect(code).toBe(1)
      expect(JSON.parse(stdout)).toMatchObject({
        tensors: [{ first: { kind, ulp: null }, statistics: { kinds: { [kind]: 1 }, maxUlp: null, relativeL2: null } }],
      })
    }
  })

  it('compares safetensors by name', async () => {
    const tensors = (bits: string) =>
      formatSafetensors([
        ['w', f32(bits)],
        ['v', f32('00000001')],
      ])
    const a = file('a.safetensors', tensors('3f800000'))
    const same = file('same.safetensors', tensors('3f800000'))
    const other = file('other.safetensors', tensors('3f800001'))
    expect((await bitfleet(['diff', a, same])).code).toBe(0)
    const parted = await bitfleet(['diff', a, other])
    expect(parted.code).toBe(1)
    expect(parted.stdout).toContain('w')
    expect(parted.stdout).toContain('3f800001')
  })

  it.each<[string, () => [string, string], RegExp]>([
    ['shapes', () => [npy('s2.npy', f32('00000000', '00000000')), npy('s1.npy', f32('00000000'))], /\[2\].*\[1\]/],
    [
      'dtypes',
      () => [npy('d1.npy', f32('00000000')), npy('d2.npy', tensorFromBits('i32', [1], ['00000000']))],
      /f32.*i32/,
    ],
    ['a missing file', () => [npy('here.npy', f32('00000000')), join(dir, 'nowhere.npy')], /nowhere\.npy/],
    [
      'a file that is none',
      () => [npy('here.npy', f32('00000000')), file('junk.npy', new Uint8Array(99))],
      /junk\.npy/,
    ],
  ])('says what is wrong with %s: exit 2', async (_, files, message) => {
    const { code, stderr, stdout } = await bitfleet(['diff', ...files()])
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/\n\s+at /)
    expect(stdout).toBe('')
  })
})
