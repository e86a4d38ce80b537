import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeNumpyScript } from '../../test/numpy-script.ts'
import { runPython, withoutNumpy } from '../../test/python.ts'
import {
  createSyntheticRun,
  f32,
  f64,
  flipBit,
  i32,
  type SyntheticCheckpoint,
  type SyntheticRun,
  syntheticAgent,
} from '../../test/synthetic-run.ts'
import { createTensor, tensorFromBits } from '../../shared/tensor.ts'
import { catalogue } from '../../workloads/catalogue.ts'
import { compareRun } from '../compare/compare-run.ts'
import { assembleReport } from './assemble.ts'
import { exportArtifacts, writeReport } from './files.ts'
import type { Comparison, Divergence, Report, SelfDisagreement } from './format.ts'

// Reports that were forged or gutted, and exports that were damaged: the program that users run must name each fault.

const numbers = Array.from({ length: 8 }, (_, i) => Math.fround(Math.cos(i)))
const at = (name: string, tensor: SyntheticCheckpoint['tensor'], step = 0, output = true): SyntheticCheckpoint => ({
  ...{ step, name, tensor, output },
})
const input = at('input', f32(numbers), 0, false)
const twice = (...checkpoints: SyntheticCheckpoint[]) => [{ checkpoints }, { checkpoints }]

function plantedRun(): SyntheticRun {
  const run = createSyntheticRun([syntheticAgent('a')], {
    rowRules: [{ workload: 'nn.layernorm', params: {}, expect: 'repeatable' }],
  })
  for (const [order, sum] of Object.entries({ sequential: 1.5, exact: 1.5000001, pairwise: 1.4999999 })) {
    run.add({
      ...{ workload: 'reduce.sum', params: { n: 8 }, backend: 'js', knobs: { order }, effective: { order } },
      executions: twice(input, at('sum', f32([sum], []))),
    })
  }
  run.add({
    ...{ workload: 'reduce.sum', params: { n: 16 }, backend: 'js', knobs: { order: 'atomic:4' } },
    executions: [2.5, 2.5000002, 2.5, 2.4999998].map((sum) => ({ checkpoints: [input, at('sum', f32([sum], []))] })),
  })
  const train = (drift: number) =>
    twice(
      ...[1, 2, 3, 4].map((step) => at('loss', f32([1 + drift * step]), step, false)),
      at('logits', f32(numbers.map((x) => x + drift)), 4),
      at('labels', i32([1, 2, drift > 0 ? 3 : 4]), 4),
    )
  run.add({ workload: 'train.mlp', backend: 'js', executions: train(0) })
  run.add({ workload: 'train.mlp', backend: 'blas', executions: train(2 ** -20) })
  for (const backend of ['js', 'blas'])
    run.add({ workload: 'nn.layernorm', backend, executions: twice(input, at('y', f32(numbers))) })
  const bytes = tensorFromBits('i8', [2], ['80', '01'])
  run.add({ workload: 'bytes', backend: 'js', executions: twice(at('y', bytes)) })
  run.add({ workload: 'bytes', backend: 'blas', executions: twice(at('y', flipBit(bytes, 0, 0))) })
  run.add({ workload: 'program', backend: 'js', executions: twice(at('y', f32([1]))) })
  run.add({ workload: 'program', backend: 'blas', executions: twice(at('z', f32([1, 2]))) })
  for (const backend of ['js', 'other', 'blis'])
    run.add({
      ...{ workload: 'gaps', backend },
      executions:
        backend === 'other'
          ? [{ outcome: { status: 'failed', code: 'workload', message: 'no', stderr: '' } }]
          : [{ outcome: { status: 'unsupported', reason: 'no' } }],
    })
  return run
}

type Loose = Record<string, unknown>

const row = (report: Report, workload: string, n = 0) =>
  report.comparisons.filter((comparison) => comparison.workload === workload)[n] as Comparison
const pair = (report: Report, workload = 'reduce.sum') => row(report, workload).divergences[0] as Divergence
const unsteady = (report: Report) => row(report, 'reduce.sum', 1).nondeterministic[0] as SelfDisagreement
const outputsOf = (report: Report, workload: string) =>
  (report.cells.find((cell) => cell.workload === workload) as Report['cells'][number]).outputs
const drop = (from: unknown, member: string) => delete (from as Loose)[member]
const output = (report: Report, name: string) =>
  pair(report, 'train.mlp').outputs.find((one) => one.name === name) as Divergence['outputs'][number]

/** What is forged, how, and how the program must name it. */
const lies: [string, (report: Report) => unknown, string][] = [
  [
    'all rows that differ deleted, and the run called identical',
    (report) => {
      report.comparisons = report.comparisons.filter(({ verdict }) => verdict === 'identical')
      const { findings, comparisons } = report
      report.verdict = findings.verdict = 'identical'
      findings.exitCode = 0
      findings.rows = findings.rows.filter(({ verdict }) => verdict === 'identical')
      Object.assign(findings.counts.rows, { total: 1, compared: 1, divergent: 0, nondeterministic: 0, incomplete: 0 })
      findings.counts.cells.compared = comparisons[0]?.compared.length ?? 0
    },
    'row ["reduce.sum", 1, {"n": 8}, "42"]: the report says None',
  ],
  ['a row twice', (report) => report.comparisons.push(row(report, 'bytes')), 'order of the rows'],
  ['rows in another order', (report) => report.comparisons.reverse(), 'order of the rows'],
  ['a cell deleted', (report) => report.cells.splice(1, 1), 'a trace of the cell'],
  ['a cell twice', (report) => report.cells.push(...report.cells.slice(0, 1)), 'cells with an id of their own'],
  ['a failed cell called inapplicable', (report) => lacking(report, 'failed', 'inapplicable'), 'lack: the report says'],
  [
    'an absent cell called inapplicable',
    (report) => lacking(report, 'unsupported', 'inapplicable'),
    'lack: the report',
  ],
  ['no cell inapplicable', (report) => (row(report, 'gaps').inapplicable = []), 'gaps #6: inapplicable'],
  ['no pair of classes', (report) => (row(report, 'reduce.sum').divergences = []), 'pairs of classes'],
  ['one pair left out', (report) => row(report, 'reduce.sum').divergences.pop(), 'pairs of classes'],
  ['a pair of other classes', (report) => (pair(report).classes = ['A', 'C']), 'pairs of classes'],
  ['a pair of other cells', (report) => (pair(report).a = pair(report).b), 'reduce.sum #0 A|B: cells'],
  [
    'no element, and forged bits',
    (report) =>
      Object.assign(pair(report), {
        ...{ element: null, indices: null, bits: ['deadbeef', '00000000'], values: ['1', '2'], ulp: '999' },
        kind: 'nan-sign',
      }),
    'A|B: bits: the report says',
  ],
  ['no ULP distance', (report) => (pair(report).ulp = null), 'A|B: ulp: the report says None'],
  ['no kind', (report) => (pair(report).kind = null), 'A|B: kind: the report says None'],
  ['bits where schemas differ', (report) => (pair(report, 'program').bits = ['00', '01']), 'program #5 A|B: bits'],
  [
    'statistics where schemas differ',
    (report) => (pair(report, 'program').statistics = pair(report).statistics),
    'program #5 A|B: statistics',
  ],
  [
    'NaN as the value of ordinary numbers',
    (report) => (pair(report).values = ['NaN', 'NaN']),
    "values ['NaN', 'NaN'] stand for their bits",
  ],
  ['no values', (report) => (pair(report).values = null), 'values None stand for their bits'],
  ['the value of an integer', (report) => (pair(report, 'bytes').values = ['128', '-127']), "values ['128', '-127']"],
  ['no statistics', (report) => (pair(report).statistics = null), 'A|B: statistics: the report says None'],
  ['no statistics of an output', (report) => (output(report, 'logits').statistics = null), 'logits: statistics'],
  ['no final tensors', (report) => (pair(report, 'train.mlp').outputs = []), 'final tensors that differ'],
  ['no growth', (report) => (pair(report, 'train.mlp').growth = []), 'names that grow: the report says []'],
  [
    'a point of growth dropped',
    (report) => pair(report, 'train.mlp').growth[0]?.points.pop(),
    'growth of loss: places',
  ],
  [
    'a point of growth not measured',
    (report) => Object.assign(pair(report, 'train.mlp').growth[0]?.points[1] ?? {}, { state: 'not-measured' }),
    'growth of loss at step 2: state',
  ],
  [
    'points of growth said to be sampled',
    (report) => Object.assign(pair(report, 'train.mlp').growth[0] ?? {}, { of: 9 }),
    'growth of loss: checkpoints',
  ],
  ['no decisions', (report) => (pair(report, 'train.mlp').decisions = null), 'decisions: the report says None'],
  [
    'decisions of a workload without labels',
    (report) => (pair(report).decisions = { labels: 3, changed: 0, churn: 0 }),
    'A|B: decisions',
  ],
  ['no reference', (report) => drop(row(report, 'reduce.sum'), 'reference'), 'class and cells of the reference'],
  [
    'no reference, as if inputs differed',
    (report) => {
      drop(row(report, 'reduce.sum'), 'reference')
      row(report, 'reduce.sum').inputsEqual = false
    },
    'inputs are equal: the report says False',
  ],
  [
    'another class as the reference',
    (report) => Object.assign(row(report, 'reduce.sum').reference ?? {}, { class: 'A' }),
    'class and cells of the reference',
  ],
  [
    'no statistics from the reference',
    (report) => Object.assign(row(report, 'reduce.sum').reference?.distances[0] ?? {}, { statistics: null }),
    'A from the correctly rounded: statistics',
  ],
  ['no divergence of an unstable cell', (report) => (unsteady(report).divergence = null), 'unstable cell 0'],
  ['no place of an unstable cell', (report) => (unsteady(report).first = null), 'unstable cell 0'],
  ['no unstable cell', (report) => (row(report, 'reduce.sum', 1).nondeterministic = []), '#1: nondeterministic'],
  [
    'other repetitions of an unstable cell',
    (report) => Object.assign(unsteady(report).divergence ?? {}, { classes: ['#0', '#3'] }),
    'repetitions that part',
  ],
  [
    'no element of an unstable cell, and forged bits',
    (report) => Object.assign(unsteady(report).first ?? {}, { element: null, bits: ['00000000'], varying: 99 }),
    'its: bits',
  ],
  ['fewer tensors read', (report) => Object.assign(unsteady(report).first ?? {}, { read: 2 }), 'tensors read'],
  [
    'values of an unstable cell',
    (report) => unsteady(report).first?.values?.reverse(),
    "values ['2.4999998', '2.5000002', '2.5'] stand for their bits",
  ],
  [
    'a verdict of the findings',
    (report) => Object.assign(report.findings.rows[0] ?? {}, { verdict: 'identical' }),
    'rows of the findings',
  ],
  [
    'what a row compared',
    (report) => Object.assign(report.findings.rows[0] ?? {}, { compared: 0 }),
    'rows of the findings',
  ],
  [
    'an expectation',
    (report) => report.findings.rows.forEach(({ expected }) => expected && Object.assign(expected, { met: false })),
    'rows of the findings',
  ],
  ['a row of the findings deleted', (report) => report.findings.rows.pop(), 'rows of the findings'],
  ['the outputs of one cell of a row', (report) => outputsOf(report, 'train.mlp').pop(), 'different lists of outputs'],
  [
    'a reason of no figure',
    (report) => Object.assign(pair(report, 'bytes').statistics?.notMeasured ?? {}, { maxUlp: '' }),
    'figures without a reason',
  ],
  ['a count of rows', ({ findings: { counts } }) => counts.rows.identical++, 'counts of rows'],
  ['a count of cells', ({ findings: { counts } }) => counts.cells.completed--, 'counts of cells'],
  ['a count of executions', ({ findings: { counts } }) => counts.executions.completed++, 'counts of executions'],
  ['the count of conditions', ({ findings: { counts } }) => counts.conditions++, 'counts of conditions'],
  ['the count of machines', ({ findings: { counts } }) => counts.machines++, 'counts of machines'],
  [
    'true as the exit code',
    ({ findings }) => Object.assign(findings, { exitCode: true }),
    'exit code: the report says True',
  ],
  ['another sentence on top', (report) => (report.sentence = 'All is well'), 'sentence: the report says'],
  [
    'the shape of an output',
    (report) => report.cells[0]?.outputs[0]?.shape.push(1),
    "shape of the trace's last of that name",
  ],
  [
    'the outputs of a cell',
    (report) => (report.cells[0] as Report['cells'][number]).outputs.pop(),
    ': outputs: the report',
  ],
  ...['classes', 'compared', 'divergences', 'nondeterministic', 'verdict', 'params', 'selfConsistency'].map(
    (member): (typeof lies)[number] => [
      `no ${member} of a row`,
      (report) => drop(row(report, 'train.mlp'), member),
      member,
    ],
  ),
  ...['checkpoint', 'element', 'bits', 'values', 'statistics', 'healed', 'outputs', 'growth', 'decisions', 'a'].map(
    (member): (typeof lies)[number] => [
      `no ${member} of a pair`,
      (report) => drop(pair(report), member),
      `KeyError: '${member}'`,
    ],
  ),
  ...['traces', 'outputs', 'condition', 'status'].map((member): (typeof lies)[number] => [
    `no ${member} of a cell`,
    (report) => drop(report.cells[0], member),
    `KeyError: '${member}'`,
  ]),
  ...['cells', 'comparisons', 'findings', 'run', 'verdict', 'agents'].map((member): (typeof lies)[number] => [
    `no ${member} at all`,
    (report) => drop(report, member),
    `KeyError: '${member}'`,
  ]),
  ['a row that is a number', (report) => Object.assign(report.comparisons, { 0: 7 }), 'cannot be checked: TypeError'],
  [
    'lone surrogates and control characters',
    (report) => Object.assign(pair(report), { kind: '\ud800\u001b[2J' }),
    "A|B: kind: the report says '\\ud800\\x1b[2J'",
  ],
]

function lacking(report: Report, status: string, lack: 'inapplicable' | 'absent') {
  const found = report.cells.find((cell) => cell.status === status && cell.lack !== lack)
  if (!found) throw new Error(`no cell is ${status}`)
  found.lack = lack
}

const only = async (dir: string, pattern: RegExp) => {
  const name = (await readdir(dir)).find((file) => pattern.test(file))
  if (name === undefined) throw new Error(`no file of ${dir} is like ${pattern}`)
  return join(dir, name)
}
async function edit(path: string, change: (text: string) => string) {
  await writeFile(path, change(await readFile(path, 'latin1')), 'latin1')
}
const logits = /^logits-f32-8-/
const trace = /\.jsonl$/

/** What is damaged in the folder, how, and how the program must name it. */
const damages: [string, (dir: string) => Promise<unknown>, RegExp][] = [
  [
    'CRLF in a trace',
    async (dir) => edit(await only(join(dir, 'traces'), trace), (text) => text.replaceAll('\n', '\r\n')),
    /jsonl: line 1 is canonical: the report says .*\\r/,
  ],
  [
    'a trace that goes on after its last line',
    async (dir) => edit(await only(join(dir, 'traces'), trace), (text) => `${text}{}`),
    /jsonl: after the last line: the report says b'{}'/,
  ],
  [
    'a trace cut short',
    async (dir) => truncate(await only(join(dir, 'traces'), trace), 100),
    /jsonl: trace digest: the report says/,
  ],
  [
    'a trace that is not JSON',
    async (dir) => edit(await only(join(dir, 'traces'), trace), (text) => text.replace('{', '\xff')),
    /jsonl: trace: cannot be checked: UnicodeDecodeError/,
  ],
  [
    'a trace in the place of another',
    async (dir) => {
      const [one, other] = (await readdir(join(dir, 'traces'))) as [string, string]
      await cp(join(dir, 'traces', one), join(dir, 'traces', other))
    },
    /jsonl: trace digest: the report says/,
  ],
  [
    'a trace deleted',
    async (dir) => rm(await only(join(dir, 'traces'), trace)),
    /its trace is there: the report says False/,
  ],
  ['all traces deleted', (dir) => rm(join(dir, 'traces'), { recursive: true }), /its trace is there/],
  [
    'an .npy file cut short',
    async (dir) => truncate(await only(join(dir, 'artifacts'), logits), 140),
    /logits-f32-8-.*npy: cannot be checked: ValueError/,
  ],
  [
    'an empty .npy file',
    async (dir) => truncate(await only(join(dir, 'artifacts'), logits), 0),
    /npy: cannot be checked: EOFError/,
  ],
  [
    'an .npy file deleted',
    async (dir) => rm(await only(join(dir, 'artifacts'), logits)),
    /logits-f32-8-.*npy: cannot be checked: FileNotFoundError/,
  ],
  [
    'an .npy file of another type',
    async (dir) => edit(await only(join(dir, 'artifacts'), logits), (text) => text.replace('<f4', '<i4')),
    /npy: type: the report says '<i4', computed '<f4'/,
  ],
  [
    'one bit of an .npy file',
    async (dir) => edit(await only(join(dir, 'artifacts'), logits), (text) => `${text.slice(0, -1)}\0`),
    /npy: digest: the report says/,
  ],
  [
    'members of the index deleted',
    (dir) => edit(join(dir, 'artifacts', 'index.json'), (text) => text.replace('"shape"', '"form"')),
    /index\.json: entry 0: cannot be checked: KeyError: 'shape'/,
  ],
  [
    'another checkpoint in the index',
    (dir) => edit(join(dir, 'artifacts', 'index.json'), (text) => text.replace('"name": "input"', '"name": "sum"')),
    /index\.json: sum of c-.*: checkpoint/,
  ],
  [
    'an index that is not JSON',
    (dir) => truncate(join(dir, 'artifacts', 'index.json'), 50),
    /index\.json: cannot be checked: JSONDecodeError/,
  ],
  [
    'a report cut short',
    (dir) => truncate(join(dir, 'report.json'), 5000),
    /report: cannot be checked: JSONDecodeError/,
  ],
]

describe.skipIf(withoutNumpy('faults for docs/verify-with-numpy.md'))('the script of docs/verify-with-numpy.md', () => {
  let dir: string
  let sound: Report
  let script: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'bitfleet-planted-'))
    script = await writeNumpyScript(join(dir, 'verify.py'))
    const run = plantedRun()
    sound = assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet test')
    await exportArtifacts(sound, run.artifacts, join(dir, 'sound'), 'all')
    await writeReport(sound, join(dir, 'sound'), { formats: ['json'] })
  })
  afterAll(() => rm(dir, { recursive: true, force: true }))

  const verify = (folder: string) => runPython([join(dir, 'verify.py'), folder, '--complete'])

  it('finds nothing in the sound report', () => {
    expect(verify(join(dir, 'sound'))).toMatchObject({
      ...{ status: 0, stderr: '' },
      stdout: expect.stringMatching(/^\d{3,} figures checked, 0 wrong, 0 not checked/),
    })
  })

  it.each(lies)('finds %s', async (_name, lie, named) => {
    const report = structuredClone(sound)
    lie(report)
    const folder = join(dir, 'forged')
    await cp(join(dir, 'sound'), folder, { recursive: true })
    await writeFile(join(folder, 'report.json'), JSON.stringify(report))
    const { status, stdout, stderr } = verify(folder)
    expect(stderr).toBe('')
    expect(stdout).toContain(named)
    expect(status).toBe(1)
  })

  it.each(damages)('finds %s', async (_name, damage, named) => {
    const folder = await mkdtemp(join(dir, 'damaged-'))
    await cp(join(dir, 'sound'), folder, { recursive: true })
    await damage(folder)
    const { status, stdout, stderr } = verify(folder)
    expect(stderr).toBe('')
    expect(stdout).toMatch(named)
    expect(status).toBe(1)
  })

  it('agrees with an export of the outputs alone, and says what it lacks', async () => {
    const folder = join(dir, 'outputs')
    await exportArtifacts(sound, plantedRun().artifacts, folder, 'outputs')
    await writeReport(sound, folder, { formats: ['json'] })
    expect(runPython([join(dir, 'verify.py'), folder])).toMatchObject({
      ...{ status: 0, stderr: '' },
      stdout: expect.stringMatching(/ 0 wrong, [1-9]\d* not/),
    })
  })

  it('checks nothing of what was not exported, and says so', async () => {
    const folder = join(dir, 'alone')
    await writeReport(sound, folder, { formats: ['json'] })
    expect(verify(folder)).toMatchObject({
      status: 1,
      stderr: '',
      stdout: expect.stringMatching(/ 0 wrong, [1-9]\d* not/),
    })
    expect(runPython([join(dir, 'verify.py'), folder])).toMatchObject({ status: 0, stderr: '' })
  })

  it('knows the workloads whose exact result is known', () => {
    const said = /^EXACT = \{(.*)\}$/m.exec(script)?.[1]
    const known = catalogue
      .filter((description) => description.correctlyRounded)
      .map(({ id, version }) => `"${id}@${version}"`)
    expect(said?.split(', ').toSorted()).toEqual(known.toSorted())
  })

  it('agrees at every bound of what is measured', async () => {
    const run = createSyntheticRun([syntheticAgent('a')])
    const steps = (names: number, count: number, value: number, tensor = (x: number) => f64([x], [])) =>
      Array.from({ length: count }, (_, step) =>
        Array.from({ length: names }, (__, i) => at(`w${i}`, tensor(value + (i % 3) + step), step, false)),
      ).flat()
    const add = (workload: string, values: readonly number[], checkpoints: (value: number) => SyntheticCheckpoint[]) =>
      values.forEach((value, i) =>
        run.add({ workload, backend: `b${i}`, executions: [{ checkpoints: checkpoints(value) }] }),
      )
    add('names', [0, 0.5], (value) => [
      ...steps(14, 2, value),
      ...[0, 1].flatMap((step) => [at('forward/x', f64([value]), step), at('loss', f64([value]), step)]),
    ])
    add('points', [0, 0.5], (value) => steps(1, 300, value))
    add(
      'classes',
      Array.from({ length: 15 }, (_, i) => i / 16),
      (value) => steps(1, 2, value),
    )
    const large = (x: number) => createTensor('u8', [1 << 20], new Uint8Array(1 << 20).fill(Math.floor(2 * x) % 8))
    add('bytes', [0, 0.5], (value) => steps(12, 5, value, large))
    run.add({
      workload: 'results',
      backend: 'x',
      executions: Array.from({ length: 66 }, (_, i) => ({ checkpoints: [at('y', f64([i]))] })),
    })
    const report = assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet test')
    const grown = report.comparisons.map(({ divergences }) => divergences.map(({ growth }) => growth))
    expect(grown.map(([first]) => first?.length)).toEqual([12, 1, 1, 12, undefined])
    expect(grown[1]?.[0]?.[0]?.points).toHaveLength(256)
    expect(grown[2]?.map(({ length }) => length)).toEqual([...Array.from({ length: 12 }, () => 1), 0, 0])
    expect(grown[3]?.[0]?.[0]?.points).toHaveLength(2)
    expect(report.comparisons[4]?.nondeterministic[0]?.first?.looked).toBe(64)
    const folder = join(dir, 'bounds')
    await exportArtifacts(report, run.artifacts, folder, 'all')
    await writeReport(report, folder, { formats: ['json'] })
    expect(verify(folder)).toMatchObject({ status: 0, stderr: '', stdout: expect.stringMatching(/ 0 wrong, 0 not/) })
  })
})
