import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { join } from 'node:path'
import { withoutCompiler } from '../listed-cases.ts'
import { needs } from '../needs.ts'
import { withoutPython } from '../python.ts'
import type { Report } from '../../coordinator/report/format.ts'
import { cleanUp, folder } from './bitfleet.ts'
import {
  addPrograms,
  type CaseRun,
  expectInAll,
  expectInNone,
  expectInWords,
  expectSentence,
  runCase,
} from './cases.ts'
import { openLab } from './lab.ts'

// The cases of test/fixtures/cases that are programs, listed and run as a person does it: the right answer in every form.

const absent = withoutPython('cases of programs')
const flushing =
  !absent &&
  !withoutCompiler('case flush') &&
  !needs(
    'floating-point mode of programs',
    process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch),
    'read on Linux on x86-64 and arm64',
  )

beforeAll(async () => {
  if (absent) return
  await addPrograms(['order', 'fallback', 'row', 'loader', 'coin', 'nan'])
  if (flushing) await addPrograms(['subnormal@plain', 'subnormal@fast'])
})
afterAll(cleanUp)

const planOf = (program: string, rest: string, repetitions = 3) =>
  `name: ${program}\nseed: 1\nrepetitions: ${repetitions}\nworkloads:\n  - program: { name: ${program} }\nfactors:\n${rest}`

const kindsOf = ({ report }: CaseRun) => report.findings.notices.map(({ kind, subject }) => `${kind} ${subject}`)

describe.skipIf(absent)('a setting that acts and is not read back', () => {
  it('is unknown, and the bits followed it', async () => {
    const run = await runCase(planOf('order', '  backend: [order]\n  order.parts: [1, 4]\n'))
    expectSentence(
      run,
      '1 workload is not identical over 2 conditions on 1 machine; 1 differs: program by order.parts',
      1,
    )
    expectInAll(
      run,
      'order.parts was changed alone in 1 trial: the bits followed (1 gives A, 4 gives B)',
      'order.parts=4: whether it is in force is unknown, because it is not read back',
    )
    expectInNone(run, 'no effect', 'go along with')
    expect(run.report.findings.knobs.map(({ knob, value, state }) => [knob, value, state])).toEqual([
      ['order.parts', '1', 'unknown'],
      ['order.parts', '4', 'unknown'],
    ])
    expect(run.report.findings.settings).toMatchObject([{ setting: 'order.parts', outcome: 'followed' }])
    // The mode that a short program leaves is sometimes read and sometimes not: nothing changed by that.
    expectInNone(run, 'changed between its executions')
    expect(run.csv.map((cell) => [cell.class, cell.effective, cell.settings])).toEqual([
      ['A', '{}', expect.stringContaining('unknown') as string],
      ['B', '{}', expect.stringContaining('unknown') as string],
    ])
  })
})

describe.skipIf(absent)('a setting that a library replaces by another than it takes by itself', () => {
  it('is replaced, and differs from leaving it out', async () => {
    const run = await runCase(planOf('fallback', '  backend: [fallback]\n  fallback.core: [~, NEOVERSEN1]\n'))
    expectSentence(
      run,
      '1 workload is not identical over 2 conditions on 1 machine; 1 differs: program by fallback.core',
      1,
    )
    expectInAll(
      run,
      'fallback.core=NEOVERSEN1 was replaced by Cooperlake; it differs from leaving it out in 1 of 1 pair of cells',
      'the bits followed (left out (Zen) gives A, NEOVERSEN1 (replaced by Cooperlake) gives B)',
    )
    expectInNone(run, 'no effect', 'really one')
    expect(run.report.findings.knobs).toMatchObject([{ knob: 'fallback.core', state: 'replaced', by: 'Cooperlake' }])
    expect(run.csv.map(({ effective }) => effective)).toEqual(['{"core":"Zen"}', '{"core":"Cooperlake"}'])
  })
})

describe.skipIf(absent)('inputs that a setting changes', () => {
  it('differ, so the row compares inputs and tests no setting', async () => {
    const run = await runCase(
      planOf('row', '  backend: [row]\n  row.dtype: [f32, bf16]\n  row.batch: ["1", "2", "8"]\n', 2),
    )
    expectSentence(
      run,
      '1 workload is not identical over 6 conditions on 1 machine; 1 computed on different inputs: program',
      1,
    )
    expect(run.report.comparisons).toMatchObject([{ inputsEqual: false }])
    expectInAll(run, 'inputs differ between the classes: the row compares inputs, not arithmetic')
    expectInNone(run, 'the bits followed (', 'The same inputs')
    expect(kindsOf(run)).toContain('inputs program name=row')
    expect(run.csv.map((cell) => cell.inputs_equal)).toEqual(new Array(6).fill('no'))
    expect(run.report.findings.settings.filter(({ outcome }) => outcome === 'followed')).toEqual([])
  })
})

describe.skipIf(absent)('batches that a loader’s workers draw', () => {
  const plan = planOf(
    'loader',
    '  backend: [loader]\n  as: [ { loader.workers: 0 }, { loader.workers: 2 }, { loader.workers: 2, loader.seeded: "yes" } ]\n',
    2,
  )

  it('differ at an input first, along with the workers, in a folder of any length', async () => {
    const out = join(folder(), 'd'.repeat(100), 'e'.repeat(100))
    const run = await runCase(plan, { cwd: folder(), out })
    expectSentence(
      run,
      '1 workload is not identical over 3 conditions on 1 machine; 1 computed on different inputs: program',
      1,
    )
    expect(run.report.cells.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed'])
    expect(run.report.comparisons[0]?.inputsEqual).toBe(false)
    expect(run.report.comparisons[0]?.divergences.map(({ checkpoint }) => checkpoint)).toMatchObject([
      { name: 'input', step: 2 },
      { name: 'input', step: 1 },
    ])
    expectInAll(
      run,
      'inputs differ between the classes: the row compares inputs, not arithmetic',
      'the classes were given other inputs: input (step 1), input (step 2)',
      'the bits go along with knob.loader.workers',
    )
    expectInNone(run, 'no effect', 'the bits followed (')
    expect(run.csv.map((cell) => [cell.class, cell.differs_at?.split(' ')[0]])).toEqual([
      ['A', ''],
      ['B', 'input'],
      ['C', 'input'],
    ])
  })
})

describe.skipIf(!flushing)('a library that flushes subnormals', () => {
  it('shows subnormals against zero, and the floating-point mode before and after', async () => {
    const run = await runCase(planOf('subnormal', '  backend: [subnormal@plain, subnormal@fast]\n'))
    expect(run.code).toBe(1)
    const [divergence] = run.report.comparisons[0]?.divergences ?? []
    expect(divergence).toMatchObject({
      checkpoint: { name: 'scaled', step: 2 },
      kind: 'subnormal-zero',
      statistics: { elements: 16, unequal: 9, kinds: { 'subnormal-zero': 9 } },
    })
    expectInWords(run, '9 subnormal against zero (flush)')
    // The mode goes along with the bits, and stands with what cannot be told from it.
    expectInAll(run, 'fp.program.after.daz, fp.program.after.ftz')
    expectInAll(run, 'the floating-point mode of its main thread changed: rounding nearest, FTZ on, DAZ on')
    const [plain, fast] = run.report.cells.map(({ facts }) => facts)
    expect(plain).toMatchObject({ 'fp.program.before.ftz': 'no', 'fp.program.after.ftz': 'no' })
    expect(fast).toMatchObject({ 'fp.program.before.ftz': 'no', 'fp.program.after.ftz': 'yes' })
    // No distance is the first thing said of it.
    for (const form of [run.forms.text, run.forms.markdown, run.forms.html]) {
      expect(form).not.toMatch(/2 024 022 533 073 107 ULP apart/)
    }
    expect(run.csv.map((cell) => cell.differs_kind)).toEqual(['', '9 subnormal against zero (flush)'])
  })
})

describe.skipIf(absent)('a training that becomes NaN', () => {
  it('is NaN from its step on, and never 0 ULP', async () => {
    const run = await runCase(planOf('nan', '  backend: [nan]\n  nan.k: [0, 1, 2]\n', 2))
    expect(run.code).toBe(1)
    expectInWords(run, 'NaN from step 3', 'infinite from step 2')
    for (const [form, content] of Object.entries(run.forms)) expect(content, form).not.toMatch(/(?<!\d)0\sULP/)
    const [nan, infinite] = run.report.comparisons[0]?.divergences ?? []
    expect(nan?.growth[0]?.points.map(({ step, state, maxUlp }) => [step, state, maxUlp])).toEqual([
      [2, 'measured', '5'],
      [3, 'nan', null],
      [4, 'nan', null],
      [5, 'nan', null],
    ])
    expect(infinite?.growth[0]?.points.map(({ state }) => state)).toEqual(new Array(4).fill('infinite'))
    expect(run.csv.map((cell) => cell.differs_kind)).toEqual(['', expect.any(String), '2 infinity against finite'])
  })
})

describe.skipIf(absent)('a coin under a setting that does nothing', () => {
  it('is nondeterministic, and the setting is never named', async () => {
    const run = await runCase(
      `${planOf('coin', '  backend: [coin]\n  coin.mode: [p50]\n  coin.dummy: [1, 2]\n', 2)}seeds: [1, 2, 3, 4, 5, 6]\n`,
    )
    // All cells of one of the conditions of a fair coin agree with themselves in 1 of 64 runs, of both in 1 of 4,096.
    const { findings } = run.report
    expect([run.code, findings.verdict]).toEqual([1, 'nondeterministic'])
    expect(findings.sentence).toMatch(/\bdiffers? from run to run: program(?: \(\d seeds\))?$/)
    expectInAll(run, findings.sentence)
    expectInNone(run, 'by coin.dummy', 'with coin.dummy', 'go along with')
    expect(findings.settings.filter(({ outcome }) => outcome === 'followed')).toEqual([])
    expect(findings.causes.flatMap(({ facts }) => facts)).toEqual([])
    expect(run.report.comparisons.flatMap(({ explanations }) => explanations)).toEqual([])
    for (const { twin } of findings.self) expect(twin?.text ?? 'Too few').toContain('Too few')
    expectInWords(run, 'gave 2 distinct results in 2 executions')
    expect(new Set(run.csv.map((cell) => cell.class)).has('~')).toBe(true)
  })

  it('is not named in any of ten runs that start at other times of the clock', async () => {
    const programs = { BITFLEET_PROGRAMS: join(folder(), 'programs.json') }
    await addPrograms(['coin'], programs)
    const lab = await openLab({ agent: { env: programs } })
    try {
      for (let start = 0; start < 10; start++) {
        const plan =
          'name: clock\nworkloads:\n  - program: { name: coin }\nfactors:\n  backend: [coin]\n  coin.mode: [clock]\n  coin.dummy: [1, 2]\n'
        const { findings } = (await lab.finish(await lab.submit(plan))) as Report
        expect(findings.counts.executions).toEqual({ planned: 6, completed: 6 })
        expect(findings.sentence).not.toContain('coin.dummy')
        expect(findings.settings.filter(({ outcome }) => outcome === 'followed')).toEqual([])
        expect(findings.causes.flatMap(({ facts }) => facts)).toEqual([])
      }
    } finally {
      await lab.close()
    }
  })
})
