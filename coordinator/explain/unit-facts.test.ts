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
