import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { needs } from './needs.ts'

const folder = resolve(import.meta.dirname, '../deploy/systemd')
const units = ['bitfleet-agent.service', 'bitfleet-agent@.service', 'bitfleet-coordinator.service']
const skipped = needs(
  'systemd-analyze of the units',
  spawnSync('systemd-analyze', ['--version']).status === 0,
  'systemd-analyze is not installed',
  'apt-get install systemd',
)

/** Exposure as systemd weighs it, from 0 (none) to 10: what is left is the network and, for agents, the GPUs. */
const bounds: Readonly<Record<string, number>> = {
  'bitfleet-agent.service': 2.0,
  'bitfleet-agent@.service': 2.0,
  'bitfleet-coordinator.service': 1.5,
}

const settings = (unit: string) =>
  readFileSync(join(folder, unit), 'utf8')
    .split('\n')
    .filter((line) => /^\w+=/.test(line))
    .map((line): [string, string] => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])

describe.each(units)('%s', (unit) => {
  it('sets nothing that could change what is computed', () => {
    const changing =
      /^(CPU|AllowedCPUs|NUMA|Nice|Memory(Max|High|Swap)|IOWeight|LimitAS|LimitDATA|LimitSTACK|Personality)/
    const set = settings(unit).map(([name]) => name)
    expect(set.length).toBeGreaterThan(20)
    expect(set.filter((name) => changing.test(name))).toEqual([])
  })

  it('lets V8 compile, and gives time to end in order', () => {
    const set = Object.fromEntries(settings(unit))
    expect(set).toMatchObject({ MemoryDenyWriteExecute: 'no', KillMode: 'mixed', NoNewPrivileges: 'yes' })
    expect(Number(set.TimeoutStopSec)).toBeGreaterThan(30)
  })

  it('has no secret in its command or environment', () => {
    const said = settings(unit).filter(([name]) => /^(Exec|Environment$)/.test(name))
    expect(said.map(([, value]) => value).join('\n')).not.toMatch(/token|secret|password/i)
  })
})

describe('the two kinds of agents', () => {
  it('differ in their names and settings alone', () => {
    const [one = '', several = ''] = units
    const shared = (unit: string) =>
      settings(unit).filter(([name]) => !['Description', 'EnvironmentFile', 'ExecStart'].includes(name))
    expect(shared(several)).toEqual(shared(one))
  })
})

describe.skipIf(skipped)('systemd', () => {
  let copies: string
  beforeAll(() => {
    copies = mkdtempSync(join(tmpdir(), 'bitfleet-units-'))
    // Programs are installed elsewhere than here.
    for (const unit of units) {
      const text = readFileSync(join(folder, unit), 'utf8').replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true')
      writeFileSync(join(copies, unit), text.replace(/^Documentation=.*\n/m, ''))
    }
  })
  afterAll(() => rmSync(copies, { recursive: true, force: true }))

  it.each(units)('finds nothing to say of %s', (unit) => {
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', join(copies, unit)], {
      encoding: 'utf8',
      timeout: 50_000,
    })
    expect([status, stdout, stderr]).toEqual([0, '', ''])
  })

  it.each(units)('holds %s for little exposed', (unit) => {
    const { status, stdout, stderr } = spawnSync(
      'systemd-analyze',
      ['security', '--offline=true', '--no-pager', `--threshold=${(bounds[unit] as number) * 10}`, join(copies, unit)],
      { encoding: 'utf8', timeout: 50_000 },
    )
    expect(status, stderr + stdout).toBe(0)
    const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout) ?? []
    expect(Number(exposure)).toBeLessThanOrEqual(bounds[unit] as number)
  })
})
