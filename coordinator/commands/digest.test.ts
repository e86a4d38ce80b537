import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { digestOf } from '../../shared/digest.ts'
import { formatNpy } from '../../shared/npy.ts'
import { formatSafetensors } from '../../shared/safetensors.ts'
import { tensorFromBits } from '../../shared/tensor.ts'
import { printDigests } from './digest.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-digest-'))
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(() => vi.restoreAllMocks())

async function printed(file: string): Promise<string> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  await printDigests([file], {})
  const text = write.mock.calls.map(([piece]) => piece).join('')
  write.mockRestore()
  return text
}

test('the arrays of each kind of file, with dtype, shape and the digest of the payload alone', async () => {
  const half = tensorFromBits('bf16', [2], ['3f80', '4000'])
  const file = join(folder, 'half.bf16.npy')
  writeFileSync(file, formatNpy(half))
  expect(await printed(file)).toBe(`${digestOf(half.bytes)}  bf16[2]  ${file}\n`)
  const npz = join(import.meta.dirname, '../../test/fixtures/npz/compressed.npz')
  expect((await printed(npz)).split('\n')).toEqual([
    expect.stringMatching(/ {2}f32\[2,3\] {2}.*:w$/),
    expect.stringMatching(/ {2}i64\[2\] {2}.*:lb\/é$/),
    expect.stringMatching(/ {2}f64\[\] {2}.*:s$/),
    '',
  ])
})

test('names of tensors cannot steer a terminal', async () => {
  const file = join(folder, 'x.safetensors')
  writeFileSync(file, formatSafetensors([['\u001b]0;owned\u0007', tensorFromBits('u8', [1], ['01'])]]))
  expect(await printed(file)).toContain('␛]0;owned␇\n')
})

test('a file that cannot be read is named, and the others are printed', async () => {
  const good = join(folder, 'good.npy')
  const bad = join(folder, 'bad.npz')
  const array = tensorFromBits('u8', [1], ['01'])
  writeFileSync(good, formatNpy(array))
  writeFileSync(bad, 'PK')
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  await expect(printDigests([bad, good], {})).rejects.toMatchObject({
    code: 'format',
    message: expect.stringMatching(/bad\.npz: not a \.npz file/),
  })
  expect(write.mock.calls).toEqual([[`${digestOf(array.bytes)}  u8[1]  ${good}\n`]])
})
