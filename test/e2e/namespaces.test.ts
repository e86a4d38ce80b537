import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Report } from '../../coordinator/report/format.ts'
import { needs } from '../needs.ts'
import { cleanUp, folder, until } from './bitfleet.ts'
import {
  collect,
  createNetwork,
  type Host,
  type HostEnd,
  hostTools,
  makePackages,
  type Network,
  whyNoHosts,
} from './namespaces.ts'

// docs/deploy.md on three hosts: a coordinator behind TLS of the lab's own authority, and two agents from the Debian
// packages, each with other numeric settings. The last acts are a link that dies in silence, a drain and a revocation.

const root = resolve(import.meta.dirname, '../..')
const main = join(root, 'dist', 'main.js')
const why = whyNoHosts()
const skipped = needs('three hosts', why === undefined, why ?? '', hostTools)

const settings = {
  one: { OPENBLAS_CORETYPE: 'Nehalem' },
  two: { GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-FMA' },
} as const
type Name = keyof typeof settings

const plan = `
name: three machines
seed: 42
repetitions: 6
agents: { site: lab-3 }
workloads:
  - reduce.sum: { dtype: f32, n: 1048576, data: uniform }
    factors: { backend: [js], js.order: [sequential, pairwise, exact] }
  - elementary.exp: { dtype: f64, n: 4096 }
    factors: { backend: [js, libm] }
`

let network: Network
let desk: Host
let dir: string
let store: string
let url: string
const machines = {} as Record<Name, Host>
const agents = {} as Record<Name, { process: ChildProcess; id: string; log: () => string }>

/** How enrolling ended on a machine that was not told of the lab's authority. */
const strangers = {} as Record<Name, HostEnd>

function worked(end: HostEnd): HostEnd {
  if (end.code !== 0) throw new Error(`ended with ${end.code}: ${end.stdout}${end.stderr}`)
  return end
}

/** `bitfleet` on the coordinator's host. */
async function bitfleet(...argv: string[]) {
  return desk.run([process.execPath, main, ...argv, '--store', store], {
    env: { BITFLEET_STATE: join(dir, 'state') },
    limitMs: 170_000,
  })
}

async function json<T>(...argv: string[]): Promise<T> {
  const { stdout, stderr } = await bitfleet(...argv, '--json')
  try {
    return JSON.parse(stdout) as T
  } catch {
    throw new Error(`bitfleet ${argv.join(' ')}: ${stderr}`)
  }
}

const isConnected = async (name: Name) =>
  (await json<{ id: string; connected: boolean }[]>('agents', 'list')).some(
    ({ id, connected }) => id === agents[name].id && connected,
  )

function startAgent(name: Name, id: string): void {
  const child = machines[name].start(['bitfleet-agent', 'start'], { env: settings[name] })
  const log = collect(child, 'stderr')
  agents[name] = { process: child, id, log }
}

async function addMachine(name: Name, packages: { agent: string; runners: string }): Promise<void> {
  const machine = await network.addHost(name, { ownFiles: true })
  machines[name] = machine
  for (const file of Object.values(packages)) cpSync(file, machine.path(`/tmp/${file.split('/').at(-1)}`))
  worked(await machine.run(['sh', '-c', 'dpkg --install /tmp/*.deb']))

  const { stdout: token } = worked(
    await bitfleet('token', 'create', '--label', 'site=lab-3', '--label', `which=${name}`),
  )
  const enrol = ['bitfleet-agent', 'enroll', url]
  strangers[name] = await machine.run([...enrol, '--name', 'stranger'], { input: token })
  cpSync(join(dir, 'tls', 'ca.crt'), machine.path('/etc/bitfleet/ca.crt'))
  appendFileSync(machine.path('/etc/bitfleet/agent.env'), 'BITFLEET_CA_FILE=/etc/bitfleet/ca.crt\n')
  const { stdout, stderr } = worked(await machine.run(enrol, { input: token }))
  if ((stdout + stderr).includes(token.trim())) throw new Error('the token is repeated')
  startAgent(name, stdout.trim())
}

beforeAll(async () => {
  if (skipped) return
  dir = folder()
  store = join(dir, 'store')
  const packages = makePackages(join(dir, 'packages'))
  network = await createNetwork()
  desk = await network.addHost('desk')
  const certificates = join(dir, 'tls')
  const made = spawnSync(
    'sh',
    [join(root, 'deploy/tls/make-certificates.sh'), certificates, 'coordinator.lab', desk.address, '127.0.0.1'],
    { encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(made.stderr)
  const coordinator = desk.start(
    [
      ...[process.execPath, main, 'coordinator', '--store', store, '--host', desk.address, '--port', '7575'],
      ...['--tls-cert', join(certificates, 'coordinator.crt'), '--tls-key', join(certificates, 'coordinator.key')],
    ],
    { env: { BITFLEET_STATE: join(dir, 'state') } },
  )
  const said = collect(coordinator, 'stdout')
  const complained = collect(coordinator, 'stderr')
  url = `https://${desk.address}:7575`
  await until('the coordinator', () => {
    if (coordinator.exitCode !== null) throw new Error(complained())
    return said().includes('Coordinator at https:')
  })
  await addMachine('one', packages)
  await addMachine('two', packages)
  await until('two agents', async () => (await isConnected('one')) && (await isConnected('two')))
}, 120_000)

afterAll(async () => {
  await network?.close()
  cleanUp()
})

async function submit(): Promise<string> {
  const file = join(dir, 'plan.yaml')
  writeFileSync(file, plan)
  const { stdout, stderr, code } = await bitfleet('run', file)
  expect(code, stderr).toBe(0)
  return stdout.trim()
}

const ended = (run: string) =>
  readFileSync(join(store, 'journal', 'journal.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('"kind":"execution"') && line.includes(run)).length

async function reportOf(run: string): Promise<Report> {
  let text = ''
  await until(
    `the end of run ${run}`,
    async () => {
      text = (await bitfleet('report', run, '--format', 'json')).stdout
      return text !== ''
    },
    120_000,
  )
  return JSON.parse(text) as Report
}

/** A report but for its run's id and times, and what its executions used. */
function comparable(report: Report) {
  return { ...report, run: undefined, cells: report.cells.map((cell) => ({ ...cell, resources: undefined })) }
}

describe.skipIf(skipped)('three hosts', () => {
  let faultFree: Report

  it('hand no token to a coordinator whose certificate they cannot check', () => {
    for (const { code, stderr } of Object.values(strangers)) {
      expect(code).toBe(2)
      expect(stderr).toMatch(/certificate|authority|issuer/i)
    }
  })

  it('run one plan, and the report shows what differs between them', async () => {
    faultFree = await reportOf(await submit())
    const names = faultFree.agents.map(({ id, name }) => `${name} ${id}`)
    expect(names.sort()).toEqual([`one ${agents.one.id}`, `two ${agents.two.id}`])
    for (const name of ['one', 'two'] as const) {
      const { id } = agents[name]
      const facts = Object.entries(faultFree.agents.find((agent) => agent.id === id)?.facts ?? {})
      const variables = Object.entries(settings[name])
      const environment = variables.map(([variable, value]) => [`env.${variable}`, value])
      expect(facts.filter(([fact]) => /CORETYPE|TUNABLES/.test(fact))).toEqual(environment)
      const cells = faultFree.cells.filter(({ agent }) => agent === id)
      expect(cells.length).toBeGreaterThan(0)
      for (const { ambient } of cells) expect(ambient).toMatchObject(settings[name])
    }
    expect(new Set(faultFree.cells.map(({ status }) => status))).toEqual(new Set(['completed']))
    const sum = faultFree.comparisons.find(({ workload }) => workload === 'reduce.sum')
    expect(sum?.classes.flatMap(({ cells }) => cells)).toHaveLength(6)
    const { stdout } = await bitfleet('report', faultFree.run.id, '--format', 'html')
    expect(stdout).toContain('env.GLIBC_TUNABLES')
    expect(stdout).toContain('env.OPENBLAS_CORETYPE')
  })

  it('lose a link in silence in the middle of a run, and make the same report', async () => {
    const run = await submit()
    const all = faultFree.cells.reduce((sum, { repetitions }) => sum + repetitions, 0)
    await until('a third of the results', () => ended(run) >= all / 3)
    expect(ended(run)).toBeLessThan(all)
    network.cut(machines.two)
    const cutAt = performance.now()
    await until('that the coordinator notices', async () => !(await isConnected('two')), 45_000)
    expect(performance.now() - cutAt).toBeLessThan(46_000)
    expect(await isConnected('one')).toBe(true)
    network.mend(machines.two)
    expect(comparable(await reportOf(run))).toEqual(comparable(faultFree))
    expect(await isConnected('two')).toBe(true)
  })

  it('let an agent drain, which then ends', async () => {
    const { process: agent, log } = agents.one
    const exited = once(agent, 'exit')
    const drained = await machines.one.run(['bitfleet-agent', 'drain', '--wait'])
    expect(drained.code, drained.stderr).toBe(0)
    expect(await Promise.race([exited, delay(20_000, ['still running'])]), log()).toEqual([0, null])
    expect(await isConnected('one')).toBe(false)
  })

  it('lose an agent that is revoked, within five seconds, and it says why', async () => {
    const { process: agent, id, log } = agents.two
    const exited = once(agent, 'exit')
    expect((await bitfleet('agents', 'revoke', id, '--reason', 'its disk was sold')).code).toBe(0)
    await until('that its line is closed', async () => !(await isConnected('two')), 5_000)
    const [code] = (await Promise.race([exited, delay(20_000, ['still running'])])) as [number | string]
    expect(code, log()).not.toBe('still running')
    expect(code, log()).not.toBe(0)
    expect(log()).toContain('its disk was sold')
    const again = await machines.two.run(['bitfleet-agent', 'start'], { limitMs: 30_000 })
    expect(again.code).not.toBe(0)
    expect(again.stderr).toContain('its disk was sold')
  })
})

describe.skipIf(skipped)('the rehearsal of docs/deploy.md', () => {
  it('goes as the page says, and leaves nothing', async () => {
    const page = readFileSync(join(root, 'docs/deploy.md'), 'utf8')
    const script = /^```bash\n(.*?)^```$/ms.exec(page)?.[1] ?? ''
    const host = await network.addHost('rehearsal', { ownFiles: true })
    const { code, stdout, stderr } = await host.run(
      ['bash', '-ec', `cd "$1"\n"$NODE" deploy/debian/build.mjs > /tmp/built\n${script}`, 'bash', root],
      { limitMs: 110_000 },
    )
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(/reduce\.sum by js\.order/)
    expect(stdout).toMatch(/ one +away /)
    expect(stdout).toMatch(/ two +revoked /)
    expect((await host.run(['ip', 'netns', 'list'])).stdout).toBe('')
    expect((await host.run(['sh', '-c', 'ip -brief link show; ls /tmp'])).stdout).not.toMatch(/bf-|tmp\./)
  })
})
