import { describe, expect, it } from 'vitest'
import { agentFactsById, unitFacts } from './unit-facts.ts'

const condition = {
  backend: 'openblas',
  version: '0.3.21',
  device: 'cpu',
  knobs: { threads: 2, coreType: 'Haswell' },
  effective: { coreType: 'SkylakeX' },
}

describe('unitFacts', () => {
  it('takes what a hostile agent calls a fact only under keys of facts, never its identity', () => {
    const agents = [
      { id: 'a', facts: { 'cpu.model': '106', hostname: 'x', 'os.hostname': 'x', 'board.serial': '7', uptime: '3' } },
    ]
    const facts = unitFacts(agentFactsById(agents).get('a') ?? {}, {
      condition,
      facts: { 'net.mac': '1', 'fp.ftz': 'no' },
      varying: {},
    })
    expect(facts).toEqual({
      'cpu.model': '106',
      'fp.ftz': 'no',
      backend: 'openblas',
      'backend.version': '0.3.21',
      device: 'cpu',
      'knob.threads': '2',
      'knob.coreType': 'Haswell',
      'knob.effective.coreType': 'SkylakeX',
    })
  })

  it('takes no fact of the processor from the agent where another one was emulated', () => {
    const agent = {
      ...{ 'cpu.vendor': 'AuthenticAMD', 'cpu.flags.fma': 'yes', 'cpu.cache.l2': '1024K', 'cpu.threads': '2' },
      ...{ 'os.arch': 'x64', 'board.product': 'B' },
    }
    const cell = { condition: { ...condition, knobs: {}, effective: {} }, varying: {} }
    const rest = {
      backend: 'openblas',
      'backend.version': '0.3.21',
      device: 'cpu',
      'cpu.threads': '2',
      'board.product': 'B',
    }
    const own = { emulator: 'qemu-aarch64 7.2', 'os.arch': 'arm64', 'cpu.affinity': '0' }
    expect(unitFacts(agent, { ...cell, facts: own })).toEqual({ ...rest, ...own })
    expect(unitFacts(agent, { ...cell, facts: {} })).toEqual({ ...agent, ...rest })
    const varying = { emulator: ['qemu-aarch64 7.2', 'qemu-aarch64 8.0'] }
    expect(unitFacts(agent, { ...cell, facts: {}, varying })).toEqual({ ...rest, 'os.arch': 'x64' })
  })

  it('lets an execution correct its agent, and drops what executions disagreed on', () => {
    const cell = {
      condition: { ...condition, version: null, knobs: {}, effective: {} },
      facts: { libc: 'b' },
      varying: { 'cpu.affinity': ['0', '1'] },
    }
    expect(unitFacts({ libc: 'a', 'cpu.affinity': '0-1' }, cell)).toEqual({
      libc: 'b',
      backend: 'openblas',
      device: 'cpu',
    })
  })
})
