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
    const { notes } = expandPlan(plan('  backend: [js]\n  tfjs-wasm.variant: [plain]\n'), [agent('a'), agent('b')])
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
      const { notes } = expanded('  backend: [js, "js@22"]\n')
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
    // Other workloads of the plan may be aimed at it, too: they are unsupported there.
    const mixed =
      'workloads:\n  - program: { name: digits }\n  - reduce.sum: { n: 16 }\nfactors:\n  backend: [js, digits]\n'
    expect(expandPlan(parsePlan(`name: t\nseed: 1\n${mixed}`), [agent('a')]).cells).toHaveLength(4)
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
    [
      '  backend: [js, openblas]\n  openblas.coretype: [Haswell]\n',
      /p\.yaml:7: openblas has no knob "coretype", did you mean "coreType"\?; its knobs are coreType, threads/,
    ],
    [
      '  backend: [js, "pytorch@2.13.0"]\n  pytorch.mkldn: ["on"]\n',
      /pytorch@2\.13\.0 has no knob "mkldn", did you mean "mkldnn"\?/,
    ],
    [
      '  backend: [js, "pytorch@2.13.0"]\n  pytorch.mkldnn: [maybe]\n',
      /pytorch@2\.13\.0\.mkldnn takes no "maybe"; it takes on, off/,
    ],
    // A backend that the plan does not use, or that does not exist: the level would set nothing, without a word.
    [
      '  backend: [js]\n  as: [{}, { blis.archtype: 3 }]\n',
      /p\.yaml:7: blis has no knob "archtype", did you mean "archType"\?/,
    ],
    [
      '  backend: [js]\n  as: [{}, { opneblas.threads: 3 }]\n',
      /p\.yaml:7: there is no backend "opneblas", did you mean "openblas"\?/,
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

  describe('repetitions', () => {
    const repetitionsOf = (planned: ReturnType<typeof plan>, agents = [agent('a')]) => {
      const { cells, notes } = expandPlan(planned, agents)
      return { repetitions: [...new Set(cells.map(({ repetitions }) => repetitions))], notes }
    }
    /** A plan of one setting in each of some workloads. */
    const wide = (workloads: number, head = '') => {
      const entries = Array.from({ length: workloads }, (_, i) => `  - reduce.sum: { n: ${i + 1} }\n`).join('')
      return parsePlan(`name: t\nseed: 1\n${head}workloads:\n${entries}factors: { backend: [js, tfjs-wasm] }\n`)
    }

    it('are as many as the plan says', () => {
      expect(repetitionsOf(wide(3, 'repetitions: 4\n')).repetitions).toEqual([4])
    })

    it.each([
      ['no setting', '  backend: [js]\n', 1, [2]],
      ['one setting', '  backend: [js]\n  js.order: [exact, "atomic:4"]\n', 1, [3]],
      ['a setting, and a machine', '  backend: [js]\n  js.order: [exact, reverse]\n', 2, [4]],
    ])('left out with %s are the least that its claims need', (_, factors, agents, expected) => {
      const fleet = Array.from({ length: agents }, (_, i) => agent(`a-${i}`))
      expect(repetitionsOf(plan(factors), fleet).repetitions).toEqual(expected)
    })

    it('left out are at most six, and a note says how many the claims need', () => {
      // 4⁶ = 4096 holds 40·102, and not 40·103.
      expect(repetitionsOf(wide(102))).toEqual({ repetitions: [6], notes: [] })
      const { repetitions, notes } = repetitionsOf(wide(103))
      expect(repetitions).toEqual([6])
      expect(notes).toEqual([expect.stringMatching(/runs 6 times.* need 7 executions: add `repetitions: 7`/)])
      expect(repetitionsOf(wide(103, 'repetitions: 2\n')).notes).toEqual([])
    })

    it('count the machines of other bundles', () => {
      const one = plan('  backend: [js]\n')
      expect(expandPlan(one, [agent('a')], true)).toMatchObject({ cells: [{ repetitions: 3 }], notes: [] })
    })

    it('of an entry go before those that are left out', () => {
      const entries =
        '  - reduce.sum: { n: 1 }\n    repetitions: 9\n  - reduce.sum: { n: 1 }\n  - reduce.sum: { n: 2 }\n'
      const planned = parsePlan(`name: t\nworkloads:\n${entries}factors: { backend: [js] }\n`)
      expect(expandPlan(planned, [agent('a')]).cells.map(({ repetitions }) => repetitions)).toEqual([9, 2])
    })
  })

  describe('with nothing to compare', () => {
    it('notes that no agent has the backends', () => {
      const planned = parsePlan(
        'name: nothing to compare\nworkloads:\n  - linalg.gemm: { dtype: f32, n: 64, data: normal }\n' +
          'factors:\n  backend: [blis@9.9, js@99]\n',
      )
      const { cells, notes } = expandPlan(planned, [agent('a')])
      expect(cells.map(({ condition }) => condition.backend)).toEqual(['blis@9.9', 'js@99'])
      expect(notes).toEqual([
        expect.stringMatching(/no agent of this run has the backend blis@9\.9/),
        expect.stringMatching(/no agent of this run has the backend js@99/),
      ])
    })

    it('notes that seeds are not compared with each other', () => {
      const seeds = (backends: string) =>
        parsePlan(
          `name: seeds\nworkloads:\n  - train.mlp: { dataset: digits, epochs: 1 }\n` +
            `factors:\n  backend: [${backends}]\nseeds: [1, 2, 3]\n`,
        )
      const { cells, notes } = expandPlan(seeds('js'), [agent('a')])
      expect(cells.map(({ seed }) => seed)).toEqual(['1', '2', '3'])
      expect(notes).toEqual([
        expect.stringMatching(/^plan:3: train\.mlp has one cell for each seed, so nothing is compared/),
      ])
      expect(expandPlan(seeds('js, tfjs-wasm'), [agent('a')]).notes).toEqual([])
      expect(expandPlan(seeds('js'), [agent('a'), agent('b')]).notes).toEqual([])
    })

    it('notes once how many entries have nothing to be compared with', () => {
      const entries = [1, 2, 3].map((n) => `  - reduce.sum: { n: ${n} }\n`).join('')
      const { notes } = expandPlan(parsePlan(`name: t\nworkloads:\n${entries}factors: { backend: [js] }\n`, 'p.yaml'), [
        agent('a'),
      ])
      expect(notes).toEqual([
        'p.yaml:3: reduce.sum has one cell for each seed, as have 2 other entries, so nothing is compared: ' +
          'add a second condition or a second agent',
      ])
    })

    it('notes nothing of a row of which the plan says what its executions do', () => {
      const racing = (more: string) =>
        parsePlan(
          `name: t\nrepetitions: 9\nworkloads:\n  - reduce.sum: { n: 9 }\n${more}factors:\n  backend: [js]\n  js.order: ["atomic:4"]\n`,
        )
      expect(expandPlan(racing('    expect: nondeterministic\n'), [agent('a')]).notes).toEqual([])
      expect(expandPlan(racing(''), [agent('a')]).notes).toHaveLength(1)
    })

    it('notes that a backend which cannot run here runs on no agent', () => {
      const broken: BackendDescription = { ...backend('blis', { threads: '^[0-9]+$' }), status: 'unavailable' }
      const fleet = [{ ...agent('a'), backends: [...agent('a').backends, broken] }]
      const { notes } = expandPlan(plan('  backend: [js, blis]\n'), fleet)
      expect(notes).toEqual([expect.stringMatching(/the backend blis runs on no agent of this run/)])
    })
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

describe('a product of factors', () => {
  const twenty = (levels: string) => Array.from({ length: 20 }, (_, i) => `  own.k${i}: [${levels}]\n`).join('')
  const ofProgram = (factors: string) =>
    parsePlan(
      `name: t\nseed: 1\nworkloads:\n  - program: { name: own }\nfactors:\n  backend: [own]\n${factors}`,
      'p.yaml',
    )

  it('is counted before it is formed', () => {
    const many = (level: string, n: number) => `[${level}, ${Array.from({ length: n }, () => '{}').join(', ')}]`
    expect(
      conditionsOf(
        `  backend: [js]\n  a: ${many('{ js.order: exact }', 6_000)}\n  b: ${many('{ js.jit: "off" }', 6_000)}\n`,
      ),
    ).toEqual([
      ['js', { order: 'exact', jit: 'off' }],
      ['js', { order: 'exact' }],
      ['js', { jit: 'off' }],
      ['js', {}],
    ])
    expect(() => expandPlan(ofProgram(twenty('a, b')), [agent('a')])).toThrow(
      /^p\.yaml:6: these factors make more than 100000 conditions, .*; leave out levels, or split the plan$/,
    )
  })

  it('is refused if its conditions are few and large', () => {
    const large = Array.from({ length: 5000 }, (_, i) => `own.x${i}: 1`).join(', ')
    const factors = Array.from({ length: 12 }, (_, i) => `  own.k${i}: [a, b]\n`).join('')
    expect(() => expandPlan(ofProgram(`  all: [{ ${large} }]\n${factors}`), [agent('a')])).toThrow(
      /more than 5000000 settings in them/,
    )
  })

  it('is small if most of its levels belong to other backends, or are equal', () => {
    const others = twenty('a, b')
      .replaceAll('own.', 'tfjs-wasm.')
      .replaceAll(/k\d+/g, (k) => `variant${k}`)
    expect(() => conditionsOf(`  backend: [js]\n${others}`)).toThrow(/tfjs-wasm has no knob/)
    expect(expandPlan(ofProgram(twenty('a, "a", a')), [agent('a')]).cells).toHaveLength(1)
  })

  it('takes values of one text for one value', () => {
    expect(conditionsOf('  backend: [tfjs-wasm, js]\n  js.order: ["lanes:1", exact, "exact"]\n')).toHaveLength(3)
    const { cells } = expandPlan(
      parsePlan(
        'name: t\nseed: 1\nworkloads:\n  - program: { name: own }\n    factors: { backend: [own], own.threads: [1, "1", 2] }\n' +
          '  - program: { name: own }\n    factors: { backend: [own], own.threads: ["2", "1", true, "true"] }\n',
      ),
      [agent('a')],
    )
    expect(cells.map(({ condition }) => condition.knobs.threads)).toEqual([1, 2, true])
  })

  it('counts the cells that stand in the plan twice', () => {
    const entries = '  - reduce.sum: { dtype: f32, n: 16 }\n'.repeat(200)
    const levels = Array.from({ length: 600 }, (_, i) => `"lanes:${i}"`).join(', ')
    const text = `name: t\nseed: 1\nworkloads:\n${entries}factors: { backend: [js], js.order: [${levels}] }\n`
    expect(() => expandPlan(parsePlan(text), [agent('a')])).toThrow(/t: more than 100000 cells/)
  })

  it('has knobs of any name, also of names that all objects have', () => {
    const { cells } = expandPlan(ofProgram('  own.constructor: [a]\n  own.toString: [b]\n'), [agent('a')])
    expect(cells.map(({ condition }) => Object.entries(condition.knobs))).toEqual([
      [
        ['constructor', 'a'],
        ['toString', 'b'],
      ],
    ])
    expect(() => expandPlan(ofProgram('  own.toString: [a]\n  x: [{ own.toString: b }]\n'), [agent('a')])).toThrow(
      /own\.toString is set by two factors/,
    )
  })
})
