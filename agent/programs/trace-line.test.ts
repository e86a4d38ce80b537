import { describe, expect, it } from 'vitest'
import { parseTraceLine } from './trace-line.ts'

const read = (line: unknown) => parseTraceLine(typeof line === 'string' ? line : JSON.stringify(line))

describe('a line of a trace', () => {
  it('says one thing', () => {
    expect(read({ checkpoint: { step: 3, name: 'loss', file: '000012.npy' } })).toEqual({
      checkpoint: { step: 3, name: 'loss', file: '000012.npy', role: 'intermediate' },
    })
    expect(read({ checkpoint: { step: 0, file: 'a.safetensors', prefix: 'weights/', role: 'input' } })).toEqual({
      checkpoint: { step: 0, file: 'a.safetensors', prefix: 'weights/', role: 'input' },
    })
    expect(read({ settings: { OMP_NUM_THREADS: 2 } })).toEqual({ settings: { OMP_NUM_THREADS: '2' } })
    expect(read({ facts: { 'lib.torch.version': '2.13.0' } })).toEqual({ facts: { 'lib.torch.version': '2.13.0' } })
    expect(read({ note: 'a' })).toEqual({ note: 'a' })
  })

  const checkpoint = (changes: object) => ({ checkpoint: { step: 1, name: 'a', file: 'a.npy', ...changes } })
  it.each<[unknown, RegExp]>([
    ['', /not JSON/],
    ['{"note":"a"', /not JSON/],
    ['[]', /expected object/],
    [{}, /says one thing/],
    [{ note: 'a', facts: {} }, /says one thing/],
    [{ checkpoints: [] }, /"checkpoints"/],
    [checkpoint({ shape: [1] }), /"shape"/],
    [checkpoint({ step: -1 }), /checkpoint\.step/],
    [checkpoint({ step: 0.5 }), /checkpoint\.step/],
    [checkpoint({ step: '1' }), /checkpoint\.step/],
    [checkpoint({ name: undefined }), /needs a name/],
    [checkpoint({ prefix: 'x' }), /prefix is for/],
    [checkpoint({ role: 'loss' }), /checkpoint\.role/],
    [checkpoint({ file: 'a.safetensors' }), /use a prefix/],
    [checkpoint({ file: '../a.npy' }), /plain name/],
    [checkpoint({ file: '/etc/a.npy' }), /plain name/],
    [checkpoint({ file: '.npy' }), /plain name/],
    [checkpoint({ file: 'a.pkl' }), /plain name/],
    [checkpoint({ file: 'a\n.npy' }), /plain name/],
    [{ settings: { A: null } }, /settings\.A/],
    [{ settings: { 'A B': '1' } }, /no spaces/],
    [{ facts: { 'lib.x': 'x'.repeat(1025) } }, /at most 1024/],
    [{ note: 'x'.repeat(1001) }, /note/],
  ])('is not %j', (line, message) => expect(() => read(line)).toThrow(message))
})
