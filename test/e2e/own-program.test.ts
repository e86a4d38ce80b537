import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { withoutPython } from '../python.ts'
import { bitfleet, cleanUp, folder, readReport, runPlan } from './bitfleet.ts'

// docs/your-own-program.md, as a person follows it: list a program, plan with it, read the report; and what goes wrong.

afterAll(cleanUp)

const examples = resolve(import.meta.dirname, '../../docs/examples')
const page = readFileSync(resolve(examples, '../your-own-program.md'), 'utf8')
const plan = readFileSync(join(examples, 'own-program.yaml'), 'utf8')

/** The first Python of this machine's by its absolute path, as the guide asks for it. */
async function pythonPath(): Promise<string> {
  const { stderr } = await bitfleet(['programs', 'add', 'probe', '--', 'python3'])
  return /here it is (\S+)/.exec(stderr)?.[1] ?? '/usr/bin/python3'
}

describe('a program of one’s own', () => {
  const absent = withoutPython('the guide to a program of one’s own')

  it('is listed, run under two conditions, and differs where its bits differ', async (context) => {
    if (absent) context.skip()
    const python = await pythonPath()
    const script = join(examples, 'own-program.py')
    // The command of the page, with this machine's paths.
    const written = /bitfleet programs add mean (.*?)-- \S+ \S+\n/s.exec(page)?.[1] ?? ''
    const options = written.replaceAll('\\\n', ' ').split(/\s+/).filter(Boolean)
    expect(options).toContain('--knob')
    const added = await bitfleet(['programs', 'add', 'mean', ...options, '--', python, script])
    expect(added.code, added.stderr).toBe(0)
    expect(added.stderr).toContain(script)
    const rows = JSON.parse((await bitfleet(['programs', '--json'])).stdout) as { id: string; changed: string | null }[]
    expect(rows.map(({ id, changed }) => [id, changed])).toEqual([['mean', null]])
    const again = await bitfleet(['programs', 'add', 'mean', '--', python, script])
    expect(again).toMatchObject({ code: 2, stderr: expect.stringMatching(/add it with --replace/) as string })

    const { stdout } = await bitfleet(['backends'])
    expect(stdout).toMatch(/^mean +[0-9a-f]{12} {2}A program of the machine's owner\n +mean\.order: forward,backward$/m)

    const { report, code, stdout: text } = await runPlan(plan)
    expect(code).toBe(1)
    const [comparison] = report.comparisons
    expect(comparison).toMatchObject({ verdict: 'divergent', nondeterministic: [], absent: [], inapplicable: [] })
    expect(comparison?.classes.map(({ cells }) => cells.length)).toEqual([1, 1])
    // The data are equal; the sums over them, in another order, are not.
    expect(comparison?.divergences[0]).toMatchObject({
      ...{ checkpoint: { seq: 1, step: 1, name: 'backward/weight', dtype: 'f64', shape: [1] }, element: 0 },
    })
    expect(comparison?.divergences[0]?.bits?.every((bits) => /^[0-9a-f]{16}$/.test(bits))).toBe(true)
    expect(comparison?.explanations[0]?.facts).toEqual([
      expect.stringMatching(/^knob\.mean\.(?:effective\.)?order$/) as string,
    ])
    expect(text).toContain('program name=mean epochs=3')
    for (const cell of report.cells) {
      expect(cell.condition.effective).toEqual({ order: cell.condition.knobs.order })
      expect(Object.keys(cell.facts)).toEqual(
        expect.arrayContaining(['program.digest', 'program.file.own-program.py']) as string[],
      )
      expect(cell.notes).toEqual([])
    }
  })

  it('is identical where its bits are', async (context) => {
    if (absent) context.skip()
    const { report, code } = await runPlan(plan.replace('[forward, backward]', '[forward, ~]'))
    expect(report.comparisons[0]).toMatchObject({ verdict: 'identical', absent: [] })
    expect(report.comparisons[0]?.classes.map(({ cells }) => cells.length)).toEqual([2])
    expect(code).toBe(0)
  })

  it('that has changed is unsupported, with the reason, until it is pinned again', async (context) => {
    if (absent) context.skip()
    const script = join(folder(), 'own.py')
    const state = { BITFLEET_STATE: folder() }
    writeFileSync(script, readFileSync(join(examples, 'own-program.py')))
    const python = await pythonPath()
    const own = plan.replaceAll('mean', 'mine').replace(/ {2}mine\.order.*\n/, '')
    const added = ['programs', 'add', 'mine', '--parameter', 'epochs=2', '--', python, script]
    expect((await bitfleet(added, { env: state })).code).toBe(0)
    writeFileSync(script, `${readFileSync(script, 'utf8')}# looks harmless\n`)
    const { stdout } = await bitfleet(['programs'], { env: state })
    expect(stdout).toMatch(/^mine .*changed$/m)
    expect(stdout).toContain('bitfleet programs pin mine')
    const changed = await runPlan(own, { env: state })
    expect(changed.report.cells[0]).toMatchObject({ status: 'unsupported' })
    expect(changed.report.cells[0]?.reason).toMatch(/own\.py is not the file that program mine is listed with/)
    expect((await bitfleet(['programs', 'pin', 'mine'], { env: state })).code).toBe(0)
    expect((await runPlan(own, { env: state })).report.cells[0]).toMatchObject({ status: 'completed' })
    expect((await bitfleet(['programs', 'remove', 'mine'], { env: state })).code).toBe(0)
    expect(await bitfleet(['programs', 'remove', 'mine'], { env: state })).toMatchObject({ code: 2 })
  })
})

describe('a program that is not listed', () => {
  it('is unsupported, with the reason and the command', async () => {
    const env = { BITFLEET_STATE: folder() }
    const { report, code, stdout } = await runPlan(plan, { env })
    expect(report.cells.map(({ status }) => status)).toEqual(['unsupported', 'unsupported'])
    expect(report.comparisons[0]).toMatchObject({ classes: [], absent: report.cells.map(({ id }) => id) })
    expect(stdout).toContain('bitfleet programs add mean -- /path/to/program')
    expect([report.verdict, code]).toEqual(['nothing compared', 3])
  })

  it('cannot be slipped into the list by others', async () => {
    const list = join(folder(), 'programs.json')
    writeFileSync(list, JSON.stringify({ schema: 'bitfleet/programs@1', programs: [] }), { mode: 0o600 })
    expect(await bitfleet(['programs'], { env: { BITFLEET_PROGRAMS: list } })).toMatchObject({ code: 0 })
    chmodSync(list, 0o666)
    const out = folder()
    writeFileSync(join(out, 'plan.yaml'), plan)
    for (const argv of [['programs'], ['backends'], ['local', join(out, 'plan.yaml'), '--out', out, '--exit']]) {
      const { code, stderr } = await bitfleet(argv, { env: { BITFLEET_PROGRAMS: list } })
      expect(code, argv.join(' ')).toBe(2)
      expect(stderr).toContain('can be written by everybody')
    }
    expect(() => readReport(out)).toThrow(/ENOENT/)
  })
})
