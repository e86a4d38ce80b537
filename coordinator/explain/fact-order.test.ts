import { describe, expect, it } from 'vitest'
import { byName, byUse, familyOf, useOf } from './fact-order.ts'
import { factPartitions } from './partition.ts'

describe('useOf', () => {
  it.each([
    ['lib.openblas.version', 'version'],
    ['backend.version', 'version'],
    ['kernel', 'version'],
    ['cpu.microcode', 'version'],
    ['gpu.0.driver', 'version'],
    ['cpu.flags.fma', 'feature'],
    ['cpu.flags.size', 'feature'],
    ['lib.openblas.core', 'feature'],
    ['knob.openblas.coreType', 'feature'],
    ['lib.onednn.isa', 'feature'],
    ['fp.before.ftz', 'feature'],
    ['cpu.threads', 'size'],
    ['cpu.cache.l2', 'size'],
    ['memory.total', 'size'],
    ['pool.openblas', 'size'],
    ['cgroup.cpu.max', 'size'],
    ['logical_cpus', 'size'],
    ['lib.libm.so.6.digest', 'hash'],
    ['lib.openblas.version.digest', 'hash'],
  ] as const)('%s is a %s', (name, use) => {
    expect(useOf(name)).toBe(use)
  })
})

describe('the order of names', () => {
  const names = ['lib.a.digest', 'cpu.cores', 'cpu.flags.fma', 'lib.a.version']

  it('is version, feature, size, hash', () => {
    expect(names.toSorted(byName)).toEqual(names.toReversed())
  })

  it('puts first what the plan varied, but what a side lacks last', () => {
    const fact = (name: string, planned = false, lacking = false) => ({ name, planned, lacking })
    const sorted = [
      fact('knob.b.threads', true, true),
      fact('lib.a.version', false, true),
      fact('lib.a.digest'),
      fact('cpu.cores', true),
    ].sort(byUse)
    expect(sorted.map(({ name }) => name)).toEqual(['cpu.cores', 'lib.a.digest', 'knob.b.threads', 'lib.a.version'])
  })

  it('holds for facts that part units alike', () => {
    const facts = (value: string) => Object.fromEntries(names.map((name) => [name, value]))
    const both = [
      { ...facts('1'), 'knob.b.order': 'x' },
      { ...facts('2'), 'knob.b.order': 'y', 'env.X': '1' },
    ]
    const [all, ...rest] = factPartitions(both, new Set(['knob.b.order', 'env.X']))
    expect(rest).toEqual([])
    expect([all?.name, ...(all?.inseparable ?? [])]).toEqual(['knob.b.order', ...names.toReversed(), 'env.X'])
  })
})

it('takes keys that are equal up to the last dot for one family', () => {
  expect(familyOf('cpu.flags.fma')).toBe('cpu.flags')
  expect(familyOf('gpu.0.driver.version')).toBe('gpu.0.driver')
  expect(familyOf('kernel')).toBe('kernel')
  expect(familyOf('kernel')).not.toBe(familyOf('libc'))
})
