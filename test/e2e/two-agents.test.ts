import type { ChildProcess } from 'node:child_process'
import { cpSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatNpy, parseNpy } from '../../shared/npy.ts'
import { digestOf } from '../../shared/digest.ts'
import type { Report } from '../../coordinator/report/format.ts'
import { tensorFromBits } from '../../shared/tensor.ts'
import {
  bitfleet,
  cleanUp,
  createToken,
  end,
  folder,
  readExport,
  readReport,
  start,
  startAgent,
  startCoordinator,
  until,
} from './bitfleet.ts'

// Two agents started by hand, one of them with other settings in its environment, and a coordinator between them.

let dir: string
let store: string
let url: string
const processes: ChildProcess[] = []

const stateOf = () => ({ BITFLEET_STATE: join(dir, 'state') })

async function agent(name: string, env: Record<string, string>): Promise<void> {
  const argv = ['--name', name, '--label', `which=${name}`]
  processes.push(await startAgent(store, url, argv, { env: { ...stateOf(), ...env } }))
}

const agents = async () => {
  const { stdout } = await bitfleet(['agents', 'list', '--json', '--store', store])
  return JSON.parse(stdout) as { id: string; name: string; connected: boolean; standing: string; labels: object }[]
}

beforeAll(async () => {
  dir = folder()
  store = join(dir, 'store')
  const coordinator = await startCoordinator(store)
  processes.push(coordinator.child)
  url = coordinator.url
  await agent('plain', {})
  await agent('other', {
    GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-FMA',
    OPENBLAS_NUM_THREADS: '1',
    NOT_FOR_RUNNERS: 'secret',
  })
  await until('two agents', async () => (await agents()).filter(({ connected }) => connected).length === 2)
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
    const other = report.agents.find(({ name }) => name === 'other')
    expect(other?.facts['env.GLIBC_TUNABLES']).toBe('glibc.cpu.hwcaps=-FMA')
    const inForce = report.cells.filter(({ agent }) => agent === other?.id).map(({ ambient }) => ambient)
    expect(inForce).toEqual(inForce.map(() => expect.objectContaining({ GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-FMA' })))
    expect(inForce.length).toBeGreaterThan(0)
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
    // One cell: nothing is compared.
    expect(code).toBe(3)
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

  it('refuses an agent with a token that is none, unknown, or used already', async () => {
    const enroll = (token: string) =>
      bitfleet(['agent', 'enroll', url, '--name', 'stranger'], { env: stateOf(), input: token })
    const none = await enroll('no-such-token\n')
    expect([none.code, none.stderr]).toEqual([2, expect.stringMatching(/this is no token/)])
    expect(none.stderr).not.toContain('no-such-token')
    const token = await createToken(store)
    const fingerprint = token.slice(-64)
    const unknown = await enroll(`bft1_${'A'.repeat(43)}_${fingerprint}`)
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringMatching(/token is not known here/)])
    const other = await enroll(`${token.slice(0, -64)}${'0'.repeat(64)}`)
    expect([other.code, other.stderr]).toEqual([2, expect.stringMatching(/enrolment is for another coordinator/)])
    expect((await enroll(token)).code).toBe(0)
    const again = await bitfleet(['agent', 'enroll', url, '--name', 'thief'], { env: stateOf(), input: token })
    expect([again.code, again.stderr]).toEqual([2, expect.stringMatching(/used already, by another key/)])
    const audit = await bitfleet(['audit', '--store', store])
    expect(audit.stdout).toMatch(/was refused to the key [0-9a-f]{16}: the token was used already/)
    expect(audit.stdout).not.toContain(token.slice(5, 48))
  })

  it('keeps its keys and tokens to their owner, and no secret among its arguments', async () => {
    const modes = ['coordinator.key', 'api.token'].map((name) => statSync(join(store, name)).mode & 0o777)
    const key = statSync(join(dir, 'state', 'agents', 'plain', 'key.pem')).mode & 0o777
    expect([...modes, key]).toEqual([0o600, 0o600, 0o600])
    const argv = processes.map(({ pid }) => readFileSync(`/proc/${pid}/cmdline`, 'utf8')).join()
    expect(argv).not.toContain('bft1_')
  })

  it('refuses a second coordinator on the same store', async () => {
    const { code, stderr } = await bitfleet(['coordinator', '--store', store, '--port', '0'])
    expect(code).toBe(2)
    expect(stderr).toMatch(/pid|process/)
  })

  it('refuses a second agent of the same name and state, and names the remedy', async () => {
    const { code, stderr } = await bitfleet(['agent', 'start', '--name', 'plain'], { env: stateOf() })
    expect(code).toBe(2)
    expect(stderr).toMatch(/--name/)
  })

  it('finds out that a state folder was copied, and locks both', async () => {
    await agent('original', {})
    const row = async () => (await agents()).find(({ name }) => name === 'original')
    await until('the original', async () => (await row())?.connected === true)
    const original = processes.at(-1) as ChildProcess
    const said = outputOf(original)
    cpSync(join(dir, 'state', 'agents', 'original'), join(dir, 'copied', 'agents', 'original'), {
      recursive: true,
      // No socket can be copied.
      filter: (path) => !/(lock\.\d+|control\/socket)$/.test(path),
    })
    const copy = start(['agent', 'start', '--name', 'original'], { env: { BITFLEET_STATE: join(dir, 'copied') } })
    processes.push(copy)
    // The copy goes on in the chain of connections, and so is taken; the original then comes back to its own place.
    await until('the end of the original', () => original.exitCode !== null)
    await until('the end of the copy', () => copy.exitCode !== null)
    expect([original.exitCode, copy.exitCode]).toEqual([2, 2])
    expect(said()).toMatch(/is locked: its state folder was copied/)
    expect(await row()).toMatchObject({ standing: 'locked', connected: false })
  })

  it('revokes one: its line closes, it ends and says why, and does not come back', async () => {
    const { id } = (await agents()).find(({ name }) => name === 'other') as { id: string }
    const other = processes[2] as ChildProcess
    const said = outputOf(other)
    const revoked = await bitfleet(['agents', 'revoke', id, '--reason', 'sold', '--store', store])
    expect([revoked.code, revoked.stdout]).toEqual([0, expect.stringMatching(/revoked/)])
    await until('its end', () => other.exitCode !== null, 5_000)
    expect(other.exitCode).toBe(2)
    expect(said()).toMatch(/is revoked: sold/)
    const back = await bitfleet(['agent', 'start', '--name', 'other'], { env: stateOf() })
    expect([back.code, back.stderr]).toEqual([2, expect.stringMatching(/is revoked: sold; `bitfleet agent reset`/)])
    const list = await bitfleet(['agents', 'list', '--store', store])
    expect(list.stdout).toMatch(/other +revoked/)
    expect((await bitfleet(['agents', 'prune', '--store', store])).stdout.split('\n')).toContain(id)
  })
})

function outputOf(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return () => text
}
