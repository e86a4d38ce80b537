import type { ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatNpy, parseNpy } from '../../shared/npy.ts'
import { digestOf } from '../../shared/digest.ts'
import type { Report } from '../../coordinator/report/format.ts'
import { tensorFromBits } from '../../shared/tensor.ts'
import { api, bitfleet, cleanUp, end, folder, readExport, readReport, start, until } from './bitfleet.ts'

// Two agents started by hand, one of them with other settings in its environment, and a coordinator between them.

let dir: string
let store: string
let url: string
const processes: ChildProcess[] = []

function agent(name: string, env: Record<string, string>): ChildProcess {
  const child = start(
    [
      'agent',
      'start',
      '--coordinator',
      url,
      '--token-file',
      join(store, 'agent.token'),
      '--name',
      name,
      '--label',
      `which=${name}`,
    ],
    { env: { BITFLEET_STATE: join(dir, 'state'), ...env } },
  )
  processes.push(child)
  return child
}

const agents = async () => {
  const response = await api(store, '/api/agents')
  return (await response.json()) as { name?: string; connected?: boolean }[]
}

beforeAll(async () => {
  dir = folder()
  store = join(dir, 'store')
  processes.push(start(['coordinator', '--store', store, '--port', '0']))
  const address = join(store, 'coordinator.json')
  await until('the coordinator', () => existsSync(address))
  url = (JSON.parse(readFileSync(address, 'utf8')) as { url: string }).url
  agent('plain', {})
  agent('other', { GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-FMA', OPENBLAS_NUM_THREADS: '1', NOT_FOR_RUNNERS: 'secret' })
  await until('two agents', async () => JSON.stringify(await agents()).split('"which"').length > 2)
})

afterAll(async () => {
  for (const child of processes.reverse()) await end(child)
  cleanUp()
})

describe('two agents by hand', () => {
  let report: Report

  it('run one plan, and the report compares them and shows the facts that differ', async () => {
    const plan = join(dir, 'plan.yaml')
    writeFileSync(
      plan,
      `
name: two agents
seed: 42
workloads:
  - reduce.sum: { dtype: f32, n: 4096, data: uniform }
  - elementary.exp: { dtype: f64, n: 4096 }
    factors: { backend: [libm, js] }
factors:
  backend: [js]
`,
    )
    const { code, stdout, stderr } = await bitfleet(['run', plan, '--watch', '--store', store])
    expect([0, 1], stderr).toContain(code)
    const run = /\b\d{8}-\d{6}-[0-9a-f]+/.exec(stdout + stderr)?.[0] ?? ''
    const out = join(dir, 'report')
    expect((await bitfleet(['report', run, '--store', store, '--out', out, '--artifacts'])).code).toBe(0)
    report = readReport(out)
    expect(report.agents.map(({ name }) => name).sort()).toEqual(['other', 'plain'])
    expect(new Set(report.agents.map(({ id }) => id)).size).toBe(2)
    const sum = report.comparisons.find(({ workload }) => workload === 'reduce.sum')
    expect(sum?.verdict).toBe('identical')
    expect(sum?.classes[0]?.cells).toHaveLength(2)
    const other = report.agents.find(({ name }) => name === 'other')?.id
    const facts = report.cells.filter((cell) => cell.agent === other).map((cell) => cell.facts['env.GLIBC_TUNABLES'])
    expect(new Set(facts)).toEqual(new Set(['glibc.cpu.hwcaps=-FMA']))
    expect(JSON.stringify(report)).not.toContain('NOT_FOR_RUNNERS')
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('env.GLIBC_TUNABLES')
  })

  it('aims at one of them by its label', async () => {
    const plan = join(dir, 'aimed.yaml')
    writeFileSync(
      plan,
      'name: aimed\nagents: { which: other }\nworkloads: [ reduce.sum: { dtype: f32, n: 8, data: uniform } ]\nfactors: { backend: [js] }\n',
    )
    const { code, stdout } = await bitfleet(['run', plan, '--watch', '--json', '--store', store])
    expect(code).toBe(0)
    expect((JSON.parse(stdout) as Report).agents.map(({ name }) => name)).toEqual(['other'])
  })

  it("carries a user's own array to them and back without a change of its bits", async () => {
    const hostile = tensorFromBits('f32', [6], ['7fa00001', 'ffc12345', '80000000', '00000001', '807fffff', '7f800000'])
    writeFileSync(join(dir, 'u.npy'), formatNpy(hostile))
    const plan = join(dir, 'own.yaml')
    writeFileSync(
      plan,
      `name: own\nworkloads: [ reduce.sum: { dtype: f32, input: { file: u.npy, digest: "${digestOf(hostile.bytes)}" } } ]\nfactors: { backend: [js, tfjs-cpu] }\n`,
    )
    const { stdout, code } = await bitfleet(['run', plan, '--watch', '--json', '--store', store])
    expect([0, 1]).toContain(code)
    const { run } = JSON.parse(stdout) as Report
    const out = join(dir, 'own')
    await bitfleet(['report', run.id, '--store', store, '--out', out, '--artifacts', 'all'])
    const entry = readExport(out).find(({ digest }) => digest === digestOf(hostile.bytes))
    const exported = parseNpy(readFileSync(join(out, 'artifacts', entry?.file ?? '')))
    expect(digestOf(exported.bytes)).toBe(digestOf(hostile.bytes))
  })

  it('refuses an agent without the token, and says so', async () => {
    const wrong = join(dir, 'wrong.token')
    writeFileSync(wrong, 'no-such-token\n')
    const { code, stderr } = await bitfleet([
      'agent',
      'start',
      '--coordinator',
      url,
      '--token-file',
      wrong,
      '--name',
      'stranger',
    ])
    expect(code).toBe(2)
    expect(stderr).toMatch(/token/)
    expect(stderr).not.toContain('no-such-token')
  })

  it('keeps its tokens to their owner', () => {
    for (const name of ['agent.token', 'api.token']) expect(statSync(join(store, name)).mode & 0o777).toBe(0o600)
  })

  it('refuses a second coordinator on the same store', async () => {
    const { code, stderr } = await bitfleet(['coordinator', '--store', store, '--port', '0'])
    expect(code).toBe(2)
    expect(stderr).toMatch(/pid|process/)
  })

  it('refuses a second agent of the same name and state, and names the remedy', async () => {
    const { code, stderr } = await bitfleet(
      ['agent', 'start', '--coordinator', url, '--token-file', join(store, 'agent.token'), '--name', 'plain'],
      { env: { BITFLEET_STATE: join(dir, 'state') } },
    )
    expect(code).toBe(2)
    expect(stderr).toMatch(/--name/)
  })
})
