import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { needs } from '../needs.ts'
import { withoutPython } from '../python.ts'
import { cleanUp, folder } from './bitfleet.ts'
import {
  addPrograms,
  expectInAll,
  expectInNone,
  expectInWords,
  expectSentence,
  runOnMachines,
  withoutOpenblas,
} from './cases.ts'

// The cases of test/fixtures/cases that need two machines: agents of this one, started in different ways.

afterAll(cleanUp)

describe('two machines that differ in what is recorded and in what is not', () => {
  const absent =
    withoutPython('case machines') || needs('case machines', process.platform === 'linux', 'taskset is of Linux')

  it('show that the bits go along with it, and no cause', async (context) => {
    if (absent) context.skip()
    const programs = { BITFLEET_PROGRAMS: join(folder(), 'programs.json') }
    await addPrograms(['mach'], programs)
    const run = await runOnMachines(
      {
        // The nice value decides, and nothing records it; the affinity is recorded, and does nothing.
        free: { env: programs },
        nice: { env: programs, prefix: ['nice', '-n', '5', 'taskset', '-c', '0'] },
      },
      `name: mach
seed: 1
repetitions: 2
workloads:
  - program: { name: mach }
factors:
  backend: [mach]
  mach.dummy: [1, 2, 3, 4, 5, 6, 7, 8]
`,
    )
    expectSentence(run, '1 workload is not identical over 8 conditions on 2 machines; 1 differs: program', 1)
    expectInAll(
      run,
      'free and nice differ in 1 of 1 workload; which of the two is the odd one cannot be told. This was seen, with too few executions to be claimed',
      // On a busy machine a fact of a short program can be read on one side only: it then stands beside the affinity.
      'the bits go along with cpu.affinity',
      '; not named as the cause: 2 machines with such classes cannot show a cause',
      'mach.dummy was changed alone in 2 trials: the bits stayed',
    )
    // Which class holds which machine is said in words, too.
    expectInWords(run, 'mach dummy=1 on free', 'mach dummy=1 on nice')
    expectInNone(run, 'by cpu.affinity', 'by mach.dummy', 'by chance in', 'chance does as well')
    const { causes, machines } = run.report.findings
    expect(causes.map(({ headlined, chance }) => [headlined, chance])).toEqual(causes.map(() => [false, null]))
    expect(causes.length).toBeGreaterThan(0)
    expect(machines).toMatchObject({ status: 'differ', rows: [{ letters: ['A', 'B'], odd: [] }] })
    // Letters go by the machines' names, here as there.
    const byName = new Map(run.csv.map((cell) => [cell.agent_name, cell.class]))
    expect(Object.fromEntries(byName)).toEqual({ free: 'A', nice: 'B' })
    expect(run.csv).toHaveLength(16)
  })
})

describe('two machines, one without the backend', () => {
  it('were not compared, and that is what the report says', async (context) => {
    if (await withoutOpenblas('case of a machine without OpenBLAS')) context.skip()
    // The loader finds these first, and they are no libraries.
    const broken = join(folder(), 'lib')
    mkdirSync(broken)
    for (const name of [
      'libopenblas.so.0',
      'libopenblas.so',
      'libopenblas64.so.0',
      'libopenblas64_.so.0',
      'libopenblas64_.so',
    ]) {
      writeFileSync(join(broken, name), '')
    }
    const run = await runOnMachines(
      { p1: {}, p3: { env: { LD_LIBRARY_PATH: broken } } },
      `name: one without OpenBLAS
seed: 1
repetitions: 2
workloads:
  - linalg.gemm: { dtype: f32, n: 64, data: normal }
factors:
  backend: [openblas]
  openblas.threads: [1, ~]
`,
    )
    expectSentence(
      run,
      'What was compared of 1 workload is equal over 2 conditions on 1 machine; 1 is incomplete: linalg.gemm',
      3,
    )
    expectInAll(
      run,
      'No machine was compared with another: only p1 completed cells; p3 (openblas does not run on this agent: no OpenBLAS',
    )
    expectInNone(run, '2 agents', '2 machines', 'machines agree')
    expect(run.report.findings.counts).toMatchObject({ machines: 1, cells: { compared: 2, absent: 2 } })
    expect(run.report.findings.machines.status).toBe('not compared')
    const cells = run.csv.map(({ agent_name, status, lack, compared }) =>
      [agent_name, status, lack, compared].join(' '),
    )
    expect(cells.sort()).toEqual([
      'p1 completed  yes',
      'p1 completed  yes',
      'p3 unsupported absent no',
      'p3 unsupported absent no',
    ])
  })
})
