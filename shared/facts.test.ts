import { expect, test } from 'vitest'
import { isFactKey, partFacts } from './facts.ts'

test('what the formats name is a fact', () => {
  for (const key of [
    'cpu.vendor',
    'cpu.flags.fma',
    'cpu.microcode',
    'cpu.affinity',
    'cgroup.cpu.max',
    'gpu.subsystem.vendor',
    'gpu.vbios',
    'gpu.clocks.max',
    'board.vendor',
    'os.name',
    'kernel',
    'libc',
    'vm',
    'fp.mxcsr.before',
    'lib.libopenblas.so.0.digest',
    'knob.threads',
    'env.OPENBLAS_CORETYPE',
    'build.node',
  ]) {
    expect(isFactKey(key), key).toBe(true)
  }
})

test('identity and what moves by itself never explains', () => {
  for (const key of [
    'hostname',
    'os.hostname',
    'board.serial',
    'gpu.serial',
    'gpu.uuid',
    'net.mac',
    'net.address',
    'cpu.clock',
    'gpu.clock.sm',
    'gpu.temperature',
    'os.load',
    'os.uptime',
    'cpu.mhz',
    'memory.free',
    'cpu.bogomips',
    'anything',
  ]) {
    expect(isFactKey(key), key).toBe(false)
  }
})

test('observations are parted; nothing observed is left out but the empty', () => {
  const { facts, attributes } = partFacts({
    'cpu.vendor': 'AuthenticAMD',
    'os.hostname': '<script>',
    'cpu.brand': '',
    'gpu.model': undefined,
    weather: 'rain',
  })
  expect(facts).toEqual({ 'cpu.vendor': 'AuthenticAMD' })
  expect(attributes).toEqual({ 'os.hostname': '<script>', weather: 'rain' })
})
