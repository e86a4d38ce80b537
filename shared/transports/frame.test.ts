import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeFrame, encodeFrame } from './frame.ts'

describe('frames with bytes', () => {
  it('have the layout that is documented', () => {
    expect([...encodeFrame({ a: 1 }, new Uint8Array([255, 0]))]).toEqual([
      7,
      0,
      0,
      0,
      ...Buffer.from('{"a":1}'),
      255,
      0,
    ])
  })

  it('come back as they went, at any offset of a buffer', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.uint8Array({ maxLength: 300 }), fc.nat(9), (message, body, offset) => {
        const frame = encodeFrame(message, body)
        const shifted = new Uint8Array(frame.byteLength + offset)
        shifted.set(frame, offset)
        const decoded = decodeFrame(shifted.subarray(offset))
        expect(decoded.message).toEqual(JSON.parse(JSON.stringify(message)))
        expect([...decoded.body]).toEqual([...body])
      }),
    )
  })

  it.each([
    [[]],
    [[1, 0, 0]],
    [[3, 0, 0, 0, 0x7b, 0x7d]],
    [[255, 255, 255, 255, 0x7b, 0x7d]],
    [[1, 0, 0, 0, 0x7b]],
    [[0, 0, 0, 0]],
    [[3, 0, 0, 0, 0x22, 0xff, 0x22]],
  ])('refuse %j', (bytes) => {
    expect(() => decodeFrame(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ code: 'format' }))
  })
})
