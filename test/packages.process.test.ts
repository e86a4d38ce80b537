import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createNetwork, type Host, hostTools, makePackages, type Network, whyNoHosts } from './e2e/namespaces.ts'
import { needs } from './needs.ts'

const root = resolve(import.meta.dirname, '..')
const skipped = needs(
  'Debian packages',
  spawnSync('dpkg-deb', ['--version']).status === 0,
  'dpkg-deb is not installed',
  'apt-get install dpkg',
)
const why = whyNoHosts()
const skippedHost = needs('installing Debian packages', why === undefined, why ?? '', hostTools)

let dir: string
let packages: { agent: string; runners: string }
/** The agent's package unpacked alone, and with the runners'. */
let alone: string
let both: string

function run(argv: readonly string[], env: Record<string, string> = {}) {
  const [file = '', ...rest] = argv
  return spawnSync(file, rest, {
    encoding: 'utf8',
    cwd: dir,
    timeout: 80_000,
    env: { PATH: process.env.PATH, HOME: dir, BITFLEET_STATE: join(dir, 'state'), ...env },
  })
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'bitfleet-packages-'))
  if (skipped) return
  packages = makePackages(join(dir, 'one'))
  alone = join(dir, 'alone')
  both = join(dir, 'both')
  for (const [file, folder] of [
    [packages.agent, alone],
    [packages.agent, both],
    [packages.runners, both],
  ] as const) {
    const { status, stderr } = run(['dpkg-deb', '--extract', file, folder])
    if (status !== 0) throw new Error(stderr)
  }
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe.skipIf(skipped)('the Debian packages', () => {
  it('have the same bytes when made again', () => {
    const again = makePackages(join(dir, 'two'))
    for (const name of ['agent', 'runners'] as const) {
      expect(readFileSync(again[name]).equals(readFileSync(packages[name])), name).toBe(true)
    }
  })

  it('hold the daemon as one file under 2 MB, which names all it has taken in', () => {
    const file = join(alone, 'usr/lib/bitfleet/bitfleet-agent.mjs')
    expect(statSync(file).size).toBeLessThan(2_000_000)
    const notices = readFileSync(join(alone, 'usr/share/doc/bitfleet-agent/copyright'), 'utf8')
    for (const name of ['commander', 'systeminformation', 'ws', 'zod']) {
      expect(notices).toMatch(new RegExp(`^${name} \\d[\\d.]*, MIT, https:`, 'm'))
    }
    expect(notices).toContain('Apache License')
  })

  it('let the daemon stand alone: it says that it has no runners, and which command adds them', () => {
    const { status, stdout, stderr } = run([join(alone, 'usr/bin/bitfleet-agent'), 'backends', '--json'])
    expect(status, stderr).toBe(0)
    const backends = JSON.parse(stdout) as { id: string; status: string; reason: string; add: string }[]
    expect(backends.map(({ id }) => id)).toContain('js')
    for (const backend of backends) {
      expect(backend).toMatchObject({ status: 'unavailable', add: 'apt-get install bitfleet-runners' })
      expect(backend.reason).toMatch(/^the runners are not installed/)
    }
  })

  it('hold all that runs in the repository, and it runs with nothing but the packages', () => {
    const whole = run([process.execPath, join(root, 'dist/main.js'), 'backends', '--json'])
    const packaged = run([join(both, 'usr/bin/bitfleet-agent'), 'backends', '--json'])
    expect(packaged.status, packaged.stderr).toBe(0)
    expect(JSON.parse(packaged.stdout)).toEqual(JSON.parse(whole.stdout))
  })

  it('compute the same bits as the repository', () => {
    const plan = join(dir, 'plan.yaml')
    writeFileSync(
      plan,
      `
name: packaged
repetitions: 1
workloads:
  - reduce.sum: { dtype: f32, n: 4096, data: uniform }
    factors: { backend: [js, tfjs-cpu, tfjs-wasm], js.order: [sequential, "atomic:2"] }
  - elementary.exp: { dtype: f64, n: 512 }
    factors: { backend: [libm] }
  - train.mlp: { dataset: digits, epochs: 1 }
    factors: { backend: [tfjs-cpu] }
`,
    )
    const traces = (env: Record<string, string>, out: string) => {
      const ended = run(
        [process.execPath, join(root, 'dist/main.js'), 'local', plan, '--out', join(dir, out), '--exit'],
        env,
      )
      expect([0, 1], ended.stderr).toContain(ended.status)
      const { cells } = JSON.parse(readFileSync(join(dir, out, 'report.json'), 'utf8')) as {
        cells: {
          workload: string
          status: string
          traces: unknown
          condition: { backend: string; knobs: Record<string, unknown> }
        }[]
      }
      expect(cells.map(({ status }) => status)).toEqual(cells.map(() => 'completed'))
      // What races ran, and need not have come out the same.
      return cells
        .filter(({ condition }) => condition.knobs.order !== 'atomic:2')
        .map(({ workload, condition, traces: all }) => [workload, condition.backend, all])
    }
    const packaged = traces({ BITFLEET_RUNNERS: join(both, 'usr/lib/bitfleet/runners') }, 'packaged')
    expect(packaged).toHaveLength(5)
    expect(packaged).toEqual(traces({}, 'whole'))
  }, 170_000)

  it('take no runners of another version, nor a folder that has none', () => {
    const other = join(dir, 'other')
    cpSync(join(both, 'usr/lib/bitfleet/runners/agent'), join(other, 'agent'), { recursive: true })
    writeFileSync(join(other, 'package.json'), '{"version":"0.0.1"}')
    const agent = join(alone, 'usr/bin/bitfleet-agent')
    const { stdout } = run([agent, 'backends', '--json'], { BITFLEET_RUNNERS: other })
    expect(stdout).toContain(`the runners in ${other} are 0.0.1, this agent is`)
    const none = run([agent, 'backends'], { BITFLEET_RUNNERS: dir })
    expect([none.status, none.stderr]).toEqual([2, expect.stringContaining(`BITFLEET_RUNNERS names "${dir}"`)])
    expect(run([agent, 'backends'], { BITFLEET_RUNNERS: 'here' }).stderr).toContain('absolute path')
  })

  it('refuse a Node.js that is too old or not there, and say where to name another', () => {
    const old = join(dir, 'old-node')
    writeFileSync(old, '#!/bin/sh\necho v18.20.4\n')
    chmodSync(old, 0o755)
    const agent = join(alone, 'usr/bin/bitfleet-agent')
    for (const [node, what] of [
      [old, `${old} is v18.20.4`],
      [join(dir, 'absent'), 'cannot be run'],
    ] as const) {
      const { status, stderr } = run([agent, 'backends'], { NODE: node })
      expect([status, stderr]).toEqual([2, expect.stringContaining(what)])
      expect(stderr).toContain('NODE=/path')
      // As the settings' file has it.
      const settings = join(alone, 'etc/bitfleet/agent.env')
      const before = readFileSync(settings)
      writeFileSync(settings, `NODE=${node}\n`)
      expect(run([agent, 'backends']).stderr).toContain(what)
      writeFileSync(settings, before)
    }
  })
})

describe.skipIf(skipped || skippedHost)('on a host, the packages', () => {
  let network: Network
  let host: Host
  const shell = (script: string) => host.run(['sh', '-c', script])
  const installed = () => shell('cat /etc/bitfleet/agent.env; ls -A /usr/lib/bitfleet /var/lib/bitfleet-agent')

  beforeAll(async () => {
    network = await createNetwork()
    host = await network.addHost('host', { ownFiles: true })
    mkdirSync(host.path('/tmp/packages'))
    for (const file of Object.values(packages)) cpSync(file, host.path(`/tmp/packages/${file.split('/').at(-1)}`))
  })
  afterAll(() => network?.close())

  it('install, and leave nothing running and nothing enabled', async () => {
    const { code, stdout, stderr } = await shell('dpkg --install /tmp/packages/*.deb')
    expect(code, stderr).toBe(0)
    expect(stdout).toContain('bitfleet-agent enroll URL')
    const { stdout: state } = await shell('stat -c "%U %G %a" /var/lib/bitfleet-agent; id -un bitfleet')
    expect(state).toBe('bitfleet bitfleet 700\nbitfleet\n')
    expect((await shell('ls /etc/systemd/system/*.wants/ | grep bitfleet')).code).toBe(1)
    expect((await shell('pgrep --uid bitfleet')).code).toBe(1)
  })

  it('act as root for the service: as its user, in its folder', async () => {
    const { stdout } = await shell('bitfleet-agent doctor')
    expect(stdout).toMatch(/ state +\/var\/lib\/bitfleet-agent,/)
    // Tools that only root finds are nobody's trouble.
    expect(stdout).not.toContain('EACCES')
    expect((await shell('find /var/lib/bitfleet-agent ! -user bitfleet')).stdout).toBe('')
    expect((await shell('bitfleet backends --json')).stdout).toContain('"js"')
  })

  it('upgrade over themselves, and keep keys and what people wrote', async () => {
    await shell('echo key > /var/lib/bitfleet-agent/key.pem; echo "OMP_NUM_THREADS=1" >> /etc/bitfleet/agent.env')
    const { code, stderr } = await shell('dpkg --install --force-confdef /tmp/packages/*.deb </dev/null')
    expect(code, stderr).toBe(0)
    const { stdout } = await installed()
    expect(stdout).toContain('OMP_NUM_THREADS=1')
    expect(stdout).toContain('key.pem')
  })

  it('go, and leave the key; purged, they leave nothing', async () => {
    await shell(
      'ln -s /usr/lib/systemd/system/bitfleet-agent@.service /etc/systemd/system/multi-user.target.wants/bitfleet-agent@a.service',
    )
    const removed = await shell('dpkg --remove bitfleet-runners bitfleet-agent')
    expect(removed.code, removed.stderr).toBe(0)
    expect((await shell('ls /etc/systemd/system/*.wants/ | grep bitfleet')).code).toBe(1)
    expect((await shell('ls /usr/bin/bitfleet /usr/bin/bitfleet-agent /usr/lib/bitfleet')).stdout).toBe('')
    expect((await shell('cat /var/lib/bitfleet-agent/key.pem')).stdout).toBe('key\n')
    const purged = await shell('dpkg --purge bitfleet-runners bitfleet-agent')
    expect(purged.code, purged.stderr).toBe(0)
    expect((await shell('ls -d /var/lib/bitfleet-agent /etc/bitfleet')).stdout).toBe('')
  })
})
