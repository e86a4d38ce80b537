import { expect, test } from 'vitest'
import { effectiveFact, isFactKey, knobFact, partFacts } from './facts.ts'

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
    'knob.openblas.threads',
    'knob.openblas.effective.threads',
    'knob.loader.load',
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
    'os.boot_id',
    'os.bootId',
    'os.random.boot-id',
    'os.machine-id',
    'os.machine_id',
    'vm.instance-id',
    'os.invocation_id',
    'os.btime',
    'env.HOSTNAME',
    'env.SLURMD_NODENAME',
    'os.host',
    'os.node.name',
    'board.host-name',
    'backend.fqdn',
  ]) {
    expect(isFactKey(key), key).toBe(false)
  }
})

test('a knob of two libraries is two facts, and of two versions of a library one', () => {
  expect(knobFact('openblas', 'threads')).toBe('knob.openblas.threads')
  expect(knobFact('blis', 'threads')).not.toBe(knobFact('openblas', 'threads'))
  expect(knobFact('tensorflow@2.21.0', 'threads')).toBe(knobFact('tensorflow@2.8.0', 'threads'))
  expect(effectiveFact('tensorflow@2.21.0', 'threads')).toBe('knob.tensorflow.effective.threads')
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
