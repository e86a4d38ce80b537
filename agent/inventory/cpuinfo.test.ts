import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseCpuinfo } from './cpuinfo.ts'

const captured = (name: string) =>
  readFileSync(new URL(`../../test/fixtures/inventory/cpuinfo-${name}.txt`, import.meta.url), 'utf8')

/** Flags that decide which code paths numeric libraries take. */
const numericFlags = ['fma', 'avx', 'avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_tile', 'f16c', 'fma4']

function x86Flags(name: string): string[] {
  const observed = parseCpuinfo(captured(name))
  return numericFlags.filter((flag) => observed[`cpu.flags.${flag}`] === 'yes')
}

describe('parseCpuinfo', () => {
  it.each([
    ['intel-xeon-gold-6132', 'GenuineIntel', '6', '85', '4', '0x200004d', 'Intel(R) Xeon(R) Gold 6132 CPU @ 2.60GHz'],
    ['intel-xeon-8480', 'GenuineIntel', '6', '143', '6', '0x2b000181', 'Intel(R) Xeon(R) Platinum 8480+'],
    ['intel-core-ultra-285', 'GenuineIntel', '6', '198', '2', '0x11f', 'Intel(R) Core(TM) Ultra 9 285'],
    ['amd-ryzen-5950x', 'AuthenticAMD', '25', '33', '0', '0xa201009', 'AMD Ryzen 9 5950X 16-Core Processor'],
    ['amd-epyc-9654', 'AuthenticAMD', '25', '17', '1', '0xa10110d', 'AMD EPYC 9654 96-Core Processor'],
  ])('identifies %s', (name, vendor, family, model, stepping, microcode, brand) => {
    expect(parseCpuinfo(captured(name))).toMatchObject({
      'cpu.vendor': vendor,
      'cpu.brand': brand,
      'cpu.family': family,
      'cpu.model': model,
      'cpu.stepping': stepping,
      'cpu.microcode': microcode,
    })
  })

  it.each([
    ['intel-xeon-gold-6132', ['fma', 'avx', 'avx2', 'avx512f', 'f16c']],
    ['intel-xeon-8480', ['fma', 'avx', 'avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_tile', 'f16c']],
    ['intel-core-ultra-285', ['fma', 'avx', 'avx2', 'f16c']],
    ['amd-ryzen-5950x', ['fma', 'avx', 'avx2', 'f16c']],
    ['amd-epyc-9654', ['fma', 'avx', 'avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'f16c']],
  ])('names every flag of %s', (name, flags) => {
    expect(x86Flags(name)).toEqual(flags)
    const listed = /^flags\s*: (.*)$/m.exec(captured(name))?.[1]?.trim().split(' ') ?? []
    const named = Object.keys(parseCpuinfo(captured(name))).filter((key) => key.startsWith('cpu.flags.'))
    expect(named.sort()).toEqual([...new Set(listed)].map((flag) => `cpu.flags.${flag}`).sort())
    // The flags of virtualisation stand in a line of their own and are not the processor's.
    expect(named).not.toContain('cpu.flags.ept_x_only')
  })

  it.each([
    ['aws-graviton2', 'ARM', 'Neoverse-N1', '0xd0c', ['asimd', 'fphp', 'asimdhp'], ['sve', 'bf16']],
    ['aws-graviton3', 'ARM', 'Neoverse-V1', '0xd40', ['asimd', 'sve', 'bf16', 'svebf16', 'i8mm'], ['sve2']],
    ['fujitsu-a64fx', 'Fujitsu', 'A64FX', '0x001', ['asimd', 'sve', 'fcma'], ['bf16']],
    ['apple-m1', 'Apple', 'M1 Icestorm', '0x022', ['asimd', 'fphp', 'jscvt'], ['sve']],
  ])('identifies %s', (name, vendor, brand, part, present, absent) => {
    const observed = parseCpuinfo(captured(name))
    expect(observed).toMatchObject({ 'cpu.vendor': vendor, 'cpu.brand': brand, 'cpu.part': part, 'cpu.hybrid': 'no' })
    for (const flag of present) expect(observed[`cpu.flags.${flag}`], flag).toBe('yes')
    for (const flag of absent) expect(observed[`cpu.flags.${flag}`], flag).toBeUndefined()
  })

  it('counts threads, cores and sockets where it is told of all processors', () => {
    expect(parseCpuinfo(captured('intel-i7-8650u'))).toMatchObject({
      'cpu.threads': '8',
      'cpu.cores': '4',
      'cpu.sockets': '1',
      'cpu.microcode': '0xb4',
      'cpu.mhz': '799.998',
    })
  })

  it('reads a 32-bit Raspberry Pi, whose board stands below its processors', () => {
    expect(parseCpuinfo(captured('raspberry-pi-4'))).toMatchObject({
      'cpu.vendor': 'ARM',
      'cpu.brand': 'Cortex-A72',
      'cpu.threads': '4',
      'cpu.cores': undefined,
      'cpu.flags.neon': 'yes',
      'cpu.flags.vfpv4': 'yes',
      'board.soc': 'BCM2835',
      'board.revision': 'c03111',
    })
  })

  it('tells big and little cores of one machine apart', () => {
    const core = (n: number, part: string) =>
      `processor\t: ${n}\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: ${part}\nCPU revision\t: 4\n\n`
    const observed = parseCpuinfo(core(0, '0xd03') + core(1, '0xd03') + core(2, '0xd08'))
    expect(observed).toMatchObject({
      'cpu.hybrid': 'yes',
      'cpu.part': '0xd03 + 0xd08',
      'cpu.brand': 'Cortex-A53 + Cortex-A72',
      'cpu.revision': '4',
    })
  })

  it('knows nothing of nothing', () => {
    expect(Object.values(parseCpuinfo('')).filter((value) => value !== undefined)).toEqual([])
  })
})
