import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BackendDescription } from '../../shared/backend-description.ts'
import type { AgentRecord } from '../../shared/messages.ts'
import { expandPlan } from './expand.ts'
import { parsePlan } from './parse.ts'

function backend(id: string, knobs: Record<string, string> = {}): BackendDescription {
  return {
    id,
    title: id,
    status: 'ready',
    version: '1',
    kernels: [],
    knobs: Object.entries(knobs).map(([name, pattern]) => ({
      name,
      description: '',
      source: 'IF.parallel',
      pattern,
      values: 'what the test says',
      override: false,
      apply: { by: 'call' },
    })),
  }
}

function agent(id: string, labels: Record<string, string> = {}): AgentRecord {
  return {
    id,
    name: id,
    labels,
    software: '0',
    facts: {},
    attributes: {},
    devices: [],
    slots: 1,
    backends: [
      backend('js', { order: '^[a-z]+(:[0-9]+)?$', jit: '^(default|off)$' }),
      backend('tfjs-wasm', { variant: '^(plain|simd)$' }),
    ],
  }
}

function plan(factors: string, more = '') {
  return parsePlan(
    `name: t\nseed: 1\n${more}workloads:\n  - reduce.sum: { dtype: f32, n: 16, data: uniform }\nfactors:\n${factors}`,
    'p.yaml',
  )
}

const conditionsOf = (factors: string) =>
  expandPlan(plan(factors), [agent('a')]).cells.map(({ condition }) => [condition.backend, condition.knobs])

describe('expanding a plan', () => {
  it('applies a knob where its backend is, and nowhere else', () => {
    expect(
      conditionsOf('  backend: [js, tfjs-wasm]\n  js.order: [exact, reverse]\n  tfjs-wasm.variant: [plain]\n'),
    ).toEqual([
      ['js', { order: 'exact' }],
      ['js', { order: 'reverse' }],
      ['tfjs-wasm', { variant: 'plain' }],
    ])
  })

  it('makes one condition of levels that come out equal', () => {
    expect(
      conditionsOf('  backend: [tfjs-wasm]\n  as: [{}, { js.order: exact }, { tfjs-wasm.variant: simd }]\n'),
    ).toEqual([
      ['tfjs-wasm', {}],
      ['tfjs-wasm', { variant: 'simd' }],
    ])
  })

  it('says when a factor sets no knob of any backend in the plan', () => {
    const { notes } = expandPlan(plan('  backend: [js]\n  tfjs-wasm.variant: [plain]\n'), [agent('a')])
    expect(notes).toEqual([expect.stringMatching(/p\.yaml:7: factor "tfjs-wasm\.variant" sets no knob/)])
  })

  describe('with several versions of a library', () => {
    const fleet = agent('a')
    const unusable: BackendDescription = { ...backend('tensorflow@9'), status: 'unavailable', reason: 'broken' }
    const versions = [
      backend('tensorflow@2.21.0', { intraOpThreads: '^[0-9]+$', oneDnn: '^(on|off)$' }),
      backend('tensorflow@2.16.1', { intraOpThreads: '^[0-9]+$' }),
      unusable,
    ]
    const expanded = (factors: string) =>
      expandPlan(plan(factors), [{ ...fleet, backends: [...fleet.backends, ...versions] }])
    const conditions = (factors: string) =>
      expanded(factors).cells.map(({ condition }) => [condition.backend, condition.knobs])
    const both = '  backend: [js, "tensorflow@2.21.0", "tensorflow@2.16.1"]\n'

    it("applies what is said of the library's name to each of them", () => {
      expect(conditions(`${both}  tensorflow.intraOpThreads: [1, 2]\n`)).toEqual([
        ['js', {}],
        ['tensorflow@2.21.0', { intraOpThreads: 1 }],
        ['tensorflow@2.21.0', { intraOpThreads: 2 }],
        ['tensorflow@2.16.1', { intraOpThreads: 1 }],
        ['tensorflow@2.16.1', { intraOpThreads: 2 }],
      ])
    })

    it('applies what is said of one version to that one alone, before what is said of all', () => {
      expect(
        conditions(
          `${both}  as: [{ tensorflow.intraOpThreads: 1, "tensorflow@2.21.0.intraOpThreads": 4 }]\n  tensorflow@2.21.0.oneDnn: ["off"]\n`,
        ),
      ).toEqual([
        ['js', {}],
        ['tensorflow@2.21.0', { intraOpThreads: 4, oneDnn: 'off' }],
        ['tensorflow@2.16.1', { intraOpThreads: 1 }],
      ])
    })

    it('leaves a knob out where a version has none of it, and says so', () => {
      const { cells, notes } = expanded(`${both}  tensorflow.oneDnn: ["on", "off"]\n`)
      expect(cells.map(({ condition }) => [condition.backend, condition.knobs])).toEqual([
        ['js', {}],
        ['tensorflow@2.21.0', { oneDnn: 'on' }],
        ['tensorflow@2.21.0', { oneDnn: 'off' }],
        ['tensorflow@2.16.1', {}],
      ])
      expect(notes).toEqual([expect.stringContaining('tensorflow@2.16.1 has no knob oneDnn')])
      expect(() => conditions(`${both}  tensorflow.oneDnnn: ["on"]\n`)).toThrow(
        /tensorflow@2.21.0 has no knob "oneDnnn"/,
      )
      expect(() => conditions(`${both}  tensorflow@2.16.1.oneDnn: ["on"]\n`)).toThrow(
        /tensorflow@2.16.1 has no knob "oneDnn"/,
      )
    })

    it('keeps the cells of one that cannot be used, as unsupported ones', () => {
      const { cells, notes } = expanded('  backend: ["tensorflow@9"]\n  tensorflow.intraOpThreads: [1]\n')
      expect(cells.map(({ condition }) => condition.knobs)).toEqual([{ intraOpThreads: 1 }])
      expect(notes[0]).toMatch(/tensorflow@9 runs on no agent/)
    })

    it('takes no version for another', () => {
      const { notes } = expanded('  backend: ["js@22"]\n')
      expect(notes).toEqual([expect.stringMatching(/no agent of this run has the backend js@22/)])
    })
  })

  it('keeps a public backend that nobody has as cells, and says so', () => {
    const { cells, notes } = expandPlan(plan('  backend: [js, "tensorflow@2.21.0"]\n'), [agent('a')])
    expect(cells.map(({ condition }) => condition.backend)).toEqual(['js', 'tensorflow@2.21.0'])
    expect(notes.join()).toMatch(/no agent of this run has the backend tensorflow@2\.21\.0/)
  })

  it('keeps the cells of a program that no agent lists, where a workload names it', () => {
    const own = (name: string) =>
      parsePlan(
        `name: t\nseed: 1\nworkloads:\n  - program: { name: ${name}, epochs: 3 }\nfactors:\n  backend: ["digits@2"]\n  digits.threads: [1, 2]\n`,
        'p.yaml',
      )
    const { cells, notes } = expandPlan(own('digits'), [agent('a')])
    expect(cells.map(({ condition, workload }) => [workload, condition.backend, condition.knobs])).toEqual([
      ['program', 'digits@2', { threads: 1 }],
      ['program', 'digits@2', { threads: 2 }],
    ])
    expect(notes.join()).toMatch(/no agent of this run has the backend digits@2/)
    // A slip of the pen is none.
    expect(() => expandPlan(own('digit'), [agent('a')])).toThrow(/no backend "digits@2", did you mean "digit"\?/)
    expect(() => own('[1]')).toThrow(/p\.yaml:4: workloads\.program\.name: the listed program that is meant/)
  })

  it.each([
    ['  backend: [jss]\n', /no backend "jss", did you mean "js"\?/],
    [
      '  backend: [js]\n  js.ordr: [exact]\n',
      /p\.yaml:7: js has no knob "ordr", did you mean "order"\?; its knobs are order, jit/,
    ],
    ['  backend: [js]\n  js.jit: [fast]\n', /p\.yaml:7: js\.jit takes no "fast"; it takes what the test says/],
    ['  backend: [js]\n  js.order: [exact]\n  as: [{ js.order: reverse }]\n', /js\.order is set by two factors/],
  ])('refuses %j', (factors, message) => {
    expect(() => expandPlan(plan(factors), [agent('a')])).toThrow(message)
  })

  it.each([
    ['gpu', ['a', 'b', 'c']],
    ['night', ['b', 'c']],
    ['night,gpu', ['b']],
    ['nigh', []],
    ['', []],
  ])('aims at whoever is in the group %j, alone or among others', (group, expected) => {
    const aimed = plan('  backend: [js]\n', `agents: { group: "${group}" }\n`)
    const fleet = [
      agent('a', { group: 'gpu' }),
      agent('b', { group: 'night,gpu' }),
      agent('c', { group: 'gpu, night' }),
      agent('d', { groups: 'gpu' }),
    ]
    const chosen = () => expandPlan(aimed, fleet).cells.map((cell) => cell.agent)
    if (expected.length > 0) expect(chosen()).toEqual(expected)
    else expect(chosen).toThrow(/has the labels group=/)
  })

  it('aims at agents by labels', () => {
    const aimed = plan('  backend: [js]\n', 'agents: { site: x }\n')
    const agents = [agent('a', { site: 'y' }), agent('b', { site: 'x', rack: '1' })]
    expect(expandPlan(aimed, agents).cells.map((cell) => cell.agent)).toEqual(['b'])
    expect(() => expandPlan(aimed, [agent('a')])).toThrow(/none of the 1 connected agents has the labels site=x/)
    expect(() => expandPlan(aimed, [])).toThrow(/no agent is connected/)
  })

  it('repeats more where threads race, and as often as the plan says where it says', () => {
    const racing = plan('  backend: [js]\n  js.order: [exact, "atomic:4"]\n')
    expect(expandPlan(racing, [agent('a')]).cells.map(({ repetitions }) => repetitions)).toEqual([2, 10])
    const said = plan('  backend: [js]\n  js.order: ["atomic:4"]\n', 'repetitions: 3\n')
    expect(expandPlan(said, [agent('a')]).cells.map(({ repetitions }) => repetitions)).toEqual([3])
  })

  it('gives the same cells whatever order the agents came in', () => {
    const agents = ['c', 'a', 'b', 'd'].map((id) => agent(id))
    const expected = expandPlan(plan('  backend: [js, tfjs-wasm]\n'), agents)
    fc.assert(
      fc.property(fc.shuffledSubarray(agents, { minLength: agents.length }), (shuffled) => {
        expect(expandPlan(plan('  backend: [js, tfjs-wasm]\n'), shuffled)).toEqual(expected)
      }),
    )
  })
})
