import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { judgePromises } from '../../coordinator/demo/promises.ts'
import { type Report, reportSchema } from '../../coordinator/report/format.ts'
import { digestOf } from '../../shared/digest.ts'
import { runPython, withoutNumpy } from '../python.ts'
import { bitfleet, cleanUp, type Ended, folder, readExport, readReport } from './bitfleet.ts'

let first: Ended
let report: Report
let out: string

beforeAll(async () => {
  out = folder()
  first = await bitfleet(['demo', '--out', out, '--exit', '--artifacts', 'all'], { limitMs: 550_000 })
  if (first.code !== 0) throw new Error(`demo: ${first.code}\n${first.stdout}\n${first.stderr}`)
  report = readReport(out)
  // Two minutes on two idle cores; other suites may share them.
}, 600_000)
afterAll(cleanUp)

describe('the demo', () => {
  it('leaves a report of its schema, in four forms', () => {
    expect(reportSchema.safeParse(report).error).toBeUndefined()
    expect(readdirSync(out)).toEqual(expect.arrayContaining(['report.json', 'report.html', 'report.md', 'report.csv']))
  })

  it('completes at least eight workloads over at least ten conditions', () => {
    expect(report.cells.filter(({ status }) => status !== 'completed')).toEqual([])
    expect(new Set(report.cells.map(({ workload }) => workload)).size).toBeGreaterThanOrEqual(8)
    const conditions = report.cells.map(({ condition }) => JSON.stringify([condition.backend, condition.knobs]))
    expect(new Set(conditions).size).toBeGreaterThanOrEqual(10)
  })

  it('shows every kind of difference that it promises', () => {
    const glibc = report.cells.some(({ condition }) => condition.backend === 'libm')
    expect(judgePromises(report, glibc).filter(({ shown }) => !shown)).toEqual([])
  })

  it('finds train.mlp-reference identical and the atomic sum nondeterministic', () => {
    const verdictOf = (find: (comparison: Report['comparisons'][number]) => boolean) =>
      report.comparisons.find(find)?.verdict
    expect(verdictOf(({ workload }) => workload === 'train.mlp-reference')).toBe('identical')
    const racing = report.cells.find(({ condition }) => String(condition.knobs.order).startsWith('atomic:'))
    expect(racing?.repetitions).toBeGreaterThanOrEqual(8)
    expect(new Set(racing?.traces).size).toBeGreaterThan(1)
    expect(report.comparisons.find(({ nondeterministic }) => nondeterministic.length > 0)?.verdict).toBe(
      'nondeterministic',
    )
  })

  it('prints the table of classes and the sentence', () => {
    expect(first.stdout).toContain(report.sentence)
    expect(first.stdout).toContain('reduce.sum')
  })

  it('explains the libm classes by the knob that parts them', () => {
    const libm = report.comparisons.filter(
      ({ workload, classes }) => workload.startsWith('elementary.') && classes.length > 1,
    )
    for (const { explanations } of libm) {
      const [best] = explanations
      expect(best?.equal).toBe(true)
      const named = [...(best?.facts ?? []), ...Object.values(best?.inseparable ?? {}).flat()]
      expect(named.some((fact) => /^knob\.libm\.(effective\.)?hwcaps$/.test(fact))).toBe(true)
    }
  })

  it('leaves no process behind', () => {
    const left = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(out))
    expect(left).toEqual([])
  })

  it('exports tensors whose payload has the digest that the report says', () => {
    const index = readExport(out)
    expect(index.length).toBeGreaterThan(10)
    for (const { digest, file } of index) {
      const bytes = readFileSync(join(out, 'artifacts', file))
      const headerBytes = 10 + bytes.readUInt16LE(8)
      expect(digestOf(bytes.subarray(headerBytes))).toBe(digest)
    }
    const exported = new Set(index.map(({ digest }) => digest))
    const compared = report.comparisons.flatMap(({ divergences }) =>
      divergences.flatMap(({ digests }) => digests.filter((digest) => digest !== null)),
    )
    expect(compared.filter((digest) => !exported.has(digest))).toEqual([])
  })

  it('holds when numpy recomputes every figure', (context) => {
    if (withoutNumpy('docs/verify-with-numpy.md on the demo')) context.skip()
    const page = readFileSync(resolve(import.meta.dirname, '../../docs/verify-with-numpy.md'), 'utf8')
    const script = /```python\n(#!.*?)```/s.exec(page)?.[1]
    expect(script).toBeDefined()
    const file = join(folder(), 'verify.py')
    writeFileSync(file, script ?? '')
    const { stdout, stderr, status } = runPython([file, out])
    expect(stderr).toBe('')
    expect(stdout).toMatch(/\d+ figures/)
    expect(status).toBe(0)
  })

  it('gives the same classes and traces a second time, but for what is nondeterministic', async () => {
    const again = folder()
    expect((await bitfleet(['demo', '--out', again, '--exit'], { limitMs: 550_000 })).code).toBe(0)
    const summary = ({ comparisons, cells }: Report) =>
      comparisons.map(({ workload, params, seed, verdict, classes, nondeterministic }) => ({
        ...{ workload, params, seed, verdict, nondeterministic: nondeterministic.length },
        classes: classes.map(({ letter, trace, cells: members }) => ({
          ...{ letter, trace },
          members: members.map((id) => cells.find((cell) => cell.id === id)?.condition.knobs),
        })),
      }))
    expect(summary(readReport(again))).toEqual(summary(report))
  }, 600_000)
})
