import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createClaimRule } from '../coordinator/findings/claim.ts'
import { claimedInPhase, namedDummies } from './controls/clock.ts'
import { type CoinDesign, falseClaims, findReal, tossRun } from './controls/coins.ts'
import { exactError, exactErrorOfAlike } from './controls/exact-error.ts'
import { neededTable, selfTable } from './controls/exact-tables.ts'
import { markdownTable, withSection } from './controls/write-section.ts'

describe('the exact error of the claim rule', () => {
  it('is at most 0.05/T for every plan of like trials, and comes close to it', () => {
    let worst = 0
    for (const pairs of [1, 2, 3, 6, 7, 10, 25, 26, 102, 409]) {
      const rule = createClaimRule(pairs)
      for (const n of [1, 2, 4, 8, 12]) {
        for (const cells of [2, 3, 5, 8]) {
          for (let executions = 2; executions <= 9; executions++) {
            for (const p of [0.5, 0.45, 0.35, 0.25, 0.125, 0.02]) {
              const share = (exactErrorOfAlike(rule, { cells, executions, p }, n) * pairs) / 0.05
              expect(share, JSON.stringify({ pairs, n, cells, executions, p })).toBeLessThanOrEqual(1 + 1e-9)
              worst = Math.max(worst, share)
            }
          }
        }
      }
    }
    // 40·409 is just below 4⁷: the rule wastes nothing there.
    expect(worst).toBeGreaterThan(0.99)
  })

  it('is at most 0.05/T for trials that differ in levels, executions and coins', () => {
    const trial = fc.record({
      cells: fc.integer({ min: 2, max: 8 }),
      executions: fc.integer({ min: 1, max: 9 }),
      p: fc.constantFrom(0.5, 0.4, 0.25, 0.1, 0.02),
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.array(trial, { minLength: 1, maxLength: 6 }),
        (pairs, planned) => {
          expect(exactError(createClaimRule(pairs), planned) * pairs).toBeLessThanOrEqual(0.05 * (1 + 1e-9))
        },
      ),
      { numRuns: 400 },
    )
  })

  it('would be too large if silenced trials did not count', () => {
    // Twelve trials of a fair coin, three executions: each has two cells that agree with themselves in 1 of 16 runs. If
    // only those counted, a single trial that differs would be claimed.
    const rule = createClaimRule(1)
    const alone = [{ partition: 'differ', executions: 3 }]
    expect(rule.claims(alone, 'differ')).toBe(true)
    expect(12 * 0.0625 * 0.9375 ** 11 * 0.5).toBeGreaterThan(0.18)
    const silenced = Array.from({ length: 11 }, () => ({ partition: '', executions: 0 }))
    expect(rule.claims([...alone, ...silenced], 'differ')).toBe(false)
  })
})

describe('coins under settings that do nothing', () => {
  const base = { coin: 'p = 0.5', pairs: 1, levels: 2, trials: 1, structure: 'devices' } as const
  it.each<[string, CoinDesign]>([
    ['one trial', base],
    ['five outcomes', { ...base, coin: 'five equal outcomes', pairs: 2, levels: 3 }],
    ['a rare outcome', { ...base, coin: 'p = 0.1', pairs: 2, levels: 8 }],
    ['many trials', { ...base, trials: 12 }],
    ['a trial on each of four cards', { ...base, trials: 4, structure: 'cards' }],
    ['half of the trials silenced', { ...base, trials: 12, levels: 3, structure: 'half silenced' }],
    ['half of the trials deterministic', { ...base, trials: 6, levels: 3, structure: 'half deterministic' }],
    ['two settings', { ...base, pairs: 2, trials: 4, structure: 'two dummies' }],
    ['ten workloads', { ...base, pairs: 10 }],
  ])('are claimed in at most 5 % of the runs: %s', (_, design) => {
    // 300 runs: with a share of 5 %, more than 27 false claims come up in fewer than 0.1 % of all sets of seeds.
    expect(falseClaims(design, 300)).toBeLessThanOrEqual(27)
  })

  it('differ far more often than they are claimed: what lacks executions is only seen', () => {
    // Ten workloads, three executions: ten chances of 2·4⁻³, about 27 % together.
    const design = { ...base, pairs: 10, executions: 3 }
    const runs = Array.from({ length: 300 }, (_, seed) => tossRun(design, seed))
    const seen = runs.filter((results) => results.some(({ bits }) => bits === 'followed'))
    expect(seen.length).toBeGreaterThan(50)
    expect(falseClaims(design, 300)).toBe(0)
  })
})

describe('a setting that decides the bits', () => {
  it.each([1, 10, 100])('is claimed in all of %i workloads with the executions that the rule asks for', (pairs) => {
    const real = { pairs, randomLevels: 0, stayingTrials: 0 }
    expect(findReal({ ...real, levels: 2, trials: 1 }).claimed).toBe(true)
    expect(findReal({ ...real, levels: 8, trials: 3 }).claimed).toBe(true)
  })

  it('is claimed beside a random level if three trials agree, and else with a few executions more', () => {
    const real = { pairs: 10, levels: 8, randomLevels: 1, stayingTrials: 0 }
    expect(findReal({ ...real, trials: 3 })).toEqual({ claimed: true, needs: 5 })
    expect(findReal({ ...real, trials: 1 })).toEqual({ claimed: false, needs: 7 })
  })

  it('is not claimed with one execution fewer', () => {
    const real = { pairs: 10, levels: 2, trials: 1, randomLevels: 0, stayingTrials: 0 }
    expect(findReal({ ...real, executions: 4 })).toEqual({ claimed: false, needs: 5 })
    expect(findReal({ ...real, executions: 5 })).toEqual({ claimed: true, needs: 5 })
  })

  it('says how many executions it needs if few trials follow, and is claimed with them', () => {
    const real = { pairs: 1, levels: 2, trials: 2, randomLevels: 0, stayingTrials: 1 }
    expect(findReal(real)).toEqual({ claimed: false, needs: 4 })
    expect(findReal({ ...real, executions: 4 })).toEqual({ claimed: true, needs: 4 })
  })
})

describe('a program that follows the time', () => {
  it.each([
    ['new value every 20 s', 0.1],
    ['new value every 20 s', 0.5],
    ['new value every 20 s', 2],
    ['turns with every half round', 0.5],
    ['turns with every execution', 0.5],
  ] as const)('has its dummy named in at most 5 %% of 200 starts: %s, %f s an execution', (clock, execution) => {
    // Two executions as in a plan that asks for too few, or as many as a claim needs: half of the starts each.
    const named = [2, 4].map((repetitions) => {
      const { claimed, seen } = namedDummies({ clock, schedule: 'permuted rounds', execution, repetitions }, 100)
      return claimed + seen
    })
    expect(Math.max(...named)).toBeLessThanOrEqual(5)
  })

  it('has it claimed from every start if all rounds have one order', () => {
    const clock = 'turns with every execution'
    const design = { clock, schedule: 'rounds in one order', execution: 0.5, repetitions: 4 } as const
    expect(namedDummies(design, 20).claimed).toBe(20)
  })

  it('can be claimed too often if an agent has very few cells and the clock is in phase with the rounds', () => {
    // 2·(N/(4(N − 1)))³: 25 % for two cells, 4.2 % for 32. docs/controls.md says so.
    expect(claimedInPhase(2, 3, 400)).toBeGreaterThan(60)
    expect(claimedInPhase(32, 3, 400)).toBeLessThan(35)
  })
})

describe('a section of a page that scripts keep', () => {
  const text = '# Page\n\n<!-- begin a -->\nold\n<!-- end a -->\n\nafter\n'

  it('is replaced where it stands, or added at the end', () => {
    expect(withSection(text, 'a', 'new')).toBe('# Page\n\n<!-- begin a -->\nnew\n<!-- end a -->\n\nafter\n')
    expect(withSection(text, 'b', 'new')).toBe(`${text}\n<!-- begin b -->\nnew\n<!-- end b -->\n`)
    expect(withSection('', 'b', 'new')).toBe('<!-- begin b -->\nnew\n<!-- end b -->\n')
  })

  it('is what the script writes today', () => {
    const page = readFileSync('docs/controls.md', 'utf8')
    expect(withSection(withSection(page, 'self', selfTable()), 'executions', neededTable())).toBe(page)
  })

  it('is refused if a marker is missing', () => {
    expect(() => withSection('<!-- begin a -->', 'a', 'new')).toThrow('one marker')
  })

  it('holds tables', () => {
    expect(markdownTable(['a', 'longer'], [[1, 'x']])).toBe('| a   | longer |\n| --- | ------ |\n| 1   | x      |')
  })
})
