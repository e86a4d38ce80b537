import { describe, expect, it } from 'vitest'
import { formatHwcaps, ineffectiveHwcaps, parseDiagnostics } from './glibc-features.ts'

// Lines of `ld.so --list-diagnostics`, glibc 2.36 on an AMD EPYC of family 25, model 17.
const native = `dl_dst_lib="lib/x86_64-linux-gnu"
x86.cpu_features.basic.kind=0x2
x86.cpu_features.features[0x0].cpuid[0x1]=0x1020800
x86.cpu_features.features[0x0].active[0x2]=0x7ed83203
x86.cpu_features.features[0x1].active[0x1]=0xf1af0328
x86.cpu_features.preferred.AVX_Fast_Unaligned_Load=0x1
x86.cpu_features.preferred.Prefer_No_AVX512=0x0
`
const withoutFma = native.replace('0x7ed83203', '0x7ed82203')

describe('parseDiagnostics', () => {
  it('names what is in use', () => {
    const used = parseDiagnostics(native)
    for (const name of ['FMA', 'AVX', 'AVX2', 'AVX512F', 'AVX512VL', 'F16C', 'AVX_Fast_Unaligned_Load']) {
      expect(used.has(name), name).toBe(true)
    }
    for (const name of ['FMA4', 'RTM', 'Prefer_No_AVX512']) expect(used.has(name), name).toBe(false)
  })

  it('reads the word of glibc 2.33 as well, and nothing from another architecture', () => {
    expect(parseDiagnostics('x86.cpu_features.features[0x0].usable[0x2]=0x1000').has('FMA')).toBe(true)
    expect(parseDiagnostics('aarch64.cpu_features.midr_el1=0x413fd0c1\n').size).toBe(0)
  })
})

describe('formatHwcaps', () => {
  const features = parseDiagnostics(native)

  it('writes what changed as the tunable would', () => {
    expect(formatHwcaps(features, features)).toBe('')
    expect(formatHwcaps(features, parseDiagnostics(withoutFma))).toBe('-FMA')
    expect(formatHwcaps(new Set(['FMA', 'AVX2']), new Set(['Prefer_No_AVX512']))).toBe('-AVX2,-FMA,Prefer_No_AVX512')
  })
})

describe('ineffectiveHwcaps', () => {
  it.each([
    ['-FMA', '-FMA', []],
    ['-FMA_Usable', '', ['-FMA_Usable']],
    ['-FMA,-Bogus', '-FMA', ['-Bogus']],
    ['-AVX2,-FMA', '-AVX2,-FMA', []],
  ])('of %s where %s took', (asked, effective, expected) => {
    expect(ineffectiveHwcaps(asked.split(','), effective)).toEqual(expected)
  })
})
