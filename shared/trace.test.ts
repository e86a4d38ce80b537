import fc from 'fast-check'
import { expect, test } from 'vitest'
import golden from '../test/golden/golden.json' with { type: 'json' }
import { hostileTensors } from '../test/hostile-bits.ts'
import { digestOf } from './digest.ts'
import { type Checkpoint, checkpointLine, createTrace, digestOfLines, formatTrace, parseTrace } from './trace.ts'

const input: Checkpoint = {
  seq: 0,
  step: 0,
  name: 'input',
  dtype: 'f32',
  shape: [4],
  digest: 'sha256:db9d39ec5e605d71d3c01e8e6ae4db1569c2258ad842294bf5efd93ebe84975a',
}
const sum: Checkpoint = {
  seq: 1,
  step: 0,
  name: 'sum',
  dtype: 'f32',
  shape: [],
  digest: 'sha256:e21712a06022eecab9f5bd25414b4af9adeb316bb03947134cea060c78afd2d9',
}

test('the golden trace of the formats', () => {
  const trace = createTrace([input, sum])
  expect(trace.prefixes).toEqual([
    '11276e652289b979e87ca4975e687e46e219b4683a22ba59db4cad4f1a065db5',
    '9939b1cff935714be119eec0ccca2172aea2c64faa5381285664f8fbea30cd45',
  ])
  expect(trace.digest).toBe(trace.prefixes[1])
  expect(trace.prefixes).toEqual(golden.trace.prefixes)
  expect(trace.checkpoints.map(checkpointLine)).toEqual(golden.trace.lines)
})

test('a line holds a checkpoint’s own members and nothing else', () => {
  expect(checkpointLine({ ...input, host: 'x' } as Checkpoint)).toBe(checkpointLine(input))
})

test('the file form reads back', () => {
  const trace = createTrace([input, sum])
  expect(parseTrace(formatTrace(trace))).toEqual(trace)
  expect(parseTrace('')).toEqual({ checkpoints: [], prefixes: [], digest: '' })
})

test('a trace of the hostile corpus reads back', () => {
  const checkpoints = hostileTensors().map(({ dtype, shape, bytes }, seq) => {
    return { seq, step: 0, name: `t/${seq} "\u2028é\\`, dtype, shape, digest: digestOf(bytes) }
  })
  expect(parseTrace(formatTrace(createTrace(checkpoints)))).toEqual(createTrace(checkpoints))
})

test('a change of any line changes every prefix from there on, and none before', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.nat(11), (n, at) => {
      fc.pre(at < n)
      const plain = Array.from({ length: n }, (_, seq): Checkpoint => ({ ...input, seq, step: seq }))
      const other = plain.map((checkpoint, i) => (i === at ? { ...checkpoint, name: 'other' } : checkpoint))
      const [a, b] = [createTrace(plain), createTrace(other)]
      a.prefixes.forEach((prefix, i) => expect(prefix === b.prefixes[i]).toBe(i < at))
    }),
  )
})

test('what is not a canonical trace is refused', () => {
  const text = formatTrace(createTrace([input, sum]))
  const [first, second] = text.split('\n') as [string, string]
  for (const wrong of [
    text.slice(0, -1),
    `${text.slice(0, -1)} `,
    `${text.slice(0, -1)}x`,
    `${second}\n`,
    `${first}\n\n${second}\n`,
    `${first} \n`,
    `${first}\r\n`,
    `${first.replace('"seq":0', '"seq":-0')}\n`,
    `${first.replace('"seq":0', '"seq":0,"host":"x"')}\n`,
    `${first.replace('f32', 'f31')}\n`,
    `${first.replace('[4]', '[4.5]')}\n`,
    `${first.replace('[4]', '[-4]')}\n`,
    `${first.replace('[4]', '4')}\n`,
    `${first.replace('[4]', 'null')}\n`,
    `${first.replace('"step":0', '"step":-1')}\n`,
    `${first.replace('"step":0', '"step":0.5')}\n`,
    `${first.replace('"seq":0', '"seq":0.5')}\n`,
    `${first.replace('"name":"input"', '"name":5')}\n`,
    `${first.replace('sha256', 'sha257')}\n`,
    `${first}\n${first}\n`,
    `${first}\n${second.replace('"seq":1', '"seq":2')}\n`,
    `${first.replace('db9d', 'DB9D')}\n`,
    'null\n',
    '[]\n',
    '{\n',
  ]) {
    expect(() => parseTrace(wrong)).toThrow('trace: ')
  }
})

test('the digest of lines is that of the trace they are, and another for whatever else came', () => {
  const trace = createTrace([input, sum])
  const bytes = Buffer.from(formatTrace(trace))
  expect(digestOfLines(bytes)).toBe(trace.digest)
  expect(digestOfLines(new Uint8Array())).toBe('')
  for (let i = 0; i < bytes.length; i++) {
    const changed = Uint8Array.from(bytes)
    changed[i] = (changed[i] as number) ^ 1
    expect(digestOfLines(changed)).not.toBe(trace.digest)
  }
  expect(digestOfLines(bytes.subarray(0, -1))).not.toBe(trace.digest)
})
