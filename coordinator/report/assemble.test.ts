import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sampleReport, sampleRun } from '../../test/sample-report.ts'
import { createSyntheticRun, f32, type SyntheticExecution, syntheticAgent } from '../../test/synthetic-run.ts'
import { compareRun } from '../compare/compare-run.ts'
import type { RunData } from '../records.ts'
import { assembleReport } from './assemble.ts'
import { type Report, reportSchema } from './format.ts'

async function reportOf(data: RunData, run = sampleRun()): Promise<Report> {
  return assembleReport(data, await compareRun(data, run.artifacts), 'bitfleet 0.1.0')
}

describe('assembleReport', () => {
  it('makes a report that its schema accepts unchanged, also after it was a file', () => {
    const report = sampleReport()
    expect(reportSchema.parse(report)).toEqual(report)
    expect(reportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report)
  })

  it('makes the same bytes whatever the order of results, cells and agents, and however long anything took', {
    timeout: 60_000,
  }, async () => {
    const run = sampleRun()
    const data = run.data()
    const expected = JSON.stringify(withoutTimes(await reportOf(data, run)))
    const whole = <T>(items: readonly T[]) => fc.shuffledSubarray([...items], { minLength: items.length })
    await fc.assert(
      fc.asyncProperty(
        whole(data.executions),
        whole(data.cells),
        whole(data.run.agents),
        fc.nat(9),
        async (executions, cells, agents, lateMs) => {
          const late = executions.map((record, i) => ({
            ...record,
            execution: { ...record.execution, resources: { wallMs: i * lateMs, cpuMs: lateMs }, log: `took ${lateMs}` },
          }))
          const shuffled = { run: { ...data.run, agents }, cells, executions: late }
          expect(JSON.stringify(withoutTimes(await reportOf(shuffled, run)))).toBe(expected)
        },
      ),
      { numRuns: 8 },
    )
  })

  it('has no majority: cells that come more often change no letter and no divergence', async () => {
    const of = (value: number): SyntheticExecution => ({
      checkpoints: [{ step: 0, name: 'y', tensor: f32([value]), output: true }],
    })
    const build = async (copies: number) => {
      const run = createSyntheticRun([syntheticAgent('a')])
      run.add({ workload: 'w', backend: 'first', executions: [of(1), of(1)] })
      run.add({ workload: 'w', backend: 'second', executions: [of(2), of(2)] })
      for (let i = 0; i < copies; i++) run.add({ workload: 'w', backend: `more${i}`, executions: [of(2), of(2)] })
      return (await reportOf(run.data(), run)).comparisons[0]
    }
    const [few, many] = [await build(0), await build(30)]
    expect(many?.divergences).toEqual(few?.divergences)
    expect(many?.classes.map(({ letter, trace }) => [letter, trace])).toEqual(
      few?.classes.map(({ letter, trace }) => [letter, trace]),
    )
  })

  it('keeps cells in the order of the plan, then of agents', () => {
    const { cells } = sampleReport()
    const orders = cells.filter(({ workload, params }) => workload === 'reduce.sum' && params['n'] === 64)
    expect(orders.slice(0, 4).map(({ agent, condition }) => [condition.knobs['order'], agent])).toEqual([
      ['sequential', 'a-1'],
      ['sequential', 'a-2'],
      ['reverse', 'a-1'],
      ['reverse', 'a-2'],
    ])
  })

  it('tells every way a cell can end', () => {
    const { cells } = sampleReport()
    const ended = (status: string) => cells.find((cell) => cell.status === status)
    expect(ended('crashed')).toMatchObject({
      ...{ signal: 'SIGILL', traces: [expect.any(String), null] },
      failures: [{ repetition: 1, status: 'crashed', message: 'died of SIGILL' }],
    })
    expect(ended('timed-out')).toMatchObject({ limitMs: 60_000, traces: [null, null], failures: [], outputs: [] })
    expect(ended('unsupported')).toMatchObject({ reason: 'openblas has no kernel conv2d' })
    expect(ended('failed')).toMatchObject({
      code: 'workload',
      message: 'the schema has no checkpoint "y"',
      traces: [null, null],
    })
    expect(ended('cancelled')).toMatchObject({ traces: [null, null] })
    expect(ended('missing')).toMatchObject({ traces: [null, null], condition: { version: null } })
    expect(cells.flatMap(({ notes }) => notes)).toEqual([
      expect.objectContaining({ kind: 'no-effect', subject: 'coreType' }),
    ])
  })

  it('gives medians of times, and facts apart from those that vary', () => {
    const race = sampleReport().cells.find(({ condition }) => condition.knobs['order'] === 'atomic:4')
    expect(race?.resources).toEqual({ wallMs: 144.5, cpuMs: 117.5, maxRssBytes: 90_000_000 })
    expect(race?.varying).toEqual({ 'cpu.affinity': ['0-1', '0-3'] })
    expect(race?.facts).toEqual({})
  })

  it('says it in one sentence', () => {
    expect(sampleReport().sentence).toBe(
      '3 of 12 compared workloads are identical under all their conditions on the machines that completed them ' +
        '(18 conditions and 2 machines in all); ' +
        '7 differ: reduce.sum n=64 (seen with js.order), train.mlp (seen with tfjs-wasm.variant and backend), ' +
        'train.cnn (seen with backend), elementary.exp (seen with libm.hwcaps), and 3 more; ' +
        '1 computed on different inputs: nn.softmax; 1 differs from run to run: reduce.sum n=65536 data=wide; ' +
        '2 are incomplete: nn.conv2d, linalg.gemv',
    )
  })

  it.each([
    [['js', 'libm'], [1, 1], '1 workload is identical over 2 conditions on 1 machine'],
    [['js', 'libm'], [1, 2], '1 workload is not identical over 2 conditions on 1 machine; 1 differs: w by backend'],
    [['js', 'libm'], [1, undefined], 'Nothing was compared with another cell; 1 is incomplete: w'],
    [['js'], [1], 'Nothing was compared with another cell; 1 was not compared: w (1 cell)'],
    [['js'], [undefined], 'Nothing was compared with another cell; 1 was not compared: w (inapplicable)'],
    [[], [], 'Nothing was compared: the plan has no cells'],
  ])('of %j with results %j: %s', async (backends, values, sentence) => {
    const run = createSyntheticRun([syntheticAgent('a')])
    backends.forEach((backend, i) => {
      const value = values[i]
      const execution: SyntheticExecution =
        value === undefined
          ? { outcome: { status: 'unsupported', reason: 'no kernel' } }
          : { checkpoints: [{ step: 0, name: 'y', tensor: f32([value]), output: true }] }
      run.add({ workload: 'w', backend, executions: [execution, execution, execution] })
    })
    expect((await reportOf(run.data(), run)).sentence).toBe(sentence)
  })

  it('does not call equal what is incomplete "not identical"', async () => {
    const run = createSyntheticRun([syntheticAgent('a'), syntheticAgent('b')])
    const execution: SyntheticExecution = {
      checkpoints: [{ step: 0, name: 'y', tensor: f32([1]), output: true }],
    }
    const crash: SyntheticExecution = { outcome: { status: 'crashed', signal: 'SIGILL', stderr: '' } }
    for (const threads of [1, 2]) {
      for (const agent of ['a', 'b']) {
        const executions = agent === 'a' ? [execution, execution] : [crash, crash]
        run.add({ agent, workload: 'w', backend: 'openblas', knobs: { threads }, executions })
      }
    }
    const { sentence, verdict } = await reportOf(run.data(), run)
    expect([verdict, sentence]).toEqual([
      'incomplete',
      'What was compared of 1 workload is equal over 2 conditions on 1 machine; 1 is incomplete: w',
    ])
  })

  it('names two settings at most, those of several versions by the name they share', async () => {
    const sentenceOf = async (knobs: Record<string, number>[]) => {
      const run = createSyntheticRun([syntheticAgent('a')])
      for (const backend of ['jax@0.4.38', 'jax@0.6.2']) {
        knobs.forEach((knobs, i) => {
          const checkpoints = [{ step: 0, name: 'y', tensor: f32([i]), output: true }]
          run.add({ workload: 'w', backend, knobs, executions: Array.from({ length: 6 }, () => ({ checkpoints })) })
        })
      }
      return (await reportOf(run.data(), run)).sentence
    }
    expect(await sentenceOf([{ a: 1 }, { a: 2 }])).toMatch(/; 1 differs: w by jax\.a$/)
    const two = [1, 2].flatMap((a) => [1, 2].map((b) => ({ a, b })))
    expect(await sentenceOf(two)).toMatch(/; 1 differs: w by jax\.a and jax\.b$/)
    const three = two.flatMap((knobs) => [1, 2].map((c) => ({ ...knobs, c })))
    expect(await sentenceOf(three)).toMatch(/; 1 differs: w by jax\.a and 2 more settings$/)
  })
})

function withoutTimes(report: Report): unknown {
  return { ...report, cells: report.cells.map((cell) => ({ ...cell, resources: null })) }
}
