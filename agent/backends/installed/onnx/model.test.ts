import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../../../shared/digest.ts'
import { encodeModel } from './model.ts'
import { operatorsOf } from './operators.ts'
import { levelOf } from './read-back.ts'

const layernorm = encodeModel({
  dtype: 'f64',
  nodes: [
    {
      op: 'LayerNormalization',
      inputs: ['x', 'g', 'b'],
      outputs: ['y'],
      attributes: [
        { name: 'axis', int: -1 },
        { name: 'epsilon', float: 1e-5 },
      ],
    },
  ],
  inputs: [
    { name: 'x', rank: 2 },
    { name: 'g', rank: 1 },
    { name: 'b', rank: 1 },
  ],
  outputs: [{ name: 'y', rank: 2 }],
})
const conv = encodeModel({
  dtype: 'f32',
  nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['y'], attributes: [{ name: 'strides', ints: [1, 1] }] }],
  inputs: [{ name: 'x', rank: 4 }],
  outputs: [{ name: 'y', rank: 4 }],
  constants: [{ name: 'w', shape: [2, 2, 1, 1], values: [0, 1, -2.5, 3] }],
})

describe('a model', () => {
  // What onnx 1.17.0 for Python makes of the same graphs with `helper.make_model`, which its checker takes.
  it('has the bytes that the format’s own library writes', () => {
    expect([layernorm.byteLength, sha256Hex(layernorm)]).toEqual([
      215,
      '6deb229c5c61bafd2dcc6c066ee5b89b570d9089a3d6414a98b6e56c1627a96f',
    ])
    expect([conv.byteLength, sha256Hex(conv)]).toEqual([
      182,
      '8fd9852ad06ffe34bb969de75af00e5b66ed9718c1e8e1da70c1403edc9e793e',
    ])
  })

  it('tells its operators', () => {
    expect(operatorsOf(layernorm)).toEqual(['LayerNormalization'])
    expect(operatorsOf(conv)).toEqual(['Conv'])
    expect(operatorsOf(new Uint8Array())).toEqual([])
  })

  it.each([
    ['cut short', layernorm.subarray(0, 60)],
    ['a number without an end', Uint8Array.of(0x08, 0xff)],
    ['another wire type', Uint8Array.of(0x0b)],
  ])('is refused: %s', (_, bytes) => expect(() => operatorsOf(bytes)).toThrow(RangeError))
})

describe('the level of optimisation', () => {
  it.each([
    [['Add', 'Add', 'Conv', 'Relu'], 'disabled'],
    [['Add', 'Conv', 'Relu'], 'basic'],
    [['Add', 'FusedConv'], 'extended'],
    [['Add', 'ReorderInput', 'Conv', 'ReorderOutput'], 'all'],
  ])('is told by what became of the graph: %j', (operators, level) => expect(levelOf(operators, 'x64')).toBe(level))

  it('is not guessed where two look the same', () => expect(levelOf(['Add', 'FusedConv'], 'arm64')).toBeUndefined())
})
