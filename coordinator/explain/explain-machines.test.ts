import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Facts } from '../../shared/facts.ts'
import { createStream } from '../../shared/random/stream.ts'
import { explainMachines, type MachineExplanation, type MachineRow, type ObservedSet } from './explain-machines.ts'
import { minimalFacts } from './minimal-facts.ts'
import { eachWay } from './ways.ts'

type Machines = MachineRow['machines']

/** Machines with these outcomes and facts. */
function fleet(outcomes: string, factsOf: (i: number) => Facts): Machines {
  return outcomes.split('').map((outcome, i) => ({ id: `m${String(i).padStart(4, '0')}`, outcome, facts: factsOf(i) }))
}

const explain = (machines: Machines, planned?: ReadonlySet<string>) =>
  explainMachines([{ row: 'r', machines }], { planned })[0] as MachineExplanation

/** A driver updated on the last k of n machines that differ in nothing else. */
const updated = (n: number, k: number, more: (i: number) => Facts = () => ({})) =>
  fleet('A'.repeat(n - k) + 'B'.repeat(k), (i) => ({
    'gpu.0.driver': i < n - k ? '550' : '560',
    'os.name': 'Debian',
    ...more(i),
  }))

describe('chance', () => {
  it('is hits over all ways to part the machines, the observed one among them', () => {
    const [set] = explain(updated(8, 4)).explanations
    expect(set).toMatchObject({ facts: ['gpu.0.driver'], equal: true, chance: 1 / 35, draws: 35, adjusted: 1 / 35 })
    // Another fact that parts eight machines in halves is another hit.
    const two = updated(8, 4, (i) => ({ 'lib.x.version': String(i % 2) }))
    expect(explain(two).explanations[0]).toMatchObject({ chance: 2 / 35, draws: 35 })
    // One that parts them in other sizes is none.
    const other = updated(8, 4, (i) => ({ 'lib.x.version': String(i % 3) }))
    expect(explain(other).explanations[0]).toMatchObject({ chance: 1 / 35 })
  })

  it('is counted over 9,999 drawn assignments and the observed one if there are more than 10,000', () => {
    const [set] = explain(updated(30, 15)).explanations
    expect(set).toMatchObject({ chance: 1 / 10_000, draws: 10_000 })
    expect(explain(updated(30, 15))).toEqual(explain(updated(30, 15).toReversed()))
  })

  it('has no figure where a perfect match could not reach 5 %', () => {
    for (const machines of [
      updated(6, 3),
      updated(2, 1),
      updated(19, 1),
      fleet('ABC', (i) => ({ kernel: String(i) })),
    ]) {
      const { explanations, smallestChance, decisionList } = explain(machines)
      expect(smallestChance).toBeGreaterThan(0.05)
      expect(explanations[0]).toMatchObject({ chance: null, draws: 0, noFigure: 'tooFewMachines', adjusted: null })
      expect(explanations[0]?.headlined).toBe(false)
      expect(explanations[0]?.reasons[0]).toEqual({
        reason: 'tooFewMachines',
        machines: machines.length,
        smallestChance,
      })
      expect(decisionList).toMatchObject({ chance: null, noFigure: 'tooFewMachines' })
    }
    expect(explain(updated(7, 3)).explanations[0]?.chance).toBe(1 / 35)
    expect(explain(updated(20, 1)).explanations[0]?.chance).toBe(1 / 20)
  })

  it('has no figure if the search was bounded', () => {
    const machines = updated(30, 15, (i) => ({ 'lib.x.version': String(i % 2), 'lib.y.version': String(i % 5) }))
    const [explanation] = explainMachines([{ row: 'r', machines }], { steps: 100, listSteps: 100 })
    expect(explanation?.explanations[0]).toMatchObject({ chance: null, noFigure: 'bounded', headlined: false })
    expect(explanation?.explanations[0]?.reasons).toContainEqual({ reason: 'bounded' })
    expect(explanation?.decisionList).toMatchObject({ chance: null, noFigure: 'bounded' })
  })

  it('equals its definition: a full search for every way to part the machines', { timeout: 60_000 }, () => {
    const arbitrary = fc.array(
      fc.record({
        outcome: fc.constantFrom('A', 'B', 'C'),
        values: fc.array(fc.constantFrom('0', '1', '2'), { minLength: 4, maxLength: 4 }),
      }),
      { minLength: 5, maxLength: 8 },
    )
    fc.assert(
      fc.property(arbitrary, (raw) => {
        const machines = raw.map(({ outcome, values }, i) => ({
          id: String(i),
          outcome,
          facts: Object.fromEntries(values.map((value, k) => [`lib.k${k}.version`, value])),
        }))
        const { explanations, classes } = explain(machines)
        const sizes = classes.map(({ length }) => length)
        for (const { chance, draws, equal, facts } of explanations) {
          if (chance === null) continue
          let [hits, tried] = [0, 0]
          eachWay(sizes, (ways) => {
            tried++
            const units = machines.map(({ id, facts: own }, i) => ({ id, class: String(ways[i]), facts: own }))
            const other = minimalFacts(units).explanations
            // A set that equals the classes is named before any finer one, whatever its size.
            const [first] = other
            const least = first?.equal
              ? equal
                ? first.facts.length
                : 0
              : equal
                ? Infinity
                : Math.min(Infinity, ...other.map((set) => set.facts.length))
            if (least <= facts.length) hits++
          })
          expect([draws, chance]).toEqual([tried, hits / tried])
        }
      }),
      { numRuns: 25 },
    )
  })
})

describe('several rows', () => {
  it('are one hypothesis if they part the machines alike', () => {
    const machines = updated(8, 4)
    const renamed = machines.map((machine) => ({ ...machine, outcome: machine.outcome === 'A' ? 'x' : 'y' }))
    const found = explainMachines([
      { row: '1', machines },
      { row: '2', machines: renamed.toReversed() },
    ])
    expect(found.map(({ row, hypotheses, explanations: [set] }) => [row, hypotheses, set?.adjusted])).toEqual([
      ['1', 1, 1 / 35],
      ['2', 1, 1 / 35],
    ])
  })

  it('are corrected by Holm if they part them otherwise', () => {
    const facts = (i: number) => ({ 'lib.a.version': i < 4 ? '1' : '2', 'lib.b.version': i % 2 ? '1' : '2' })
    const [a, b] = [fleet('AAAABBBB', facts), fleet('ABABABAB', facts)]
    const found = explainMachines([
      { row: '1', machines: a },
      { row: '2', machines: b },
    ])
    for (const {
      hypotheses,
      explanations: [set],
    } of found) {
      expect(hypotheses).toBe(2)
      expect(set).toMatchObject({ chance: 2 / 35, adjusted: 4 / 35, headlined: false })
      expect(set?.reasons).toContainEqual({ reason: 'chance', adjusted: 4 / 35 })
    }
  })

  it('are hypotheses if nothing was found, too, or the search was bounded', () => {
    const machines = updated(8, 4)
    // Outcomes that no fact explains. To leave them out would be to choose by the outcome.
    const noise = ['AABBAABB', 'ABABABAB', 'ABBAABBA'].map((outcomes, k) => ({
      row: String(k),
      machines: machines.map((machine, i) => ({ ...machine, outcome: outcomes.charAt(i) })),
    }))
    const [found, ...others] = explainMachines([{ row: 'r', machines }, ...noise])
    expect(others.map(({ explanations }) => explanations)).toEqual([[], [], []])
    expect(found).toMatchObject({
      hypotheses: 4,
      explanations: [{ chance: 1 / 35, adjusted: 4 / 35, headlined: false }],
    })
    const bounded = explainMachines([{ row: 'r', machines }, ...noise], { steps: 40 })
    expect(bounded[0]).toMatchObject({ hypotheses: 4, explanations: [{ noFigure: 'bounded', adjusted: null }] })
  })

  it('are one hypothesis if the same machines have other ids in each', () => {
    const rows = ['x', 'y'].map((row) => ({
      row,
      machines: updated(8, 4).map((one) => ({ ...one, id: `${row}-${one.id}`, machine: one.id })),
    }))
    const found = explainMachines(rows)
    expect(found.map(({ hypotheses, classes }) => [hypotheses, classes[0]?.[0]])).toEqual([
      [1, 'x-m0000'],
      [1, 'y-m0000'],
    ])
  })

  it('without a figure are no hypotheses', () => {
    const found = explainMachines([
      { row: '1', machines: updated(8, 4) },
      { row: '2', machines: updated(6, 3) },
    ])
    expect(found.map(({ hypotheses, explanations: [set] }) => [hypotheses, set?.adjusted])).toEqual([
      [1, 1 / 35],
      [1, null],
    ])
  })
})

describe('headlines', () => {
  it('name an update that is all that differs, with its twins', () => {
    const { explanations, classes } = explain(updated(8, 4))
    expect(explanations).toMatchObject([{ facts: ['gpu.0.driver'], headlined: true, reasons: [], alike: 0 }])
    expect(explanations[0]?.twins['gpu.0.driver']).toEqual([
      ['m0000', 'm0004'],
      ['m0001', 'm0005'],
    ])
    expect(classes.map(({ length }) => length)).toEqual([4, 4])
  })

  it('allow for one other fact and any of the family that go along', () => {
    const more = (i: number) => ({ 'gpu.0.vbios': i < 4 ? '1' : '2', 'lib.libcuda.digest': i < 4 ? 'a' : 'b' })
    const [set] = explain(updated(8, 4, more)).explanations
    expect(set).toMatchObject({ headlined: true, alike: 2 })
    const third = (i: number) => ({ ...more(i), kernel: i < 4 ? '6.1' : '6.2' })
    expect(explain(updated(8, 4, third)).explanations[0]).toMatchObject({
      facts: ['gpu.0.driver'],
      headlined: false,
      alike: 3,
      reasons: [{ reason: 'inseparable', others: ['kernel', 'lib.libcuda.digest'] }],
    })
  })

  it('do not call changed what some machines lack', () => {
    const lacking = (name: string, more: (i: number) => Facts = () => ({})) =>
      explain(fleet('AAAABBBB', (i) => ({ ...(i < 4 ? {} : { [name]: 'yes' }), ...more(i) }))).explanations[0]
    expect(lacking('gpu.driver.build')).toMatchObject({
      headlined: false,
      reasons: [{ reason: 'lacking', fact: 'gpu.driver.build', machines: 4 }],
    })
    expect(lacking('knob.blas.effective.core')?.headlined).toBe(false)
    // Flags, variables and settings are recorded where they are there.
    expect(lacking('env.MKL_CBWR')?.headlined).toBe(true)
    expect(lacking('knob.blas.core')?.headlined).toBe(true)
    expect(lacking('cpu.flags.avx2')?.headlined).toBe(false)
    expect(lacking('cpu.flags.avx2', () => ({ 'cpu.flags.sse2': 'yes' }))?.headlined).toBe(true)
  })

  it('say which other facts explain as well', () => {
    // Both facts of the family are finer than the classes, each in its own way.
    const facts = (i: number) => ({
      'lib.blas.version': i % 2 ? '1' : i % 4 ? '2' : '3',
      'lib.blas.build': i % 2 ? (i % 8 < 4 ? 'x' : 'w') : i % 8 < 4 ? 'y' : 'z',
    })
    expect(explain(fleet('ABABABABABABABAB', facts)).explanations[0]).toMatchObject({
      facts: ['lib.blas.version'],
      headlined: true,
      alike: 1,
      rivalFacts: ['lib.blas.build'],
    })
  })

  it('do not say that a fact changes together with itself', () => {
    const facts = (i: number) =>
      Object.fromEntries(['kernel', 'lib.a.x', 'lib.a.y', 'lib.b.z'].map((name) => [name, String(i % 2)]))
    const { reasons, facts: named } = explain(fleet('ABABABAB', facts)).explanations[0] as ObservedSet
    expect(named).toEqual(['kernel'])
    expect(reasons).toEqual([{ reason: 'inseparable', fact: 'kernel', others: ['lib.a.x', 'lib.a.y', 'lib.b.z'] }])
  })

  it('need two disjoint pairs of twins', () => {
    // Each half was bought together, but for one machine that got the other half’s memory.
    const bought = (exchanged: number[]) =>
      updated(10, 5, (i) => ({ 'memory.kind': i < 5 !== exchanged.includes(i) ? 'old' : 'new' }))
    const judge = (exchanged: number[]) => explain(bought(exchanged)).explanations[0]
    expect(judge([0])).toMatchObject({
      facts: ['gpu.0.driver'],
      headlined: false,
      reasons: [{ reason: 'twins', fact: 'gpu.0.driver', pairs: 1 }],
    })
    expect(judge([0, 1])).toMatchObject({ facts: ['gpu.0.driver'], headlined: true })
  })

  it('leave out facts of which each machine has its own value, and no others', () => {
    const own = (i: number) => ({ 'board.part': `part-${i}` })
    expect(explain(updated(8, 4, own)).explanations[0]).toMatchObject({ facts: ['gpu.0.driver'], headlined: true })
    const four = (i: number) => ({ 'board.part': `part-${Math.floor(i / 2)}` })
    expect(explain(updated(8, 4, four)).explanations[0]).toMatchObject({
      headlined: false,
      reasons: [{ reason: 'twins' }],
    })
  })

  it('of two facts together need twins of each', () => {
    const both = (third: (i: number) => Facts) =>
      fleet('ABCDABCDABCD', (i) => ({
        'lib.a.version': i & 1 ? '1' : '2',
        'lib.b.version': i & 2 ? '1' : '2',
        ...third(i),
      }))
    expect(explain(both(() => ({}))).explanations[0]).toMatchObject({
      facts: ['lib.a.version', 'lib.b.version'],
      headlined: true,
    })
    // A third fact that goes along with the second leaves that without twins.
    const mostly = (i: number) => ({
      'lib.c.version': i === 11 || i & 2 ? '1' : '2',
      'lib.d.version': i < 11 && i & 2 ? '1' : '2',
    })
    const [set] = explain(both(mostly)).explanations
    expect(set?.headlined).toBe(false)
    expect(set?.reasons.map(({ reason }) => reason)).toContain('twins')
  })
})

it('names the facts of the plan first, and letters the classes by the first machine', () => {
  const { explanations, classes, decisionList } = explain(
    updated(8, 4, (i) => ({ 'knob.x.threads': i < 4 ? '1' : '2' }))
      .map((one) => ({ ...one, id: one.id.replace('m000', 'n') }))
      .toReversed(),
    new Set(['knob.x.threads']),
  )
  expect(explanations[0]).toMatchObject({
    facts: ['knob.x.threads'],
    inseparable: { 'knob.x.threads': ['gpu.0.driver'] },
  })
  expect(classes).toEqual([
    ['n0', 'n1', 'n2', 'n3'],
    ['n4', 'n5', 'n6', 'n7'],
  ])
  expect(decisionList).toMatchObject({
    rules: [
      { if: [{ fact: 'knob.x.threads', value: '2' }], class: 'B' },
      { if: [], class: 'A' },
    ],
    chance: 1 / 35,
  })
})

it('calls machines and classes by the names and letters that it is given', () => {
  const machines = fleet('AAAABBBB', () => ({})).map((one) => ({
    ...one,
    name: one.id.replace('m000', 'node'),
    letter: one.outcome === 'A' ? 'Q' : 'P',
  }))
  expect(explain(machines).unexplained).toMatch(/^node0 \(class Q\) and node4 \(class P\) have equal facts/)
  const { decisionList } = explain(machines.map((one) => ({ ...one, facts: { kernel: one.outcome } })))
  expect(decisionList.rules.map((rule) => rule.class)).toEqual(['P', 'Q'])
})

it('says nothing of machines that agree, and of those that no fact tells apart', () => {
  expect(explain(fleet('AAAA', (i) => ({ kernel: String(i) })))).toMatchObject({
    explanations: [],
    decisionList: { rules: [], chance: null },
  })
  expect(explain(fleet('AAAABBBB', () => ({}))).unexplained).toMatch(/m0000 .* and m0004 .* have equal facts/)
})

describe('the chance of a decision list', () => {
  it('is the share of assignments with a list at most as long', () => {
    // One of ten has a flag: so has one of ten assignments, for each of three such flags.
    const flags = (i: number) =>
      Object.fromEntries([0, 1, 2].map((k) => [`cpu.flags.f${k}`, i === 19 - k ? 'yes' : 'no']))
    const { decisionList } = explain(fleet('A'.repeat(19) + 'B', flags))
    expect(decisionList).toMatchObject({ rules: [{ if: [{ value: 'yes' }] }, {}], chance: 3 / 20, draws: 20 })
  })
})

it('explains a thousand machines with three hundred facts', {
  timeout: 120_000,
}, () => {
  const stream = createStream('9', 'fleet')
  const facts = Array.from({ length: 1000 }, (_, i): Facts => {
    const own = Array.from({ length: 299 }, (__, k) => [`cpu.k${k}.version`, stream.below(50) === 0 ? 'b' : 'a'])
    return { ...Object.fromEntries(own), 'lib.blas.version': String(i % 2) }
  })
  const rows = Array.from({ length: 3 }, (_, r): MachineRow => {
    const outcomeOf = (i: number) => (r === 0 ? i % 2 : r === 1 ? stream.below(2) : facts[i]?.[`cpu.k${r}.version`])
    return {
      row: String(r),
      machines: facts.map((own, i) => ({ id: String(i), facts: own, outcome: String(outcomeOf(i)) })),
    }
  })
  const found = explainMachines(rows)
  expect(found[0]?.explanations[0]).toMatchObject({ facts: ['lib.blas.version'], chance: 1e-4 })
  expect(found[1]?.explanations).toEqual([])
  expect(found[2]?.explanations[0]).toMatchObject({ facts: ['cpu.k2.version'], chance: 1e-4 })
})
