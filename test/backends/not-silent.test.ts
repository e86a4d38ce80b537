import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Report, ReportCell } from '../../coordinator/report/format.ts'
import { renderMarkdown } from '../../coordinator/report/markdown.ts'
import { readInstalled } from '../../agent/provision/installed.ts'
import { backendName } from '../../shared/backend-description.ts'
import { type CpuQuota, createCpuQuota } from '../cpu-quota.ts'
import { cleanUp, folder, runPlan, type Start } from '../e2e/bitfleet.ts'
import { needs } from '../needs.ts'

// What libraries do without a word, by real ones: a knob that it does not follow, a fallback, a pool of threads that takes its
// size from where nobody looks. Each stands in the report, in its words and in its facts.

const state = process.env.BITFLEET_TEST_STATE ?? ''
const installed = state === '' ? [] : readInstalled([join(resolve(state), 'backends')])

/** A state folder with this backend alone, as every one that stands there is asked what it is before a run begins. */
function stateWith({ id, folder: from }: Found): { BITFLEET_STATE: string } {
  const made = folder()
  mkdirSync(join(made, 'backends'))
  symlinkSync(from, join(made, 'backends', id))
  return { BITFLEET_STATE: made }
}

interface Found {
  readonly id: string
  readonly folder: string
}

/** The newest installed version. */
function newest(name: string): Found | undefined {
  const found = installed.filter(({ id, status }) => status === 'installed' && backendName(id) === name)
  const last = found.sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true })).at(-1)
  needs(
    `what ${name} does without a word`,
    last !== undefined,
    `BITFLEET_TEST_STATE names no state folder with ${name}`,
  )
  return last
}
const tensorflow = newest('tensorflow')
const pytorch = newest('pytorch')
const numpy = newest('numpy')

afterAll(cleanUp)

const planOf = (id: string, factors = '') => `
name: not silent
seed: 42
repetitions: 2
workloads:
  - linalg.gemm: { dtype: f32, n: 64, data: centred }
factors:
  backend: [js, "${id}"]
${factors}`

const cellOf = ({ cells }: Report, id: string) => cells.find(({ condition }) => condition.backend === id) as ReportCell

/** Of what a cell says of itself in a kind of note, that which stands under `Must be known` too. */
function told(report: Report, id: string, kind: string): string {
  const { status, notes } = cellOf(report, id)
  const [, known = ''] = renderMarkdown(report).replaceAll('\\', '').split('## Must be known')
  const [section = ''] = known.split('\n## ')
  const messages = notes.filter((note) => note.kind === kind).map(({ message }) => message)
  return `${status}: ${messages.filter((message) => section.includes(message)).join('; ')}`
}

describe('a knob that the library does not follow', () => {
  it.skipIf(tensorflow === undefined)('oneDNN bounded by instructions that this processor lacks', async () => {
    const { id } = tensorflow as Found
    const env = stateWith(tensorflow as Found)
    const { report } = await runPlan(planOf(id, '  tensorflow.maxIsa: [AVX512_CORE_AMX_FP16]'), { env })
    const cell = cellOf(report, id)
    expect([cell.status, cell.condition.effective.maxIsa]).toEqual([
      'completed',
      expect.stringMatching(/^(?!AVX512_CORE_AMX_FP16)\w+$/),
    ])
  })

  it.skipIf(numpy === undefined)('NumPy told to hide what this processor does not have', async () => {
    const { id } = numpy as Found
    const env = stateWith(numpy as Found)
    const absent = process.arch === 'x64' ? 'ASIMDFHM' : 'AVX2'
    const { report } = await runPlan(planOf(id, `  numpy.disableCpuFeatures: [${absent}]`), { env })
    expect(cellOf(report, id).status).toBe('completed')
    expect(cellOf(report, id).condition.effective.disableCpuFeatures).toBe('none')
  })
})

describe('a fallback', () => {
  it.skipIf(tensorflow === undefined)('a TensorFlow for GPUs that finds none computes on processors', async () => {
    // A build for GPUs takes gigabytes; this one is opened as one, and asked the same question.
    const { id, folder: from } = tensorflow as Found
    const other = folder()
    const gpu = id.replace('tensorflow', 'tensorflow-gpu')
    const to = join(other, 'backends', gpu)
    mkdirSync(to, { recursive: true })
    for (const name of readdirSync(from)) {
      if (name !== 'installed.json') symlinkSync(join(from, name), join(to, name))
    }
    const text = readFileSync(join(from, 'installed.json'), 'utf8')
    writeFileSync(join(to, 'installed.json'), text.replaceAll(id, gpu).replaceAll('"tensorflow"', '"tensorflow-gpu"'))
    const { report } = await runPlan(planOf(gpu), { env: { BITFLEET_STATE: other } })
    expect(told(report, gpu, 'fallback')).toMatch(
      /^completed: .*built for NVIDIA GPUs, found none that it can use, and computes on processors/,
    )
    expect(cellOf(report, gpu).facts['lib.tensorflow.device']).toBe('cpu')
  })
})

describe('the size of a pool', () => {
  const several = availableParallelism() > 1
  const skip = needs('pools under an affinity', several, 'this machine has one processor')
  const pools = [
    ...(tensorflow ? [[tensorflow.id, 'pool.tensorflow.intra-op', tensorflow] as const] : []),
    ...(pytorch ? [[pytorch.id, 'pool.pytorch.threads', pytorch] as const] : []),
    ...(numpy ? [[numpy.id, 'pool.openblas', numpy] as const] : []),
  ]
  const factsUnder = async (found: Found, start: Partial<Start> = {}) => {
    const { report } = await runPlan(planOf(found.id), { env: stateWith(found), ...start })
    return cellOf(report, found.id).facts
  }

  it.skipIf(skip).each(pools)('of %s is that of the affinity, and %s says so', async (id, fact, found) => {
    const one = await factsUnder(found, { prefix: ['taskset', '-c', '0'] })
    expect(one).toMatchObject({ 'cpu.affinity': '0', [fact]: '1' })
    const all = await factsUnder(found)
    expect(Number(all[fact])).toBeGreaterThan(1)
    if (id.startsWith('tensorflow')) {
      expect([one, all].map((facts) => facts['pool.tensorflow.intra-op.from'])).toEqual(['affinity', 'affinity'])
    }
  })

  it.skipIf(skip || tensorflow === undefined)(
    'of TensorFlow under a knob is the knob’s, and is said to be',
    async () => {
      const { id } = tensorflow as Found
      const env = stateWith(tensorflow as Found)
      const { report } = await runPlan(planOf(id, '  tensorflow.intraOpThreads: [3]'), { env })
      expect(cellOf(report, id).facts).toMatchObject({
        'pool.tensorflow.intra-op': '3',
        'pool.tensorflow.intra-op.from': 'environment',
      })
    },
  )

  const quota: CpuQuota | undefined = createCpuQuota(1)
  const noQuota = needs('pools under a quota', quota !== undefined, 'no control group can be made here')
  afterAll(() => quota?.remove())

  it.skipIf(skip || noQuota).each(pools)(
    'of %s is not that of a quota: the quota is a fact beside it',
    async (_, fact, found) => {
      const facts = await factsUnder(found, { prefix: quota?.prefix ?? [] })
      expect(facts['cgroup.cpu.max']).toBe('100000 100000')
      expect(Number(facts[fact])).toBe(availableParallelism())
    },
  )
})
