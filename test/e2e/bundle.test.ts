import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ReportDiff } from '../../coordinator/compare/run-diff.ts'
import type { Report } from '../../coordinator/report/format.ts'
import { sha256Hex } from '../../shared/digest.ts'
import { bitfleet, cleanUp, end, folder, readReport, start, startAgent, startCoordinator, until } from './bitfleet.ts'

// Two machines that never meet: agents of two names, each with a state and settings of its own, and no coordinator.

const plan = `
name: carried
seed: 42
repetitions: 4
workloads:
  - reduce.sum: { dtype: f32, n: 4096, data: uniform }
factors:
  backend: [js]
  js.order: [sequential, "lanes:8"]
`

let dir: string
let planFile: string
const at = (name: string) => join(dir, name)
const once = (name: string, out: string) => ['agent', 'once', '--plan', planFile, '--out', at(out), '--name', name]
const digestOfFile = (name: string) => sha256Hex(readFileSync(at(name)))

beforeAll(() => {
  dir = folder()
  planFile = at('plan.yaml')
  writeFileSync(planFile, plan)
})
afterAll(cleanUp)

describe('machines with no network', () => {
  it('go on after kill -9 where they were, whenever it comes', async () => {
    const recorded = () => {
      const executions = join(at('one.bundle.partial'), 'executions')
      return existsSync(executions) ? readdirSync(executions).sort() : []
    }
    const seen: string[][] = []
    // Killed once nothing, once two and once four executions are there.
    for (const enough of [0, 2, 4]) {
      const child = start(once('one', 'one.bundle'))
      await until('executions', () => existsSync(at('one.bundle.partial')) && recorded().length >= enough)
      child.kill('SIGKILL')
      await end(child)
      seen.push(recorded())
      expect(existsSync(at('one.bundle'))).toBe(false)
    }
    const kept = new Map(
      recorded().map((name) => [name, statSync(join(at('one.bundle.partial'), 'executions', name)).mtimeMs]),
    )
    expect(kept.size).toBeGreaterThanOrEqual(4)
    for (const earlier of seen) expect([...kept.keys()]).toEqual(expect.arrayContaining(earlier))

    const { code, stdout, stderr } = await bitfleet(once('one', 'one.bundle'))
    expect(code, stderr).toBe(0)
    expect(stdout.trim()).toBe(at('one.bundle'))
    // Only what was not there yet was computed.
    const computed = stderr.split('\n').filter((line) => /\d+\/8 /.test(line))
    expect(computed).toHaveLength(8 - kept.size)
    expect(existsSync(at('one.bundle.partial'))).toBe(false)
    expect((await bitfleet(['fsck', at('one.bundle')])).code).toBe(0)
  })

  it('stop when told to, and say that they have not ended', async () => {
    const child = start(once('one', 'stopped.bundle'))
    await until('the folder', () => existsSync(join(at('stopped.bundle.partial'), 'run.json')))
    expect(await end(child)).toBe(3)
    expect(existsSync(at('stopped.bundle'))).toBe(false)
  })

  it('do nothing where the bundle is there already, and refuse to write over another', async () => {
    const before = digestOfFile('one.bundle')
    expect((await bitfleet(once('one', 'one.bundle'))).code).toBe(0)
    const other = await bitfleet(once('other', 'one.bundle'))
    expect(other.code).toBe(2)
    expect(other.stderr).toMatch(/choose another --out/)
    expect(digestOfFile('one.bundle')).toBe(before)
  })

  it('become one run with a report over both, in a store where no coordinator runs', async () => {
    expect((await bitfleet(once('two', 'two.bundle'), { env: { OMP_NUM_THREADS: '1' } })).code).toBe(0)
    const argv = ['import', at('one.bundle'), at('two.bundle'), '--store', at('store'), '--out', at('report')]
    const first = await bitfleet(argv)
    expect(first.code, first.stderr).toBe(0)
    const report = readReport(at('report'))
    expect(report.agents.map(({ name }) => name).sort()).toEqual(['one', 'two'])
    expect(report.cells).toHaveLength(4)
    expect(report.comparisons[0]).toMatchObject({ verdict: 'divergent' })
    // The order decides, the machine does not: each class has a cell of both.
    expect(report.comparisons[0]?.classes.map(({ cells }) => cells.length)).toEqual([2, 2])

    const again = await bitfleet(argv)
    expect(again.code).toBe(0)
    expect(again.stdout).toBe(first.stdout)
    expect(again.stderr).toMatch(/had been imported before/)
    expect(readReport(at('report'))).toEqual(report)
  })

  it('become the same run through a coordinator, and compare with what it ran itself', async () => {
    const { child: coordinator, url } = await startCoordinator(at('live'))
    try {
      const argv = ['import', at('two.bundle'), at('one.bundle'), '--store', at('live'), '--json']
      const [first, again] = [await bitfleet(argv), await bitfleet(argv)]
      expect(first.code, first.stderr).toBe(0)
      const { runs } = JSON.parse(first.stdout) as { runs: { run: string; imported: boolean }[] }
      expect(runs).toMatchObject([{ imported: true, agents: ['one', 'two'], executions: 16 }])
      expect(JSON.parse(again.stdout)).toMatchObject({ runs: [{ run: runs[0]?.run, imported: false }] })
      const run = runs[0]?.run ?? ''
      const imported = await bitfleet(['report', run, '--format', 'json', '--store', at('live')])
      expect(JSON.parse(imported.stdout) as Report).toEqual(readReport(at('report')))

      const agent = await startAgent(at('live'), url, ['--name', 'live'])
      try {
        await until('the agent', async () => {
          const ended = await bitfleet(['run', planFile, '--watch', '--store', at('live'), '--json'])
          if (ended.code !== 2) writeFileSync(at('live.json'), ended.stdout)
          return ended.code !== 2
        })
      } finally {
        await end(agent)
      }
      const live = JSON.parse(readFileSync(at('live.json'), 'utf8')) as Report
      const against = await bitfleet(['diff', at('one.bundle'), live.run.id, '--store', at('live'), '--json'])
      expect(against.code, against.stderr).toBe(0)
      expect(JSON.parse(against.stdout)).toMatchObject({ result: 'identical', counts: { equal: 2, different: 0 } })
    } finally {
      await end(coordinator)
    }
  })

  it('can be compared and read as they are', async () => {
    const diff = await bitfleet(['diff', at('one.bundle'), at('two.bundle'), '--json'])
    expect(diff.code, diff.stderr).toBe(0)
    const { pairs, recordedOnlyIn } = JSON.parse(diff.stdout) as ReportDiff
    // Only one of the two machines had it.
    expect(recordedOnlyIn[1]).toContainEqual(expect.objectContaining({ fact: 'env.OMP_NUM_THREADS', value: '1' }))
    const cells = pairs.map(({ cells: [a, b] }) => [`${at('one.bundle')}/${a}`, `${at('two.bundle')}/${b}`] as const)
    expect(cells).toHaveLength(2)
    for (const [a, b] of cells) expect((await bitfleet(['diff', a, b])).code).toBe(0)
    const [first, second] = cells
    const parted = await bitfleet(['diff', first?.[0] ?? '', second?.[1] ?? ''])
    expect(parted.code).toBe(1)
    expect(parted.stdout).toContain('first difference at checkpoint 1')
    const report = await bitfleet(['report', at('one.bundle'), '--out', at('alone'), '--artifacts'])
    expect(report.code, report.stderr).toBe(0)
    expect(readdirSync(join(at('alone'), 'artifacts')).some((name) => name.endsWith('.npy'))).toBe(true)
  })

  it('leave bundles in which a flipped bit is found wherever it is, and of which then nothing is taken in', async () => {
    const bytes = readFileSync(at('one.bundle'))
    for (const share of [0.01, 0.2, 0.5, 0.8, 0.99]) {
      const damaged = Buffer.from(bytes)
      const place = Math.floor(bytes.byteLength * share)
      damaged[place] = (damaged[place] as number) ^ 0x10
      writeFileSync(at('damaged.bundle'), damaged)
      const checked = await bitfleet(['fsck', at('damaged.bundle'), '--json'])
      expect(checked.code, `byte ${place}`).toBe(1)
      expect(JSON.parse(checked.stdout)).toMatchObject({ sound: false })
    }
    const refused = await bitfleet(['import', at('damaged.bundle'), '--store', at('untouched')])
    expect(refused.code).toBe(2)
    expect(refused.stderr).not.toMatch(/\n\s+at /)
    expect(existsSync(at('untouched'))).toBe(false)
  })

  it('run as a batch job on each node, and again after the queue took it away', async () => {
    const script = resolve(import.meta.dirname, '../../deploy/slurm/bitfleet.sbatch')
    // In place of srun, one node after the other, as the batch system would name them.
    writeFileSync(
      at('srun'),
      `#!/bin/bash\nwhile [[ $1 == -* ]]; do shift; done\nfor n in n1 n2; do SLURMD_NODENAME=$n "$@" || exit $?; done\n`,
      { mode: 0o755 },
    )
    const main = resolve(import.meta.dirname, '../../dist/main.js')
    writeFileSync(at('bitfleet'), `#!/bin/sh\nexec ${process.execPath} ${main} "$@"\n`, { mode: 0o755 })
    const submit = () =>
      spawnSync('bash', [script, planFile, at('bundles')], {
        encoding: 'utf8',
        env: {
          PATH: `${dir}:${process.env.PATH}`,
          HOME: dir,
          SLURM_JOB_ID: '7',
          SLURM_CPUS_PER_TASK: '1',
          BITFLEET_STATE: at('state'),
        },
      })
    const first = submit()
    expect(first.status, first.stderr).toBe(0)
    expect(readdirSync(at('bundles')).sort()).toEqual(['plan-n1.bundle', 'plan-n2.bundle'])
    expect(submit().status).toBe(0)
    const joined = await bitfleet([
      'diff',
      join(at('bundles'), 'plan-n1.bundle'),
      join(at('bundles'), 'plan-n2.bundle'),
    ])
    expect(joined.code).toBe(0)
  })
})
