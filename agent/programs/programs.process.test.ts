import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { listPrograms, programJob } from '../../test/listed-programs.ts'
import type { Knobs } from '../../shared/condition.ts'
import { digestOf } from '../../shared/digest.ts'
import { formatSafetensors } from '../../shared/safetensors.ts'
import { bytesOf, createTensor, type Tensor } from '../../shared/tensor.ts'
import { parseTrace } from '../../shared/trace.ts'
import { describeBackends, offersOf } from '../daemon/describe.ts'
import { createEntry } from './add.ts'
import type { ProgramEntry } from './entry.ts'
import { writeProgramList } from './list.ts'

// Programs of Node.js and the shell, listed and run as an agent runs them.

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

const weights: [string, Tensor][] = [
  ['b', createTensor('f32', [2], bytesOf(Float32Array.of(1, 2)))],
  ['a', createTensor('bf16', [1], new Uint8Array([0x80, 0x3f]))],
]

const listed = await listPrograms(
  {
    plain: `
    say({ settings: { OMP_NUM_THREADS: process.env.OMP_NUM_THREADS ?? '1', MKL_DYNAMIC: 'FALSE' } })
    say({ facts: { 'lib.mine.version': '1.2', 'cpu.affinity': 'forged', 'program.digest': 'forged', nothing: 'x' } })
    say({ facts: { 'fp.program.after.ftz': 'forged' } })
    say({ note: 'it is cold\\u001b[31m' })
    trace(0, 'input/data', [1, -0], { role: 'input' })
    trace(1, 'loss', [0.5], { role: 'output' })
    trace(2, 'loss', [0.25], { role: 'output' })
    console.log('to stdout'); console.error('to stderr')`,
    says: `
    trace(0, 'x', [1])
    const seen = { environment: process.env, cwd: process.cwd(), argv: process.argv.slice(2) }
    process.stderr.write(JSON.stringify(seen))`,
    kinds: `
    const bits = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    const put = (name, bytes) => { writeFileSync(out + '/' + name, bytes); return name }
    const at = (name, file) => say({ checkpoint: { step: 0, name, file } })
    at('big', put('big.npy', npy(bits, { descr: '>f4', shape: '(3,)' })))
    at('fortran', put('fortran.npy', npy(bits, { descr: '<u2', order: 'True', shape: '(2, 3)' })))
    at('half', put('half.bf16.npy', npy(bits, { descr: '<u2', shape: '(6,)' })))
    at('scalar', put('scalar.npy', npy(bits.subarray(0, 4), { descr: '<f4', shape: '()' })))
    at('snan', put('snan.npy', npy(Buffer.from([1, 0, 0xa0, 0x7f]), { shape: '(1,)' })))
    put('all.safetensors', Buffer.from(process.argv[2], 'base64'))
    say({ checkpoint: { step: 1, file: 'all.safetensors', prefix: 'weights/', role: 'output' } })`,
    forgets: `trace(0, 'a', [1]); for (const name of ['b.npy', 'c\u001b.npy', 'd', 'e']) writeFileSync(out + '/' + name, '')`,
    many: `for (let i = 0; i < 4000; i++) trace(i >> 4, 'a' + i % 16, [i])`,
    'many-notes': `trace(0, 'a', [1]); for (let i = 0; i < 100; i++) say({ note: 'note ' + i })`,
    orphan: `spawn('/bin/sh', ['-c', 'sleep 60'], { stdio: 'ignore' }).unref(); trace(0, 'a', [1])`,
    daemon: `spawn('/bin/sh', ['-c', 'sleep 60'], { stdio: 'ignore', detached: true }).unref(); trace(0, 'a', [1])`,
    descriptors: 'for fd in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$fd ] && echo $fd; done\n',
  },
  {
    kinds: (script) => [process.execPath, script, Buffer.from(formatSafetensors(weights)).toString('base64')],
    descriptors: (script) => ['/bin/sh', script],
  },
)
const { cache, entries, environment, execute, folder, run, scratchRoot, scriptOf } = listed
const config = { runnerModules: [], programLists: [listed.list], environment }
afterAll(() => listed.remove())

describe('a program that goes well', () => {
  it('brings its tensors, in the order it named them', async () => {
    const { execution, trace, kept } = await execute(programJob('plain', { threads: 3 }))
    expect(execution).toMatchObject({ outcome: { status: 'completed' }, label: 'native' })
    expect(execution.version).toMatch(/^[0-9a-f]{12}$/)
    expect(
      parseTrace(trace as string).checkpoints.map(({ step, name, dtype, shape }) => [step, name, dtype, shape]),
    ).toEqual([
      [0, 'input/data', 'f32', [2]],
      [1, 'loss', 'f32', [1]],
      [2, 'loss', 'f32', [1]],
    ])
    const data = bytesOf(Float32Array.of(1, -0))
    expect(await cache.read(digestOf(data))).toEqual(data)
    expect(kept).toHaveLength(3)
    expect(execution.inputs).toEqual([0])
    // The last of what is called an output at every step.
    expect(execution.outputs.map(({ name, bits }) => [name, bits])).toEqual([['loss', ['3e800000']]])
    expect(execution.log).toContain('to stdout')
    expect(execution.log).toContain('to stderr')
  })

  it('says what was in force, and the agent what it saw', async () => {
    const params = { name: 'plain', epochs: 2 }
    const { effective, facts, notes, version, resources } = await run('plain', { threads: 3 }, { params })
    expect(effective).toEqual({ threads: '3' })
    const entry = entries.get('plain') as ProgramEntry
    expect(facts).toMatchObject({
      'lib.mine.version': '1.2',
      'backend.MKL_DYNAMIC': 'FALSE',
      'program.digest': expect.stringMatching(`^sha256:${version}`) as string,
      'program.file.plain.mjs': entry.pins[scriptOf('plain')],
      'program.file.node': entry.pins[process.execPath],
      'program.default.rate': '0.5',
      'env.OMP_NUM_THREADS': '3',
      'env.OMP_DYNAMIC': 'FALSE',
      'env.OMP_SCHEDULE': 'static',
    })
    expect(facts).not.toHaveProperty('program.default.epochs')
    // Nothing of the runner, which only watched.
    expect(Object.keys(facts).filter((key) => /^(fp\.(?!program\.)|pool\.|lib\.(node|v8)\.)/.test(key))).toEqual([])
    expect(Object.values(facts)).not.toContain('forged')
    expect(notes.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^"cpu.affinity" cannot be stated by a program/),
      expect.stringMatching(/^"program.digest" cannot be stated/),
      expect.stringMatching(/^"nothing" cannot be stated/),
      expect.stringMatching(/^"fp.program.after.ftz" cannot be stated/),
      'it is cold␛[31m',
    ])
    if (process.platform === 'linux') {
      expect(facts['cpu.affinity']).toMatch(/^[0-9]/)
      expect(facts['fp.program.before.method']).toMatch(/^(?:ptrace$|not read: )/)
      expect(Object.keys(facts).join()).toMatch(/lib\.libc\.so\.6\.digest/)
      expect(resources.cpuMs).toBeGreaterThan(5)
    }
  })

  it('says of a knob that it was not read back, and labels one that takes another code path', async () => {
    const { label, settings } = await run('plain', { isa: 'avx2' })
    expect(label).toBe('override')
    expect(settings).toEqual({ isa: { state: 'unknown', why: 'the program does not say which value it read' } })
  })

  it('gets a clean environment, and an empty folder', async () => {
    const { log } = await run('says', { threads: 2 }, { params: { name: 'says', epochs: 7, text: '$(id)' } })
    const seen = JSON.parse(log) as { environment: Record<string, string>; cwd: string }
    const { BITFLEET_OUT, TMPDIR, PATH, ...others } = seen.environment
    expect(others).toEqual({
      ...{ HOME: folder, OMP_SCHEDULE: 'static', OMP_NUM_THREADS: '2' },
      ...{ MY_FIXED: 'yes', NODE_PATH: '/nowhere', OMP_DYNAMIC: 'FALSE' },
      ...{ BITFLEET_SEED: '42', BITFLEET_PARAM_epochs: '7', BITFLEET_PARAM_rate: '0.5' },
      ...{ BITFLEET_PARAM_text: '$(id)', BITFLEET_PARAM_quick: 'false' },
      BITFLEET_PARAMETERS: JSON.stringify({ epochs: 7, rate: 0.5, text: '$(id)', quick: false }),
    })
    expect(PATH).toBe(process.env.PATH)
    expect(BITFLEET_OUT?.startsWith(scratchRoot)).toBe(true)
    expect(TMPDIR?.startsWith(scratchRoot)).toBe(true)
    expect(seen.cwd.startsWith(scratchRoot)).toBe(true)
  })

  it('has no descriptor but the three of every process', async (context) => {
    if (!existsSync('/proc/self/fd')) context.skip()
    // 10 and above are the shell's own: its script.
    expect((await run('descriptors')).log).toBe('0\n1\n2')
  })

  it('may write big-endian, Fortran-ordered, bfloat16 and several tensors: bits go as they are', async () => {
    const { execution, trace } = await execute(programJob('kinds'))
    expect(execution.outcome).toEqual({ status: 'completed' })
    const found = parseTrace(trace as string).checkpoints
    expect(found.map(({ name, dtype, shape }) => `${name} ${dtype}[${shape.join()}]`)).toEqual([
      ...['big f32[3]', 'fortran u16[2,3]', 'half bf16[6]', 'scalar f32[]', 'snan f32[1]'],
      ...['weights/b f32[2]', 'weights/a bf16[1]'],
    ])
    const bytes = await Promise.all(found.map(({ digest }) => cache.read(digest)))
    expect(bytes.map((tensor) => [...(tensor ?? [])])).toEqual([
      [4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9],
      [1, 2, 5, 6, 9, 10, 3, 4, 7, 8, 11, 12],
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
      [1, 2, 3, 4],
      [1, 0, 0xa0, 0x7f],
      ...weights.map(([, tensor]) => [...tensor.bytes]),
    ])
    expect(execution.outputs.map(({ name }) => name)).toEqual(['weights/b', 'weights/a'])
  })

  it('makes the same trace again', async () => {
    const [first, second] = [await run('plain'), await run('plain')]
    expect(second.trace).toBe(first.trace)
  })

  it('keeps some of many notes, and says of how many not', async () => {
    const { outcome, notes } = await run('many-notes')
    expect(outcome).toEqual({ status: 'completed' })
    expect(notes.at(-1)).toMatchObject({ kind: 'limit', message: expect.stringMatching(/^36 more notes/) as string })
  })

  it('is told which of its files no line names', async () => {
    const { outcome, notes } = await run('forgets')
    expect(outcome).toEqual({ status: 'completed' })
    expect(notes.map(({ message }) => message)).toEqual(['no line names b.npy, c␛.npy, d and 1 more in BITFLEET_OUT'])
  })

  it('may bring thousands of tensors', async () => {
    const { execution, trace } = await execute(programJob('many'), { keepBytes: 8000 })
    expect(execution.outcome).toEqual({ status: 'completed' })
    expect(parseTrace(trace as string).checkpoints).toHaveLength(4000)
    expect(execution.notes).toEqual([expect.objectContaining({ kind: 'limit', subject: 'checkpoints' })])
  })

  it('ends with all that it started', async () => {
    expect((await run('orphan')).outcome).toEqual({ status: 'completed' })
    expect(sleepers()).toEqual([])
  })

  it.skipIf(process.platform !== 'linux')('ends with what left its group, too', async () => {
    expect((await run('daemon')).outcome).toEqual({ status: 'completed' })
    await expect.poll(sleepers, { timeout: 5000 }).toEqual([])
  })
})

describe('a program whose folder is gone', () => {
  it('says so, and not that it is itself', async () => {
    const place = join(folder, 'place')
    mkdirSync(place)
    const other = join(folder, 'placed.json')
    const placed = { ...(entries.get('says') as ProgramEntry), directory: place }
    await writeProgramList(other, [placed])
    const offer = listed.offerOf('says')
    const argv = (offer.runner?.argv ?? []).with(2, other)
    const runner = { executable: process.execPath, argv }
    const ask = () => execute(programJob('says'), { offers: [{ ...offer, runner }] })
    expect(JSON.parse((await ask()).execution.log)).toMatchObject({ cwd: place })
    rmSync(place, { recursive: true })
    expect((await ask()).execution.outcome).toMatchObject({
      ...{ status: 'failed', code: 'system' },
      message: expect.stringMatching(/is to be started in .*place, which is no folder/) as string,
    })
  })
})

describe('what a job may ask for', () => {
  it.each<[object, RegExp]>([
    [{ epoch: 3 }, /program plain has no parameter "epoch"; it takes epochs, rate, text, quick/],
    [{ toString: 3 }, /has no parameter "toString"/],
    [{ epochs: '3' }, /parameter epochs of program plain is a number, such as 2; "3" is a string/],
    [{ quick: 1 }, /parameter quick of program plain is a boolean/],
    [{ text: ['a'] }, /text: a parameter of a program is a text/],
  ])('is not %j', async (params, message) => {
    const { outcome } = await run('plain', {}, { params: { name: 'plain', ...params } })
    expect(outcome).toMatchObject({
      status: 'failed',
      code: 'usage',
      message: expect.stringMatching(message) as string,
    })
  })

  it.each(['', '-1', '007', '1;id', 'a[$(id)]', '1\n', '9'.repeat(40), '1\0'])('is not the seed %j', async (seed) => {
    expect((await run('plain', {}, { seed })).outcome).toMatchObject({
      ...{ status: 'failed', code: 'usage' },
      message: expect.stringMatching(/^the seed ".*" is not a whole number in decimal/) as string,
    })
  })

  it.each<[Knobs, RegExp]>([
    [{ threads: 65 }, /knob threads does not take "65"; it takes 1\.\.64/],
    [{ threads: '1;id' }, /does not take/],
    [{ isa: 'avx512' }, /knob isa does not take "avx512"; it takes default,avx2/],
    [{ path: '/x' }, /has no knob "path"/],
  ])('is not the knobs %j', async (knobs, message) => {
    const { outcome } = await run('plain', knobs)
    expect(outcome).toMatchObject({
      status: 'failed',
      code: 'usage',
      message: expect.stringMatching(message) as string,
    })
  })

  it('is no program that is not listed, and no other than the backend', async () => {
    expect((await run('unlisted')).outcome).toEqual({
      status: 'unsupported',
      reason:
        'no program unlisted is listed on this machine; its owner lists it: bitfleet programs add unlisted -- /path/to/program',
    })
    expect((await run('../sh; rm')).outcome).toMatchObject({
      reason: expect.stringMatching(/lists it: bitfleet programs add$/) as string,
    })
    expect((await run('plain', {}, { params: { name: 'says' } })).outcome).toEqual({
      status: 'unsupported',
      reason: 'plain is the program plain, not says; say `backend: [says]` for it',
    })
  })

  it('is no other workload of a program', async () => {
    for (const [workload, params] of [
      ['reduce.sum', { n: 16 }],
      ['train.mlp', {}],
      ['train.mlp-reference', {}],
    ] as const) {
      const { outcome } = await run('plain', {}, { workload, params })
      expect(outcome.status, workload).toBe('unsupported')
    }
  })
})

describe('listed programs among the backends', () => {
  it('are there with their version and knobs, or with why not', async () => {
    const some = join(folder, 'some.json')
    const broken = { ...(entries.get('plain') as ProgramEntry), id: 'broken' }
    const pins = { ...broken.pins, [scriptOf('plain')]: digestOf('other') }
    await writeProgramList(some, [entries.get('plain') as ProgramEntry, { ...broken, pins }])
    const found = (await describeBackends({ ...config, programLists: [join(folder, 'none.json'), some] })).slice(-2)
    expect(found.map(({ id, status, kernels }) => [id, status, kernels])).toEqual([
      ['plain', 'ready', ['program']],
      ['broken', 'unavailable', ['program']],
    ])
    expect(found[0]?.knobs.map(({ name, values, override }) => [name, values, override])).toEqual([
      ['threads', '1..64', false],
      ['isa', 'default,avx2', true],
    ])
    expect(found[1]).toMatchObject({
      reason: expect.stringContaining(digestOf('other')) as string,
      add: 'bitfleet programs pin broken',
    })
  })

  it('are an error where their list is one', async () => {
    const bad = join(folder, 'bad.json')
    writeFileSync(bad, '{}', { mode: 0o644 })
    await expect(offersOf({ ...config, programLists: [bad] })).rejects.toThrow(/bad\.json: schema/)
  })
})

describe.skipIf(process.platform !== 'linux')('a program whose runner is killed', () => {
  it('ends too', async () => {
    const scratch = mkdtempSync(join(folder, 'killed-'))
    const marker = join(folder, 'marker')
    const script = scriptOf('marks')
    writeFileSync(
      script,
      `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(marker)}, String(process.pid)); setInterval(() => {}, 1e6)`,
    )
    const killed = join(folder, 'killed.json')
    const { entry } = await createEntry(
      { id: 'marks', command: [process.execPath, script], parameters: [], knobs: [], environment: [], pins: [] },
      { folder, path: '' },
    )
    await writeProgramList(killed, [entry])
    const main = listed.offerOf('plain').runner?.argv[0] as string
    const runner = spawn(process.execPath, [main, '--program', killed, 'marks'], {
      ...{ detached: true, env: { PATH: process.env.PATH, TMPDIR: scratch } },
      stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'],
    })
    const request = { protocol: 1, ...programJob('marks'), scratch, keepBytes: 0 }
    ;(runner.stdio[3] as NodeJS.WritableStream).end(`${JSON.stringify(request)}\n`)
    ;(runner.stdio[4] as NodeJS.ReadableStream).resume()
    const alive = (pid: number) =>
      existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    for (let i = 0; i < 400 && !existsSync(marker); i++) await delay(25)
    await delay(50)
    const pid = Number(readFileSync(marker, 'utf8'))
    try {
      expect(alive(pid)).toBe(true)
      runner.kill('SIGKILL')
      for (let i = 0; i < 400 && alive(pid); i++) await delay(25)
      expect(alive(pid)).toBe(false)
    } finally {
      if (alive(pid)) process.kill(pid, 'SIGKILL')
    }
  })
})

/** Processes of this test's that still sleep. */
function sleepers(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      const variables = readFileSync(`/proc/${pid}/environ`, 'utf8')
      return /^\d+$/.test(pid) && variables.includes(`BITFLEET_OUT=${scratchRoot}`)
    } catch {
      return false
    }
  })
}
