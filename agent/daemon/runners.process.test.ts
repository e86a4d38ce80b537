import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canonicalJson } from '../../shared/canonical-json.ts'
import type { PlannedJob } from '../../shared/messages.ts'
import { installedFile, type InstalledRunner } from '../provision/installed.ts'
import { openArtifactCache } from './artifact-cache.ts'
import { describeBackends, type Offer, offersOf } from './describe.ts'
import { runExecution } from './execution.ts'
import { createLibraryDigests } from './library-digests.ts'

// Several runners side by side, as their folders name them: whole, broken, and of another kind than they say.

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bitfleet-runners-')))
const first = join(folder, 'first')
const second = join(folder, 'second')
const environment = { PATH: process.env.PATH, HOME: folder, BITFLEET_TOKEN: 'secret' }
const config = { runnerModules: [], backendFolders: [first, join(folder, 'none'), second], environment }

const jsArguments = (id: string) => ['{program}/agent/runner/main.js', '--installed', 'js', id, '{folder}']

function install(root: string, id: string, runner: InstalledRunner, changes: object = {}): string {
  const place = join(root, id)
  mkdirSync(join(place, 'bin'), { recursive: true })
  symlinkSync(process.execPath, join(place, 'bin/node'))
  const installed = { schema: 'bitfleet/installed-backend@1', id, version: '1', provider: 'js', runner, sources: [] }
  writeFileSync(join(place, installedFile), canonicalJson({ ...installed, ...changes }))
  return place
}

/** A program in the place of a runner; `describe` is its last argument. */
function script(root: string, id: string, text: string): void {
  const place = install(root, id, { kind: 'node', argv: ['{folder}/runner.mjs'] })
  writeFileSync(join(place, 'runner.mjs'), text)
}

/** A runner that says, when it is described and when it computes, what emulates its processor. */
function emulated(id: string, described: string | undefined, said: string | undefined): void {
  const description = {
    id,
    title: 't',
    status: 'ready',
    version: '1',
    emulator: described,
    kernels: [],
    knobs: [pathKnob],
  }
  const effective = { type: 'effective', settings: { path: 'x' }, facts: { emulator: said }, notes: [] }
  const lines = [
    { type: 'started', version: '1', pid: 1 },
    effective,
    { type: 'unsupported', reason: 'it has no kernel' },
  ]
  script(
    first,
    id,
    `import { readSync, writeSync } from 'node:fs'
    if (process.argv.includes('describe')) process.stdout.write(${JSON.stringify(JSON.stringify([description]))})
    else {
      readSync(3, Buffer.alloc(1 << 16))
      ${said === 'dies' ? "process.kill(process.pid, 'SIGILL')" : ''}
      writeSync(4, ${JSON.stringify(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n`)})
    }`,
  )
}

const pathKnob = {
  ...{ name: 'path', description: 'd', source: 'IF.software', pattern: '^.*$', values: 'any' },
  ...{ override: true, apply: { by: 'call' } },
}

let offers: Offer[]
const backendOf = (id: string) => offers.find(({ backend }) => backend.id === id)?.backend

beforeAll(async () => {
  install(first, 'js@22', { kind: 'node', executable: '{folder}/bin/node', argv: jsArguments('js@22') })
  // Another of the same id, in a folder that comes later.
  install(second, 'js@22', { kind: 'node', argv: ['{folder}/not-there.js'] })
  install(second, 'js@24', {
    kind: 'node',
    argv: jsArguments('js@24'),
    environment: { OMP_NUM_THREADS: '3', EXAMPLE_FOLDER: '{folder}/lib' },
  })
  mkdirSync(join(first, 'half@1/bin'), { recursive: true })
  mkdirSync(join(first, '.work'))
  writeFileSync(
    join(dirname(install(first, 'torn@1', { kind: 'node', argv: ['x'] })), 'torn@1', installedFile),
    '{"sch',
  )
  install(first, 'moved@1', { kind: 'node', argv: ['x'] }, { id: 'moved@2' })
  install(first, 'gone@1', { kind: 'node', executable: '{folder}/bin/nothing', argv: ['x'] })
  install(first, 'other@1', { kind: 'node', argv: jsArguments('js@1') })
  script(first, 'dies@1', 'process.kill(process.pid, "SIGSEGV")')
  script(
    first,
    'chatters@1',
    'import { writeSync } from "node:fs"; for (;;) try { writeSync(1, "x".repeat(4096)) } catch {}',
  )
  script(first, 'mumbles@1', 'process.stdout.write("[{}]")')
  emulated('qemu@1', 'some-emulator 1', 'some-emulator 2')
  emulated('qemu@2', undefined, 'some-emulator 2')
  emulated('qemu@3', 'some-emulator 1', 'dies')
  emulated('qemu@4', undefined, undefined)
  // What stands before node takes its own arguments, and starts it as it finds it.
  const launcher = install(second, 'js@25', {
    kind: 'node',
    executable: '{folder}/bin/node',
    argv: jsArguments('js@25'),
    emulator: { executable: '{folder}/bin/launcher', argv: ['-L', '{folder}/lib', '-cpu', 'max'] },
  })
  writeFileSync(
    join(launcher, 'bin/launcher'),
    `#!/bin/sh\n[ "$1 $2 $3 $4" = "-L ${launcher}/lib -cpu max" ] || exit 3\nshift 4\nexec "$@"\n`,
    { mode: 0o755 },
  )
  offers = await offersOf(config)
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('the backends of several runners', () => {
  it('stand side by side, the built-in ones first', async () => {
    const ids = offers.map(({ backend }) => backend.id)
    expect(ids[0]).toBe('js')
    expect(ids.slice(-14)).toEqual([
      ...['chatters@1', 'dies@1', 'gone@1', 'js@22', 'js@24', 'js@25', 'moved@1', 'mumbles@1', 'other@1'],
      ...['qemu@1', 'qemu@2', 'qemu@3', 'qemu@4', 'torn@1'],
    ])
    expect(backendOf('js@22')).toMatchObject({ status: 'ready', version: process.versions.node })
    expect(backendOf('js@24')?.knobs).toEqual(backendOf('js')?.knobs)
    expect(offers.filter(({ backend }) => backend.id === 'js@22')[0]?.runner?.executable).toBe(
      join(first, 'js@22/bin/node'),
    )
    expect((await describeBackends({ ...config, backendFolders: [] })).map(({ id }) => id)).toEqual(ids.slice(0, -14))
  })

  it.each([
    ['torn@1', /installed\.json cannot be read/],
    ['moved@1', /its folder holds moved@2/],
    ['gone@1', /cannot be started: .*ENOENT/],
    ['other@1', /its runner offers js@1/],
    ['dies@1', /ended with SIGSEGV/],
    ['chatters@1', /said more than \d+ bytes/],
    ['mumbles@1', /describes backends that cannot be/],
  ])('list %s as one that cannot be used, with the reason and the remedy', (id, reason) => {
    expect(backendOf(id)).toMatchObject({ status: 'unavailable', kernels: [], knobs: [] })
    expect(backendOf(id)?.reason).toMatch(reason)
    expect(backendOf(id)?.add).toBe(`bitfleet backends remove ${id} && bitfleet backends add ${id}`)
  })

  it('are not there by halves', () => expect(backendOf('half@1')).toBeUndefined())

  it('have one id each', async () => {
    const module = join(folder, 'same.mjs')
    writeFileSync(
      module,
      `export const backends = [{ id: 'js@22', title: 't', kernels: [], knobs: [],
        async detect() { return { status: 'ready', version: '1' } }, async open() {} }]`,
    )
    await expect(offersOf({ ...config, runnerModules: [module] })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('js@22 is offered by two runners') as string,
    })
  })
})

describe('an execution', () => {
  const job = (backend: string, knobs: PlannedJob['condition']['knobs']): PlannedJob => ({
    ...{ id: 'j', attempt: 1, run: 'r', cell: 'c', repetition: 0, workload: 'reduce.sum', workloadVersion: 1 },
    ...{ params: { dtype: 'f32', n: 100, data: 'centred' }, seed: '42', inputs: [] },
    condition: { backend, device: 'cpu', knobs },
    limits: { timeMs: 60_000, memoryBytes: 2 ** 32 },
  })
  const execute = (backend: string, knobs: PlannedJob['condition']['knobs'] = { order: 'pairwise', jit: 'off' }) =>
    runExecution(job(backend, knobs), new Map(), {
      ...{ offers, environment, scratchRoot: join(folder, 'scratch'), libraryDigests: createLibraryDigests() },
      ...{ cache: openArtifactCache(join(folder, 'cache'), 1 << 30), keepBytes: 1 << 28 },
    })

  it('is made by the runner of its backend, under its command and its knobs', async () => {
    const [reference, own, other] = await Promise.all([execute('js'), execute('js@22'), execute('js@24')])
    for (const { execution } of [own, other]) {
      expect(execution.outcome).toEqual({ status: 'completed' })
      expect(execution).toMatchObject({ version: process.versions.node, effective: { order: 'pairwise', jit: 'off' } })
      expect(execution.trace).toBe(reference.execution.trace)
    }
    expect(own.execution.facts).not.toHaveProperty(['env.OMP_NUM_THREADS'])
    expect(other.execution.facts).toMatchObject({ 'env.OMP_NUM_THREADS': '3' })
  })

  it('has arguments of knobs behind those of an emulator, and is native while nothing is emulated', async () => {
    const { execution } = await execute('js@25')
    expect(execution).toMatchObject({
      ...{ outcome: { status: 'completed' }, label: 'native', version: process.versions.node },
      effective: { order: 'pairwise', jit: 'off' },
    })
    expect(execution.facts).not.toHaveProperty('emulator')
  })

  it('is emulated where its runner says so, whatever knobs it has, and however it ends', async () => {
    expect((await execute('qemu@1', { path: 'x' })).execution).toMatchObject({
      ...{ label: 'emulated', outcome: { status: 'unsupported' } },
      facts: { emulator: 'some-emulator 2' },
    })
    expect((await execute('qemu@2', { path: 'x' })).execution).toMatchObject({ label: 'emulated' })
    expect((await execute('qemu@3', {})).execution).toMatchObject({
      ...{ label: 'emulated', outcome: { status: 'crashed', signal: 'SIGILL' } },
    })
    expect((await execute('qemu@4', { path: 'x' })).execution).toMatchObject({ label: 'override' })
    expect((await execute('qemu@4', {})).execution).toMatchObject({ label: 'native' })
  })

  it('says how to add what is not installed', async () => {
    const { execution } = await execute('js@26')
    expect(execution.outcome).toMatchObject({ status: 'unsupported' })
    expect((execution.outcome as { reason: string }).reason).toMatch(
      /^this agent has no backend js@26(; to add it: bitfleet backends add js@26|: it is pinned for Linux)/,
    )
    expect((await execute('js@0')).execution.outcome).toEqual({
      status: 'unsupported',
      reason: 'this agent has no backend js@0',
    })
  })

  it('says why its backend cannot be used', async () => {
    const { execution } = await execute('torn@1')
    expect(execution.outcome).toMatchObject({ status: 'unsupported' })
    expect((execution.outcome as { reason: string }).reason).toMatch(
      /torn@1 does not run on this agent: its installed\.json .*; to add it: bitfleet backends remove torn@1/,
    )
  })
})
