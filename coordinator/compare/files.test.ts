import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { hostileTensors } from '../../test/hostile-bits.ts'
import { digestOf } from '../../shared/digest.ts'
import { formatNpy, npyFileName } from '../../shared/npy.ts'
import { formatSafetensors } from '../../shared/safetensors.ts'
import { type Tensor, tensorFromBits } from '../../shared/tensor.ts'
import { type Checkpoint, createTrace, formatTrace } from '../../shared/trace.ts'
import { compareFiles } from './files.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-files-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}
const one = tensorFromBits('f32', [2], ['3f800000', '00000000'])
const other = tensorFromBits('f32', [2], ['3f800000', '80000000'])
const trace = (n: number, changed = -1): string =>
  formatTrace(
    createTrace(
      Array.from({ length: n }, (_, seq): Checkpoint => {
        return {
          seq,
          step: seq,
          name: 'loss',
          dtype: 'f32',
          shape: [],
          digest: digestOf(seq >= changed && changed >= 0 ? 'b' : 'a'),
        }
      }),
    ),
  )

test('npy files: −0 and +0 differ in bits and are 0 ULP apart', async () => {
  const a = file('a.npy', formatNpy(one))
  expect((await compareFiles(a, file('a2.npy', formatNpy(one)))).equal).toBe(true)
  const result = await compareFiles(a, file('b.npy', formatNpy(other)))
  expect(result).toMatchObject({
    kind: 'tensors',
    equal: false,
    tensors: [
      {
        name: '',
        digests: [digestOf(one.bytes), digestOf(other.bytes)],
        first: { element: 1, indices: [1], bits: ['00000000', '80000000'], ulp: '0' },
        statistics: { unequal: 1, signOfZero: 1, maxUlp: '0' },
      },
    ],
  })
})

test('the hostile corpus is equal to itself through files', async () => {
  for (const [i, tensor] of hostileTensors().entries()) {
    const path = file(npyFileName(`t${i}`, tensor.dtype), formatNpy(tensor))
    const result = await compareFiles(path, path)
    expect(result).toMatchObject({
      equal: true,
      tensors: [{ dtype: tensor.dtype, digests: [digestOf(tensor.bytes), digestOf(tensor.bytes)] }],
    })
  }
})

test('safetensors are compared by name, in whatever order they stand', async () => {
  const tensors = (changed: Tensor): [string, Tensor][] => [
    ['w', one],
    ['bias', changed],
  ]
  const a = file('a.safetensors', formatSafetensors(tensors(one)))
  const b = file('b.safetensors', formatSafetensors(tensors(other).toReversed()))
  const result = await compareFiles(a, b)
  if (result.kind !== 'tensors') throw new Error('tensors were compared')
  expect(result.tensors.map(({ name, equal }) => [name, equal])).toEqual([
    ['bias', false],
    ['w', true],
  ])
  const c = file('c.safetensors', formatSafetensors([['w', one]]))
  await expect(compareFiles(a, c)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('only one side has "bias"'),
  })
  const d = file(
    'd.safetensors',
    formatSafetensors([
      ['w', one],
      ['bias', tensorFromBits('u8', [1], ['00'])],
    ]),
  )
  await expect(compareFiles(a, d)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('tensor "bias"'),
  })
})

test('arrays of .npz are compared by name, with each other and with safetensors', async () => {
  const npz = (name: string) => join(import.meta.dirname, '../../test/fixtures/npz', name)
  const same = await compareFiles(npz('stored.npz'), npz('compressed.npz'))
  expect(same).toMatchObject({ equal: true, tensors: [{ name: 'w' }, { name: 'lb/é' }, { name: 's' }] })
  const other = file(
    'npz.safetensors',
    formatSafetensors([
      ['w', tensorFromBits('f32', [2, 3], ['00000000', '3f800000', '40000000', '40400000', '40800000', '40a00001'])],
      ['lb/é', tensorFromBits('i64', [2], ['0000000000000001', '0000000000000002'])],
      ['s', tensorFromBits('f64', [], ['4008000000000000'])],
    ]),
  )
  expect(await compareFiles(npz('stored.npz'), other)).toMatchObject({
    equal: false,
    tensors: [{ name: 'w', first: { element: 5, kind: 'rounding' } }, { equal: true }, { equal: true }],
  })
})

test('traces: the first checkpoint that differs, found by binary search', async () => {
  const a = file('a.jsonl', trace(1000))
  expect(await compareFiles(a, file('a2.trace', trace(1000)))).toMatchObject({ equal: true, divergence: null })
  const result = await compareFiles(a, file('b.jsonl', trace(1000, 617)))
  expect(result).toMatchObject({
    kind: 'trace',
    equal: false,
    checkpoints: [1000, 1000],
    divergence: { position: 617 },
  })
  if (result.kind === 'trace') expect(result.divergence?.comparisons).toBeLessThanOrEqual(10)
  const short = await compareFiles(a, file('c.jsonl', trace(10)))
  expect(short).toMatchObject({ equal: false, divergence: { position: 10, a: { seq: 10 }, b: null } })
  // Neither says anything that could differ.
  expect(await compareFiles(file('e.jsonl', ''), file('e2.jsonl', ''))).toMatchObject({ equal: null })
})

test('what cannot be compared is an error that says so', async () => {
  const a = file('a.npy', formatNpy(one))
  const refused = (b: string, code: string, text: string) =>
    expect(compareFiles(a, b)).rejects.toMatchObject({ code, message: expect.stringContaining(text) })
  await refused(join(folder, 'none.npy'), 'not-found', 'does not exist')
  await refused(join(folder, 'none.txt'), 'not-found', 'does not exist')
  await refused(file('x.txt', ''), 'usage', 'of no known kind')
  await refused(folder, 'usage', 'is a folder')
  await refused(
    file('wide.npy', formatNpy(tensorFromBits('f64', [1], ['0000000000000000']))),
    'usage',
    'cannot be compared',
  )
  await refused(file('scalar.npy', formatNpy(tensorFromBits('f32', [], ['00000000']))), 'usage', 'f32[2] and f32[]')
  await refused(file('bad.npy', 'PK'), 'format', 'bad.npy: not a .npy file')
  await refused(file('t.jsonl', trace(1)), 'usage', 'two of one kind')
  await refused(file('bad.jsonl', '{}\n'), 'format', 'line 1 is not a canonical checkpoint')
  const huge = file('huge.npy', '')
  truncateSync(huge, 2 ** 31)
  await refused(huge, 'limit', '2147483648 bytes')
})

test('names of other bytes are other names, and none is read that is not UTF-8', async () => {
  const named = (byte: number) =>
    Buffer.from(trace(1).replace('loss', '?'), 'latin1').map((one) => (one === 63 ? byte : one))
  const [a, b] = [file('ff.jsonl', named(0xff)), file('fe.jsonl', named(0xfe))]
  await expect(compareFiles(a, b)).rejects.toMatchObject({ code: 'format', message: `${a}: trace: it is not UTF-8` })
})

test('a pipe or a device is not waited for', async () => {
  const pipe = join(folder, 'pipe.npy')
  execFileSync('mkfifo', [pipe])
  symlinkSync('/dev/zero', join(folder, 'zero.npy'))
  for (const path of [pipe, join(folder, 'zero.npy')]) {
    await expect(compareFiles(path, path)).rejects.toMatchObject({
      code: 'usage',
      message: `${path} is a pipe or a device; write what it gives to a file, and name that`,
    })
  }
})
