import { describe, expect, it } from 'vitest'
import { decodeRegisterSet } from './thread-mode.ts'

describe('a set of floating-point registers', () => {
  const set = (bytes: number, at: number, value: number) => {
    const view = new DataView(new ArrayBuffer(bytes))
    view.setUint16(0, 0x037f, true)
    view.setUint32(at, value, true)
    return new Uint8Array(view.buffer)
  }

  it.each([
    [0x1f80, { rounding: 'nearest', ftz: false, daz: false, registers: { mxcsr: '0x1f80', x87: '0x037f' } }],
    // With the flags of what happened, which are no mode.
    [0x9fe2, { rounding: 'nearest', ftz: true, daz: true, registers: { mxcsr: '0x9fc0', x87: '0x037f' } }],
    [0x5f80, { rounding: 'up', ftz: false, daz: false, registers: { mxcsr: '0x5f80', x87: '0x037f' } }],
  ])('has MXCSR %i on x86-64', (mxcsr, mode) => {
    expect(decodeRegisterSet(set(512, 24, mxcsr), 'x64')).toEqual(mode)
  })

  it('has FPCR behind the vectors on arm64', () => {
    expect(decodeRegisterSet(set(528, 516, 0x01800000), 'arm64')).toEqual({
      ...{ rounding: 'down', ftz: true, daz: true, registers: { fpcr: '0x01800000' } },
    })
  })

  it('is not read where its length is that of another architecture', () => {
    expect(decodeRegisterSet(set(108, 24, 0x1f80), 'x64')).toBeUndefined()
    expect(decodeRegisterSet(set(512, 24, 0x1f80), 'arm64')).toBeUndefined()
    expect(decodeRegisterSet(set(528, 516, 0), 'riscv64')).toBeUndefined()
  })
})
