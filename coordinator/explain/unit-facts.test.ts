import { describe, expect, it } from 'vitest'
import { agentFactsById, plannedFacts, unitFacts } from './unit-facts.ts'

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
      'knob.openblas.threads': '2',
      'knob.openblas.coreType': 'Haswell',
      'knob.openblas.effective.coreType': 'SkylakeX',
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

describe('facts of backends', () => {
  const factsOf = (backend: string, version: string, knobs: Record<string, number>) =>
    unitFacts({}, { condition: { backend, version, device: 'cpu', knobs, effective: {} }, facts: {}, varying: {} })

  it('keep the threads of two libraries apart', () => {
    expect(factsOf('openblas', '1', { threads: 2 })).not.toHaveProperty(['knob.blis.threads'])
    expect(factsOf('blis', '1', { threads: 2 })).toHaveProperty(['knob.blis.threads'], '2')
  })

  it('do not take a new version for another backend', () => {
    const [old, recent] = [
      factsOf('tensorflow@2.8.0', '2.8.0', { threads: 1 }),
      factsOf('tensorflow@2.21.0', '2.21.0', { threads: 1 }),
    ]
    expect({ ...old, 'backend.version': '' }).toEqual({ ...recent, 'backend.version': '' })
    expect(old.backend).toBe('tensorflow')
    expect(old['backend.version']).not.toBe(recent['backend.version'])
  })
})

describe('plannedFacts', () => {
  const asked = (backend: string, knobs: Record<string, number> = {}, device = 'cpu') => ({ backend, device, knobs })

  it('are what the plan gave several values, or only to some cells', () => {
    expect(plannedFacts([asked('js', { order: 1 }), asked('js', { order: 2 })])).toEqual(new Set(['knob.js.order']))
    expect(plannedFacts([asked('js'), asked('js', { order: 2 })])).toEqual(new Set(['knob.js.order']))
    expect(plannedFacts([asked('js', { order: 1 }), asked('js', { order: 1 })])).toEqual(new Set())
    expect(plannedFacts([asked('js'), asked('libm'), asked('js', {}, 'gpu0')])).toEqual(new Set(['backend', 'device']))
  })

  it('of two versions of a backend are its version, never the backend', () => {
    expect(plannedFacts([asked('tensorflow@2.8.0'), asked('tensorflow@2.21.0')])).toEqual(new Set(['backend.version']))
    expect(plannedFacts([asked('tensorflow'), asked('tensorflow@2.21.0')])).toEqual(new Set(['backend.version']))
  })
})
