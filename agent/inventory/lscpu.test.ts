import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseLscpu } from './lscpu.ts'

const captured = readFileSync(new URL('../../test/fixtures/inventory/lscpu-amd-epyc-kvm.txt', import.meta.url), 'utf8')

describe('parseLscpu', () => {
  it('reads a virtual machine', () => {
    expect(parseLscpu(captured)).toEqual({
      'cpu.vendor': 'AuthenticAMD',
      'cpu.brand': 'AMD EPYC',
      'cpu.family': '25',
      'cpu.model': '17',
      'cpu.stepping': '1',
      'cpu.threads': '2',
      'cpu.sockets': '1',
      'cpu.cores': '2',
      'cpu.numa.nodes': '1',
      'cpu.cache.l1d': '32K',
      'cpu.cache.l1i': '32K',
      'cpu.cache.l2': '1024K',
      'cpu.cache.l3': '32768K',
      vm: 'kvm',
      'vm.type': 'full',
    })
  })

  it('takes a cache of the older form as it is, and a total without instances for nothing', () => {
    expect(parseLscpu('L1d cache:           32K\nL2 cache:     4 MiB\n')).toMatchObject({
      'cpu.cache.l1d': '32K',
      'cpu.cache.l2': undefined,
    })
  })

  it('counts the cores of several sockets', () => {
    expect(parseLscpu('Core(s) per socket:  28\nSocket(s):           2\n')['cpu.cores']).toBe('56')
  })
})
