import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Facts } from '../../shared/facts.ts'
import { createStream } from '../../shared/random/stream.ts'
import { type FactSet, minimalFacts, type Unit } from './minimal-facts.ts'

/** Units by class: `units({ A: [{ 'knob.x': '1' }], B: […] })`. */
function units(byClass: Record<string, Facts[]>): Unit[] {
  return Object.entries(byClass).flatMap(([letter, all]) =>
    all.map((facts, i) => ({ id: `${letter}${i}`, class: letter, facts })),
  )
}

const sets = (found: readonly FactSet[]) => found.map(({ facts }) => [...facts].sort())

/** The definition, by trying everything: no merging, no pruning, no order of search. */
function byDefinition(all: readonly Unit[]): { equal: boolean; found: string[][] } {
  const keys = [...new Set(all.flatMap(({ facts }) => Object.keys(facts)))].filter(
    (key) => new Set(all.map(({ facts }) => facts[key])).size > 1,
  )
  const subsets = keys.flatMap((a, i) => [
    [a],
    ...keys.slice(i + 1).flatMap((b, j) => [[a, b], ...keys.slice(i + j + 2).map((c) => [a, b, c])]),
  ])
  const parts = (set: string[], equal: boolean) =>
    all.every((u) =>
      all.every((v) => {
        const alike = set.every((key) => u.facts[key] === v.facts[key])
        return alike ? u.class === v.class : !equal || u.class !== v.class
      }),
    )
  for (const equal of [true, false]) {
    const working = subsets.filter((set) => parts(set, equal))
    const minimal = working.filter(
      (set) => !working.some((other) => other.length < set.length && other.every((key) => set.includes(key))),
    )
    if (minimal.length > 0) return { equal, found: minimal }
  }
  return { equal: false, found: [] }
}

describe('minimalFacts', () => {
  it('finds the one fact whose values are the classes', () => {
    const { explanations } = minimalFacts(
      units({
        A: [
          { 'knob.order': 'exact', 'cpu.model': '1' },
          { 'knob.order': 'exact', 'cpu.model': '2' },
        ],
        B: [
          { 'knob.order': 'reverse', 'cpu.model': '1' },
          { 'knob.order': 'reverse', 'cpu.model': '2' },
        ],
      }),
    )
    expect(explanations).toMatchObject([
      { facts: ['knob.order'], equal: true, rivals: 0, inseparable: { 'knob.order': [] } },
    ])
  })

  it('finds two facts that only together part the cells: threads matter only with AVX-512', () => {
    const at = (threads: string, avx512: string) => ({ 'knob.threads': threads, 'cpu.flags.avx512f': avx512 })
    const { explanations } = minimalFacts(
      units({ A: [at('1', 'yes')], B: [at('2', 'yes')], C: [at('1', 'no')], D: [at('2', 'no')] }),
      { planned: new Set(['knob.threads']) },
    )
    expect(explanations).toMatchObject([{ facts: ['knob.threads', 'cpu.flags.avx512f'], equal: true }])
  })

  it('lets a missing value part cells as any other', () => {
    const { explanations } = minimalFacts(units({ A: [{}], B: [{ 'env.OMP_NUM_THREADS': '2' }] }))
    expect(explanations).toMatchObject([{ facts: ['env.OMP_NUM_THREADS'], equal: true }])
  })

  it('shows facts that cannot be told apart once, together', () => {
    const alike = (value: string) => ({
      'lib.blas': value,
      'cpu.model': value,
      'knob.blas.coreType': value,
      'knob.blas.effective.coreType': value,
      backend: value,
    })
    const { explanations } = minimalFacts(units({ A: [alike('x')], B: [alike('y')] }), {
      planned: new Set(['knob.blas.coreType']),
    })
    expect(explanations).toMatchObject([
      {
        facts: ['knob.blas.coreType'],
        rivals: 0,
        inseparable: { 'knob.blas.coreType': ['backend', 'knob.blas.effective.coreType', 'lib.blas', 'cpu.model'] },
      },
    ])
  })

  it('names the backend, not a setting that only one of the backends has', () => {
    const planned = new Set(['backend', 'knob.tfjs-wasm.threads'])
    const { explanations } = minimalFacts(
      units({
        A: [{ backend: 'tfjs-cpu', 'lib.tfjs-core.version': '4' }],
        B: [{ backend: 'tfjs-wasm', 'lib.tfjs-core.version': '4', 'knob.tfjs-wasm.threads': '1' }],
      }),
      { planned },
    )
    expect(explanations).toMatchObject([
      { facts: ['backend'], rivals: 0, inseparable: { backend: ['knob.tfjs-wasm.threads'] } },
    ])
  })

  it('lists sets of facts that all have before those with a fact that some lack', () => {
    const { explanations } = minimalFacts(
      units({
        A: [
          { 'cpu.model': '1', 'env.X': '1' },
          { 'cpu.model': '2', 'env.X': '1' },
          { 'cpu.model': '3', 'env.X': '2' },
        ],
        B: [{ 'cpu.model': '4' }, { 'cpu.model': '5' }],
      }),
      { planned: new Set(['env.X']) },
    )
    expect(explanations.map(({ facts }) => facts)).toEqual([['cpu.model'], ['env.X']])
  })

  it('counts rivals of one size', () => {
    const { explanations } = minimalFacts(
      units({
        A: [{ 'knob.a': '1', 'knob.b': '1' }],
        B: [{ 'knob.a': '2', 'knob.b': '1' }],
        C: [{ 'knob.a': '3', 'knob.b': '2' }],
      }),
    )
    expect(explanations).toMatchObject([{ facts: ['knob.a'], rivals: 0 }])
    const other = minimalFacts(
      units({
        A: [
          { 'knob.a': '1', 'cpu.b': '1' },
          { 'knob.a': '2', 'cpu.b': '2' },
        ],
        B: [{ 'knob.a': '3', 'cpu.b': '3' }],
      }),
    )
    expect(other.explanations).toMatchObject([{ facts: ['knob.a'], equal: false }])
  })

  it('falls back on sets that part more finely only if none is equal', () => {
    const serial = (n: number) => ({ 'board.id': String(n) })
    const { explanations } = minimalFacts(units({ A: [serial(1), serial(2), serial(3)], B: [serial(4), serial(5)] }))
    expect(explanations).toMatchObject([{ facts: ['board.id'], equal: false }])
  })

  it('says that two cells with equal facts and different bits cannot be explained', () => {
    const { explanations, unexplained } = minimalFacts(
      units({ A: [{ 'knob.x': '1' }, { 'knob.x': '2' }], B: [{ 'knob.x': '1' }] }),
    )
    expect(explanations).toEqual([])
    expect(unexplained).toMatch(
      /^A0 \(class A\) and B0 \(class B\) have equal facts and different bits: why they differ was not recorded/,
    )
  })

  it('says that no three facts are enough where four would be', () => {
    const bits = Array.from({ length: 16 }, (_, n) =>
      Object.fromEntries([0, 1, 2, 3].map((i) => [`knob.k${i}`, String((n >> i) & 1)])),
    )
    const parity = (n: number) => [0, 1, 2, 3].reduce((sum, i) => sum + ((n >> i) & 1), 0) % 2
    const found = minimalFacts(
      units({ A: bits.filter((_, n) => parity(n) === 0), B: bits.filter((_, n) => parity(n) === 1) }),
    )
    expect(found.explanations).toEqual([])
    expect(found.unexplained).toBe(
      'no set of up to 3 facts groups the cells as their bits do; larger sets were not searched',
    )
  })

  it('has nothing to explain in one class', () => {
    expect(minimalFacts(units({ A: [{ 'knob.x': '1' }, { 'knob.x': '2' }] }))).toEqual({
      explanations: [],
      candidates: 1,
    })
  })

  it('finds what trying every set finds, and the same whatever order the units are in', { timeout: 60_000 }, () => {
    const unit = fc.record({
      class: fc.constantFrom('A', 'B', 'C'),
      values: fc.array(fc.constantFrom('0', '1', undefined), { minLength: 5, maxLength: 5 }),
    })
    const arbitrary = fc.array(unit, { minLength: 2, maxLength: 9 })
    fc.assert(
      fc.property(arbitrary, fc.nat(), (raw, rotation) => {
        const all = raw.map(({ class: letter, values }, i): Unit => {
          const facts = values.flatMap((value, k) => (value === undefined ? [] : [[`knob.k${k}`, value]]))
          return { id: `u${i}`, class: letter, facts: Object.fromEntries(facts) }
        })
        const result = minimalFacts(all, { listed: 1000 })
        const shift = rotation % all.length
        expect(minimalFacts([...all.slice(shift), ...all.slice(0, shift)], { listed: 1000 })).toEqual(result)
        if (new Set(raw.map((one) => one.class)).size < 2) return
        const { equal, found } = byDefinition(all)
        // Facts that part alike are one here and several there.
        const expanded = result.explanations.flatMap(({ facts, inseparable }) =>
          facts.reduce<string[][]>(
            (partial, name) =>
              partial.flatMap((set) => [name, ...(inseparable[name] ?? [])].map((alike) => [...set, alike])),
            [[]],
          ),
        )
        expect(new Set(expanded.map((set) => set.sort().join()))).toEqual(
          new Set(found.map((set) => set.sort().join())),
        )
        if (found.length > 0) expect(result.explanations.every((set) => set.equal === equal)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('bounds the search in threes and says so', () => {
    const stream = createStream('7', 'facts')
    const many = Array.from({ length: 40 }, (_, i): Unit => {
      const facts = Array.from({ length: 60 }, (__, k) => [
        `cpu.k${String(k).padStart(2, '0')}`,
        String(stream.below(2)),
      ])
      return { id: `u${i}`, class: stream.below(2) ? 'A' : 'B', facts: Object.fromEntries(facts) }
    })
    const found = minimalFacts(many, { triples: 120 })
    expect(found.bounded).toMatch(/^sets of 3 facts were searched among 10 of 60 only/)
    expect(minimalFacts(many, { maxSize: 2 }).bounded).toBeUndefined()
  })

  it('searches two hundred facts of a hundred cells in threes within a bound of work', { timeout: 60_000 }, () => {
    const stream = createStream('8', 'facts')
    const many = Array.from({ length: 100 }, (_, i): Unit => {
      const facts = Array.from({ length: 200 }, (__, k) => [
        `cpu.k${String(k).padStart(3, '0')}`,
        String(stream.below(2)),
      ])
      return { id: `u${i}`, class: String.fromCharCode(65 + stream.below(4)), facts: Object.fromEntries(facts) }
    })
    const found = minimalFacts(many)
    expect(found.candidates).toBe(200)
    expect(found.bounded).toBeUndefined()
    expect(found.unexplained).toMatch(/no set of up to 3 facts groups the cells/)
    // A three-fact cause among them is found.
    const caused = many.map((unit) => ({
      ...unit,
      class: ['cpu.k003', 'cpu.k101', 'cpu.k177'].map((key) => unit.facts[key]).join(),
    }))
    expect(sets(minimalFacts(caused).explanations)).toEqual([['cpu.k003', 'cpu.k101', 'cpu.k177']])
  })
})
