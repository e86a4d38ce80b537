import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import type { BackendDriver } from '../agent/backends/backend.ts'
import { backends } from '../agent/backends/index.ts'
import { installedDrivers } from '../agent/backends/installed/index.ts'
import { describeKnobs, programEntrySchema } from '../agent/programs/entry.ts'
import { listChoices } from '../agent/provision/choose.ts'
import { providers } from '../agent/provision/providers/index.ts'
import { expandPlan, parsePlan } from '../coordinator/plan/index.ts'
import type { AgentRecord } from '../shared/messages.ts'
import { drawTensor } from '../shared/random/data-kinds.ts'
import { createStream } from '../shared/random/stream.ts'
import { pythonDescriptions } from './python-descriptions.ts'

// The plans of docs/examples/, and what of docs/write-a-plan.md is one: they parse and expand on an agent that has
// every backend, without a note that something in them means nothing.
const folder = new URL('../docs/examples/', import.meta.url)
const plans = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => ({ name, text: readFileSync(new URL(name, folder), 'utf8') }))

const { backends: added } = (await import(new URL('wide-sum.mjs', folder).href)) as { backends: BackendDriver[] }

// Those that can be added, too; a driver imports its library only when it is opened.
const choices = listChoices(providers, { platform: 'linux', arch: 'x64', glibc: '2.36' })
const installed = choices.flatMap(({ id, provider }) =>
  installedDrivers.flatMap((one) => (one.id === provider.id ? [one.driver(id, '/not-there')] : [])),
)
// Those of Python, whose drivers are not in this language.
const python = choices.flatMap(({ id, provider }) => {
  const description = pythonDescriptions[provider.id]
  return description === undefined ? [] : [{ id, ...description }]
})

// The program of docs/your-own-program.md, as its owner lists it there.
const listed = {
  ...{ id: 'mean', title: 'A program', kernels: ['program'] },
  knobs: describeKnobs(
    programEntrySchema.parse({
      id: 'mean',
      command: ['/usr/bin/python3', '/own-program.py'],
      knobs: [{ name: 'order', variable: 'SUM_ORDER', values: ['forward', 'backward'] }],
    }),
  ),
}

const agent: AgentRecord = {
  id: 'a',
  name: 'a',
  labels: { site: 'lab-3' },
  software: '0',
  facts: {},
  attributes: {},
  devices: [],
  slots: 1,
  backends: [...backends, ...installed, ...python, ...added, listed].map(({ id, title, kernels, knobs }) => ({
    id,
    title,
    status: 'ready',
    version: '1',
    kernels: [...kernels],
    knobs: [...knobs],
  })),
}

describe('the plans of docs/examples', () => {
  it('are there', () => expect(plans.length).toBeGreaterThanOrEqual(3))

  it.each(plans)('$name expands, and every part of it means something', ({ name, text }) => {
    const { cells, notes } = expandPlan(parsePlan(text, name), [agent])
    expect(notes).toEqual([])
    for (const id of new Set(cells.map(({ workload }) => workload))) {
      expect(cells.filter(({ workload }) => workload === id).length).toBeGreaterThan(1)
    }
  })
})

it('the plan of docs/write-a-plan.md parses', () => {
  const page = readFileSync(new URL('../docs/write-a-plan.md', import.meta.url), 'utf8')
  const [, text] = /```yaml\n(name: .*?)```/s.exec(page) ?? []
  const digest = `sha256:${'0'.repeat(64)}`
  const plan = parsePlan((text as string).replace('sha256:…', digest), 'write-a-plan.md')
  expect(expandPlan(plan, [agent]).cells.length).toBeGreaterThan(plan.workloads.length)
})

it('the backend of docs/add-a-backend.md sums as the reference does, and says what it lacks', async () => {
  const [driver] = added
  const reference = backends.find(({ id }) => id === 'js')
  if (!driver || !reference) throw new Error('a backend is missing')
  const x = drawTensor('centred', 'f32', [4096], createStream('42', 'input'))
  vi.stubEnv('WIDE_SUM_ACCUMULATOR', 'binary32')
  const narrow = await driver.open({ accumulator: 'binary32' })
  expect(await narrow.effective()).toMatchObject({ settings: { accumulator: 'binary32' } })
  const js = await reference.open({ order: 'sequential' })
  expect(await narrow.kernels.sum?.(x)).toEqual(await js.kernels.sum?.(x))
  expect(await narrow.kernels.sum?.({ dtype: 'f64', shape: [0], bytes: new Uint8Array() })).toHaveProperty(
    'unsupported',
  )
  vi.unstubAllEnvs()
})
