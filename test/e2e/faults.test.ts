import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Report, ReportCell } from '../../coordinator/report/format.ts'
import { cleanUp, runPlan } from './bitfleet.ts'

// Checks that must fail: runners that die, hang and lie, and backends that are wrong on purpose, beside healthy ones.

const modules = ['faulty.mjs', 'misbehaving.mjs'].map((name) =>
  resolve(import.meta.dirname, '../fixtures/runner-modules', name),
)
const env = { BITFLEET_RUNNER_MODULES: modules.join(':') }

afterAll(cleanUp)

describe('runners that die', () => {
  let report: Report
  let code: number | null
  const cellOf = (deed: string): ReportCell => {
    const found = report.cells.find(({ condition }) => condition.knobs.deed === deed)
    if (!found) throw new Error(`no cell ${deed}`)
    return found
  }

  beforeAll(async () => {
    const result = await runPlan(
      `
name: deaths
seed: 42
limits: { timeSeconds: 4, memoryMiB: 400 }
workloads:
  - reduce.sum: { dtype: f32, n: 1024, data: uniform }
factors:
  backend: [js, misbehaving]
  misbehaving.deed: ["signal:SIGKILL", "signal:SIGILL", sleep, allocate, garbage, "exit:0", none]
`,
      { env },
    )
    report = result.report
    code = result.code
  })

  it('show the signal and the last lines of stderr', () => {
    expect(cellOf('signal:SIGKILL')).toMatchObject({ status: 'crashed', signal: 'SIGKILL' })
    expect(cellOf('signal:SIGILL')).toMatchObject({ status: 'crashed', signal: 'SIGILL' })
  })

  it('show the limit that they went over', () => {
    expect(cellOf('sleep')).toMatchObject({ status: 'timed-out', limitMs: 4000 })
    expect(cellOf('allocate')).toMatchObject({ status: 'failed', code: 'limit' })
  })

  it('show what was wrong with their protocol', () => {
    expect(cellOf('garbage')).toMatchObject({ status: 'failed' })
    expect(cellOf('exit:0')).toMatchObject({ status: 'failed' })
  })

  it('affect nothing else: the others completed and were compared', () => {
    const healthy = report.cells.filter(
      ({ condition }) => condition.backend === 'js' || condition.knobs.deed === 'none',
    )
    expect(healthy.map(({ status }) => status)).toEqual(['completed', 'completed'])
    expect(report.comparisons[0]?.classes.flatMap(({ cells }) => cells)).toHaveLength(2)
  })

  it('make the run incomplete, or different where bits part', () => {
    expect(report.comparisons[0]?.verdict).toMatch(/^(incomplete|divergent)$/)
    expect(code).toBe(report.comparisons[0]?.verdict === 'incomplete' ? 3 : 1)
  })
})

describe('backends that are wrong on purpose', () => {
  let report: Report
  const statusOf = (backend: string) => report.cells.find(({ condition }) => condition.backend === backend)
  const classOf = (backend: string) =>
    report.comparisons[0]?.classes.find(({ cells }) => cells.includes(statusOf(backend)?.id ?? ''))?.letter

  beforeAll(async () => {
    report = (
      await runPlan(
        `
name: wrong on purpose
seed: 42
workloads:
  - reduce.sum: { dtype: f32, n: 4096, data: wide }
factors:
  backend: [js, plain, flipped-bit, swapped-order, lying-digest]
  js.order: [sequential]
`,
        { env },
      )
    ).report
  })

  it('agree with the reference where they are right', () => {
    expect(classOf('plain')).toBe(classOf('js'))
  })

  it('are caught by one flipped bit', () => {
    expect(classOf('flipped-bit')).toBeDefined()
    expect(classOf('flipped-bit')).not.toBe(classOf('plain'))
    const divergence = report.comparisons[0]?.divergences.find(({ b }) => b === statusOf('flipped-bit')?.id)
    expect(divergence?.checkpoint.name).toBe('sum')
    const [a = '', b = ''] = divergence?.bits ?? []
    expect(Number.parseInt(a, 16) ^ Number.parseInt(b, 16)).toBe(1)
  })

  it('are caught by a swapped order', () => {
    expect(classOf('swapped-order')).toBeDefined()
    expect(classOf('swapped-order')).not.toBe(classOf('plain'))
  })

  it('are caught by a digest that their bytes do not have', () => {
    expect(statusOf('lying-digest')).toMatchObject({ status: 'failed', code: 'digest-mismatch' })
  })
})
