import { type ChildProcess, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Report } from '../../coordinator/report/format.ts'
import { needs } from '../needs.ts'
import { cleanUp, folder, until } from './bitfleet.ts'
import {
  createNetwork,
  type Host,
  type HostEnd,
  hostRepository,
  hostTools,
  makePackages,
  type Network,
  whyNoHosts,
} from './namespaces.ts'

// The units under systemd itself: coordinator and agent as docs/deploy.md sets them up, with everything their sandbox
// forbids forbidden. An agent without a sandbox on a third host is what theirs is held against: hardening changes no bit.

const root = resolve(import.meta.dirname, '../..')
const systemd = '/lib/systemd/systemd'
const why = whyNoHosts() ?? (existsSync(systemd) ? undefined : 'systemd is not installed')
const skipped = needs('the units under systemd', why === undefined, why ?? '', `${hostTools} systemd`)

const plan = `
name: sandbox
seed: 7
repetitions: 2
workloads:
  - reduce.dot: { dtype: f32, n: 65536, data: centred }
    factors: { backend: [js, tfjs-cpu, tfjs-wasm, openblas, blis] }
  - elementary.exp: { dtype: f64, n: 4096 }
    factors: { backend: [js, libm] }
  - train.mlp: { dataset: digits, epochs: 1 }
    factors: { backend: [tfjs-cpu, tfjs-wasm] }
`

let network: Network
let desk: Host
let boxed: Host
let bare: Host
let bareAgent: ChildProcess
let dir: string
let url: string

function worked(end: HostEnd): HostEnd {
  if (end.code !== 0) throw new Error(`ended with ${end.code}: ${end.stdout}${end.stderr}`)
  return end
}

const store = '/var/lib/bitfleet-coordinator'
const bitfleet = (...argv: string[]) =>
  desk.run(['/opt/bitfleet/bin/bitfleet', ...argv, '--store', store], {
    limitMs: 100_000,
  })
const shell = async (host: Host, script: string) => worked(await host.run(['sh', '-ec', script])).stdout
const state = async (host: Host, unit: string) => (await host.run(['systemctl', 'is-active', unit])).stdout.trim()
const journal = async (host: Host, unit: string) => (await host.run(['journalctl', '-o', 'cat', '-u', unit])).stdout

async function connected(): Promise<string[]> {
  const { stdout } = await bitfleet('agents', 'list', '--json')
  const agents = JSON.parse(stdout || '[]') as { name: string; connected: boolean }[]
  return agents.flatMap((agent) => (agent.connected ? [agent.name] : [])).sort()
}

async function install(host: Host, packages: { agent: string; runners: string }): Promise<void> {
  for (const file of Object.values(packages)) cpSync(file, host.path(`/tmp/${file.split('/').at(-1)}`))
  await shell(host, 'dpkg --install /tmp/*.deb')
  cpSync(join(dir, 'tls/ca.crt'), host.path('/etc/bitfleet/ca.crt'))
  writeFileSync(host.path('/etc/bitfleet/agent.env'), 'BITFLEET_CA_FILE="/etc/bitfleet/ca.crt"\n', { flag: 'a' })
  const { stdout: token } = worked(await bitfleet('token', 'create'))
  worked(await host.run(['bitfleet-agent', 'enroll', url], { input: token }))
}

beforeAll(async () => {
  if (skipped) return
  dir = folder()
  const packages = makePackages(join(dir, 'packages'))
  network = await createNetwork()
  desk = await network.addHost('desk', { systemd: true })
  boxed = await network.addHost('boxed', { systemd: true })
  bare = await network.addHost('bare', { ownFiles: true })
  for (const host of [desk, boxed]) {
    await until(`systemd on ${host.name}`, async () => (await host.run(['systemctl', 'is-system-running'])).code === 0)
  }

  url = `https://${desk.address}:7575`
  const made = spawnSync(
    'sh',
    [join(root, 'deploy/tls/make-certificates.sh'), join(dir, 'tls'), desk.address, '127.0.0.1'],
    { encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(made.stderr)
  // What `npm install --global --prefix /opt/bitfleet` makes, and what docs/deploy.md copies.
  mkdirSync(desk.path('/opt/bitfleet/bin'), { recursive: true })
  symlinkSync(join(hostRepository, 'dist/main.js'), desk.path('/opt/bitfleet/bin/bitfleet'))
  cpSync(join(dir, 'tls'), desk.path('/etc/bitfleet/tls'), { recursive: true })
  const units = join(root, 'deploy/systemd')
  cpSync(join(units, 'bitfleet-coordinator.service'), desk.path('/etc/systemd/system/bitfleet-coordinator.service'))
  cpSync(join(units, 'bitfleet-coordinator.sysusers.conf'), desk.path('/etc/sysusers.d/bitfleet-coordinator.conf'))
  await shell(
    desk,
    'systemd-sysusers; chown bitfleet-coordinator /etc/bitfleet/tls/coordinator.key; systemctl daemon-reload; systemctl enable --now bitfleet-coordinator',
  )
  await until('the coordinator', async () => {
    if ((await state(desk, 'bitfleet-coordinator')) !== 'active') {
      throw new Error(await journal(desk, 'bitfleet-coordinator'))
    }
    return (await journal(desk, 'bitfleet-coordinator')).includes('7575')
  })

  await install(boxed, packages)
  await install(bare, packages)
  writeFileSync(boxed.path('/etc/bitfleet/agent.env'), 'OMP_NUM_THREADS=1\n', { flag: 'a' })
  await shell(boxed, 'systemctl enable --now bitfleet-agent')
  bareAgent = bare.start(['bitfleet-agent', 'start'], { env: { OMP_NUM_THREADS: '1' } })
  bareAgent.stderr?.resume()
  await until('two agents', async () => (await connected()).join() === 'bare,boxed').catch(async (error: unknown) => {
    throw new Error(`${(await bitfleet('agents', 'list')).stdout}\n${await journal(boxed, 'bitfleet-agent')}`, {
      cause: error,
    })
  })
}, 120_000)

afterAll(async () => {
  await network?.close()
  cleanUp()
})

describe.skipIf(skipped)('under systemd', () => {
  it('an agent in its sandbox computes the same bits as one without', async () => {
    const file = '/tmp/plan.yaml'
    writeFileSync(desk.path(file), plan)
    const { stdout, stderr } = await bitfleet('run', file, '--watch', '--json')
    const report = JSON.parse(stdout || `"${stderr}"`) as Report
    const of = (name: string) => {
      const agent = report.agents.find((candidate) => candidate.name === name)?.id
      return report.cells
        .filter((cell) => cell.agent === agent)
        .map(({ workload, condition, status, traces }) => ({ workload, backend: condition.backend, status, traces }))
    }
    expect(of('boxed')).toHaveLength(9)
    expect(of('boxed')).toEqual(of('bare'))
    // What this machine has runs in the sandbox, too.
    expect(of('boxed').filter(({ status }) => status === 'completed').length).toBeGreaterThanOrEqual(7)
    const inForce = report.cells.flatMap(({ status, ambient }) => (status === 'completed' ? [ambient] : []))
    expect(new Set(inForce.map((ambient) => ambient?.OMP_NUM_THREADS))).toEqual(new Set(['1']))
    expect(new Set(report.agents.map(({ facts }) => facts['env.OMP_NUM_THREADS']))).toEqual(new Set(['1']))
  })

  it('the services run as users of their own, and the keys are theirs', async () => {
    for (const [host, unit, user, place] of [
      [desk, 'bitfleet-coordinator', 'bitfleet-coordinator', store],
      [boxed, 'bitfleet-agent', 'bitfleet', '/var/lib/bitfleet-agent'],
    ] as const) {
      expect(await shell(host, `ps -o user:32= -p $(systemctl show -P MainPID ${unit})`)).toBe(`${user}\n`)
      expect(
        await shell(
          host,
          `stat -c '%U %a' ${place}; find ${place} -type f \\( -name '*.pem' -o -name '*.key' \\) -perm /077`,
        ),
      ).toBe(`${user} 700\n`)
    }
    expect(await shell(desk, "stat -c '%U %a' /etc/bitfleet/tls/*.key")).toBe('root 600\nbitfleet-coordinator 600\n')
  })

  it('an agent that is killed is started again; one that is stopped ends in order', async () => {
    const pid = (await shell(boxed, 'systemctl show -P MainPID bitfleet-agent')).trim()
    await shell(
      boxed,
      `mkdir -p /run/systemd/system/bitfleet-agent.service.d
      printf '[Service]\\nRestartSec=1\\n' > /run/systemd/system/bitfleet-agent.service.d/soon.conf
      systemctl daemon-reload; kill -9 ${pid}`,
    )
    await until('another process', async () => {
      const now = (await shell(boxed, 'systemctl show -P MainPID bitfleet-agent')).trim()
      return now !== pid && now !== '0' && (await connected()).includes('boxed')
    })
    await shell(boxed, 'systemctl stop bitfleet-agent')
    expect(await shell(boxed, 'systemctl show -P Result -P ExecMainStatus bitfleet-agent')).toBe('success\n0\n')
    expect(await connected()).toEqual(['bare'])
  })

  it('an agent that drained stays ended until it is started', async () => {
    await shell(boxed, 'systemctl start bitfleet-agent')
    await until('the agent in its sandbox', async () => (await connected()).includes('boxed'))
    // As root, from outside of the sandbox.
    expect((await boxed.run(['bitfleet-agent', 'status'])).code).toBe(0)
    worked(await boxed.run(['bitfleet-agent', 'drain', '--wait']))
    await until('its end', async () => (await state(boxed, 'bitfleet-agent')) === 'inactive')
    expect(await shell(boxed, 'systemctl show -P Result -P ExecMainStatus bitfleet-agent')).toBe('success\n0\n')
    expect(await connected()).toEqual(['bare'])
  })

  it('the coordinator takes a renewed certificate, and no line ends', async () => {
    const serial = () =>
      shell(desk, `openssl s_client -connect ${desk.address}:7575 </dev/null 2>/dev/null | openssl x509 -noout -serial`)
    const [before, agents] = [await serial(), await journal(desk, 'bitfleet-coordinator')]
    cpSync(join(root, 'deploy/tls/make-certificates.sh'), desk.path('/tmp/make-certificates.sh'))
    await shell(
      desk,
      `sh /tmp/make-certificates.sh /etc/bitfleet/tls ${desk.address} 127.0.0.1
      chown bitfleet-coordinator /etc/bitfleet/tls/coordinator.key; systemctl reload bitfleet-coordinator`,
    )
    await until('another certificate', async () => (await serial()) !== before)
    const said = (await journal(desk, 'bitfleet-coordinator')).slice(agents.length)
    expect(said).not.toMatch(/agent a-/)
    expect(await connected()).toContain('bare')
  })

  it('the coordinator stops in order, and its agents come back to it', async () => {
    await shell(desk, 'systemctl restart bitfleet-coordinator')
    await until('the agent without a sandbox', async () => (await connected()).includes('bare'))
    const { stdout } = worked(await bitfleet('fsck', '--json'))
    expect((JSON.parse(stdout) as { problems: unknown[] }).problems).toEqual([])
  })
})
