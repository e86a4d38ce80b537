import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { digestOf } from '../../shared/digest.ts'
import { entryPoint } from '../../shared/entry-point.ts'
import { type RunnerEvent, runnerEventSchema } from './protocol.ts'
import { needs } from '../../test/needs.ts'

// The protocol as docs/runner-protocol.md tells it, spoken without the daemon.

vi.setConfig({ testTimeout: 60_000 })

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-runner-'))
afterAll(() => rmSync(folder, { recursive: true }))
const main = entryPoint(import.meta.url, './main.ts')
const modules = ['faulty', 'misbehaving', 'workloads'].flatMap((name) => [
  '--module',
  join(import.meta.dirname, `../../test/fixtures/runner-modules/${name}.mjs`),
])

let folders = 0
function request(changes: object = {}) {
  return {
    ...{ protocol: 1, workload: 'reduce.sum', workloadVersion: 1, params: { dtype: 'f32', n: 100 }, seed: '42' },
    condition: { backend: 'plain', device: 'cpu', knobs: {} },
    ...{ inputs: [], scratch: mkdtempSync(join(folder, `${folders++}-`)), keepBytes: 1 << 20 },
    ...changes,
  }
}

async function speak(line: string) {
  const child = spawn(process.execPath, [main, ...modules], { stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'] })
  const [, stdout, , input, output] = child.stdio as unknown as [null, Readable, Readable, Writable, Readable]
  stdout.resume()
  child.stderr?.resume()
  input.on('error', () => {})
  input.end(line)
  const events: RunnerEvent[] = []
  for await (const text of createInterface({ input: output })) events.push(runnerEventSchema.parse(JSON.parse(text)))
  const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode]
  return { events, code: code as number }
}

describe('a runner', () => {
  it('tells an execution in order, and leaves the tensors it names', async () => {
    const asked = request()
    const { events, code } = await speak(`${JSON.stringify(asked)}\n`)
    expect(code).toBe(0)
    expect(events.map(({ type }) => type)).toEqual([
      'started',
      'effective',
      'checkpoint',
      'checkpoint',
      'effective',
      'finished',
    ])
    const checkpoints = events.filter((event) => event.type === 'checkpoint')
    expect(checkpoints.map(({ seq, name, role }) => [seq, name, role])).toEqual([
      [0, 'input', 'input'],
      [1, 'sum', 'output'],
    ])
    for (const { file, digest } of checkpoints) {
      expect(digestOf(readFileSync(join(asked.scratch, file as string)))).toBe(digest)
    }
    const facts = Object.assign({}, ...events.map((event) => (event.type === 'effective' ? event.facts : {})))
    expect(facts).toMatchObject({ 'fp.before.rounding': 'nearest', 'fp.after.rounding': 'nearest' })
  })

  it.each([
    ['', 'protocol'],
    ['{', 'protocol'],
    ['{"protocol":2}', 'protocol'],
    [JSON.stringify(request({ params: { dtype: 'f32', n: -1 } })), 'usage'],
    [JSON.stringify(request({ params: { dtype: 'f32', m: 1 } })), 'usage'],
  ])('fails in its own words on %s', async (line, code) => {
    const { events } = await speak(line)
    expect(events.at(-1)).toMatchObject({ type: 'failed', code })
  })

  it('says what a module of this machine is that cannot be loaded', async () => {
    const child = spawn(process.execPath, [main, '--module', '/nowhere/backend.mjs', 'describe'], { stdio: 'pipe' })
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    expect((await once(child, 'close'))[0]).toBe(2)
    expect(stderr).toMatch(/\/nowhere\/backend\.mjs/)
  })

  it.skipIf(needs('runners that die with their daemon', process.platform === 'linux', 'Linux alone has it'))(
    'dies with whoever started it',
    async () => {
      const asked = request({ condition: { backend: 'misbehaving', device: 'cpu', knobs: { deed: 'spin' } } })
      const script = `
      const { spawn } = require('node:child_process')
      const [main, line, ...modules] = process.argv.slice(1)
      const child = spawn(process.execPath, [main, ...modules], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true })
      child.stdio[3].end(line)
      child.stdio[4].on('data', (data) => { if (String(data).includes('"checkpoint"')) console.log(child.pid) })`
      const parent: ChildProcess = spawn(process.execPath, ['-e', script, main, JSON.stringify(asked), ...modules], {
        stdio: 'pipe',
      })
      const [data] = (await once(parent.stdout as Readable, 'data')) as [Buffer]
      const pid = Number(data.toString())
      expect(isRunning(pid)).toBe(true)
      parent.kill('SIGKILL')
      await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 20_000 })
    },
  )
})

function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false
  return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}
