import koffi from 'koffi'
import { afterEach, describe, expect, it } from 'vitest'
import { decodeEnvironment, decodeFpcr, decodeMxcsr, probeMode, readFloatingPointMode } from './floating-point.ts'
import { observeAfter, observeBefore, parseAffinity } from './process.ts'
import { needs } from '../../test/needs.ts'

describe('decodeMxcsr', () => {
  it('reads the mode a process starts with, and leaves the sticky flags out', () => {
    const mode = { rounding: 'nearest', ftz: false, daz: false, registers: { mxcsr: '0x1f80' } }
    expect(decodeMxcsr(0x1f80)).toEqual(mode)
    expect(decodeMxcsr(0x1fa1)).toEqual(mode)
  })

  it('tells flushing results from flushing operands', () => {
    expect(decodeMxcsr(0x9f80)).toMatchObject({ ftz: true, daz: false })
    expect(decodeMxcsr(0x1fc0)).toMatchObject({ ftz: false, daz: true })
  })

  it.each([
    [0x3f80, 'down'],
    [0x5f80, 'up'],
    [0x7f80, 'zero'],
  ])('reads rounding of %i', (mxcsr, rounding) => {
    expect(decodeMxcsr(mxcsr).rounding).toBe(rounding)
  })
})

describe('decodeFpcr', () => {
  it.each([
    [0x00000000, 'nearest', false],
    [0x00400000, 'up', false],
    [0x00800000, 'down', false],
    [0x00c00000, 'zero', false],
    [0x01000000, 'nearest', true],
  ])('reads %i', (fpcr, rounding, flush) => {
    expect(decodeFpcr(fpcr)).toMatchObject({ rounding, ftz: flush, daz: flush })
  })
})

describe('decodeEnvironment', () => {
  const environment = new Uint8Array(256)
  const view = new DataView(environment.buffer)
  afterEach(() => environment.fill(0))

  it('finds MXCSR and the x87 control word where glibc and musl put them', () => {
    view.setUint16(0, 0x027f, true)
    view.setUint32(28, 0x9fe0, true)
    const { registers, ...mode } = decodeEnvironment(environment, { arch: 'x64', platform: 'linux' }) ?? {}
    expect(mode).toEqual({ rounding: 'nearest', ftz: true, daz: true })
    expect(registers).toEqual({ mxcsr: '0x9fc0', x87: '0x027f' })
  })

  it('finds FPCR first on aarch64 Linux and second on macOS', () => {
    view.setUint32(0, 0x01000000, true)
    view.setUint32(8, 0x00c00000, true)
    expect(decodeEnvironment(environment, { arch: 'arm64', platform: 'linux' })?.ftz).toBe(true)
    expect(decodeEnvironment(environment, { arch: 'arm64', platform: 'darwin' })?.rounding).toBe('zero')
  })

  it('does not guess', () => {
    expect(decodeEnvironment(environment, { arch: 'riscv64', platform: 'linux' })).toBeUndefined()
  })
})

const x64Linux = process.platform === 'linux' && process.arch === 'x64'

const otherwise = needs('registers of the floating-point mode', x64Linux, 'not Linux on x86-64')

describe.skipIf(otherwise)('a thread whose mode was changed', () => {
  const libm = koffi.load('libm.so.6')
  const fegetenv = libm.func('int fegetenv(_Out_ void *)') as (environment: Uint8Array) => number
  const fesetenv = libm.func('int fesetenv(void *)') as (environment: Uint8Array) => number
  const saved = new Uint8Array(32)
  fegetenv(saved)

  const setMxcsr = (mxcsr: number) => {
    const changed = Uint8Array.from(saved)
    new DataView(changed.buffer).setUint32(28, mxcsr, true)
    fesetenv(changed)
  }
  afterEach(() => fesetenv(saved))

  it.each([
    [0x1f80, { rounding: 'nearest', ftz: false, daz: false }],
    [0x3f80, { rounding: 'down', ftz: false, daz: false }],
    [0x5f80, { rounding: 'up', ftz: false, daz: false }],
    [0x7f80, { rounding: 'zero', ftz: false, daz: false }],
    [0x9f80, { rounding: 'nearest', ftz: true, daz: false }],
    [0x1fc0, { rounding: 'nearest', ftz: false, daz: true }],
    [0x9fc0, { rounding: 'nearest', ftz: true, daz: true }],
  ])('is seen by register and by behaviour alike: %i', async (mxcsr, expected) => {
    setMxcsr(mxcsr)
    expect(probeMode()).toMatchObject(expected)
    expect(await readFloatingPointMode()).toMatchObject({ ...expected, method: 'fegetenv' })
    // Observing changed nothing.
    const now = new Uint8Array(32)
    fegetenv(now)
    expect(new DataView(now.buffer).getUint32(28, true) & ~0x3f).toBe(mxcsr)
  })
})

describe('this process', () => {
  it('has the mode of a fresh process, and says on what it runs', async () => {
    const facts = await observeBefore()
    expect(facts).toMatchObject({
      'fp.before.rounding': 'nearest',
      'fp.before.ftz': 'no',
      'fp.before.daz': 'no',
      'lib.node.version': process.versions.node,
      'lib.v8.version': process.versions.v8,
    })
    if (process.platform === 'linux') expect(facts['cpu.affinity']).toMatch(/^\d+([-,]\d+)*$/)
    if (x64Linux) expect(facts).toMatchObject({ 'fp.before.mxcsr': '0x1f80', 'fp.before.method': 'fegetenv' })
  })

  it.skipIf(needs('mapped libraries', process.platform === 'linux', 'read from /proc'))(
    'maps a C library',
    async () => {
      const { facts, mapped } = await observeAfter()
      expect(facts['fp.after.rounding']).toBe('nearest')
      expect(mapped.some((path) => /libm[.-]|musl/.test(path))).toBe(true)
    },
  )
})

describe('parseAffinity', () => {
  it('takes the list, not the mask', () => {
    expect(parseAffinity('Name:\tnode\nCpus_allowed:\t00000003\nCpus_allowed_list:\t0-1\n')).toBe('0-1')
    expect(parseAffinity('Name:\tnode\n')).toBeUndefined()
  })
})
