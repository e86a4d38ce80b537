import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { arch, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { digestOf } from '../shared/digest.ts'
import { encodeFloats } from '../shared/half.ts'
import { philox4x32 } from '../shared/random/philox.ts'
import { bitsHex, createTensor, type FloatDType, tensorFromBits } from '../shared/tensor.ts'
import golden from './golden/golden.json' with { type: 'json' }
import { hostileBits } from './hostile-bits.ts'
import { askPython, describePython, testNumpy } from './python-runner.ts'
import { python, runPython, withoutNumpy, withoutPython } from './python.ts'

// The runner of Python's libraries: the formats it follows, and the protocol it speaks.

describe.skipIf(withoutPython('the Python runner and emulators'))('an emulator in the Python runner', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bitfleet-python-emulator-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  /** What it sees in a /proc where the kernel runs that program, which says so of itself. */
  const facts = (name: string, shown: string, said: string, argv: readonly string[]) => {
    const thread = join(folder, name, 'self/task/7')
    mkdirSync(thread, { recursive: true })
    const program = join(folder, name, 'qemu-aarch64')
    writeFileSync(program, `#!/bin/sh\n[ "$*" = --version ] && echo '${said}'\n`, { mode: 0o755 })
    symlinkSync(shown === '' ? program : shown, join(folder, name, 'self/exe'))
    symlinkSync(program, join(thread, 'exe'))
    writeFileSync(join(thread, 'cmdline'), argv.map((word) => `${word}\0`).join(''))
    const script = `
import json, sys
sys.path.insert(0, sys.argv[1])
from bitfleet.emulator import emulator_facts, read_emulator
print(json.dumps([emulator_facts(read_emulator(sys.argv[2], 7)), emulator_facts(read_emulator())]))
`
    const { stdout } = runPython([
      '-B',
      '-c',
      script,
      resolve(import.meta.dirname, '../agent/runners/python'),
      join(folder, name),
    ])
    return JSON.parse(stdout) as [Record<string, string>, Record<string, string>]
  }

  it('is told by the facts that the other runner has', () => {
    const said = 'qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7)'
    const [inside, here] = facts('qemu', '/usr/bin/python3', said, ['qemu', '-cpu', 'max', 'python3'])
    expect(inside).toMatchObject({
      ...{ emulator: 'qemu-aarch64 7.2.22 (Debian 1:7.2+dfsg-7)', 'emulator.cpu': 'max', 'os.arch': arch() },
    })
    expect(here).toEqual({})
    const [silent] = facts('silent', '/usr/bin/python3', 'nothing of the kind', ['qemu', 'python3'])
    expect(silent.emulator).toBe('qemu-aarch64')
    expect(silent).not.toHaveProperty(['emulator.cpu'])
    expect(facts('native', '', said, ['python3'])[0]).toEqual({})
  })
})

describe.skipIf(withoutPython('the Python runner and the formats'))('the formats in the Python runner', () => {
  const doubles = [
    ...['3ff0000000000000', '8000000000000000', '7ff0000000000000', 'fff0000000000000', '7ff8000000000000'],
    // Ties, to even and from odd, of binary16 and bfloat16; neighbours of a tie.
    ...['3ff0020000000000', '3ff0060000000000', '3ff0020000000001', '3ff001ffffffffff', '3ff0100000000000'],
    ...['3ff0300000000000', 'bff0100000000001', '3ff00fffffffffff'],
    // The largest finite of binary16, what rounds to infinity, subnormals and half of the least one.
    ...['40effc0000000000', '40effdffffffffff', '40effe0000000000', '3f10000000000000', '3f0ff80000000000'],
    ...['3e70000000000000', '3e60000000000000', '3e60000000000001', '3e50000000000000', 'be78000000000000'],
    // The same of bfloat16.
    ...['47efe00000000000', '47efefffffffffff', '47eff00000000000', '3810000000000000', '3800000000000000'],
    ...['37a0000000000000', '3790000000000000', '3790000000000001', '0000000000000001', '000fffffffffffff'],
  ]
  const child = spawnSync(python, ['-I', '-B', resolve(import.meta.dirname, 'golden/runner_streams.py')], {
    encoding: 'utf8',
    input: JSON.stringify({ elements: golden.data.uniform.f64.length, round: doubles }),
  })
  const made = JSON.parse(child.stdout) as Record<string, unknown> & {
    data: Record<string, Record<string, string[]>>
    rounded: Record<FloatDType, string[]>
  }

  it('draw the words of the golden values, and a permutation', () => {
    const { weights, shuffle, permutation } = golden.streams
    const streams = made.streams as Record<string, string[]>
    expect(streams.weights?.slice(0, weights.length)).toEqual(weights)
    expect(streams.shuffle?.slice(0, shuffle.length)).toEqual(shuffle)
    expect(made.permutation).toEqual(permutation)
    expect(made.mixed).toBe(true)
    const late = [...philox4x32([1, 1, 0, 0], [1, 2])].map((word) => word.toString(16).padStart(8, '0'))
    expect(made.late).toEqual(late)
  })

  it.each(Object.entries(golden.data))('draw data of kind %s', (kind, byDtype) => {
    expect(made.data[kind]).toEqual(byDtype)
  })

  it('draw 2²⁰ uniform values', () => expect(made.uniformDigest).toBe(golden.uniformDigest))

  it.each(['f32', 'f16', 'bf16'] as const)('round binary64 to %s once, ties to even', (dtype) => {
    const values = [...new Float64Array(tensorFromBits('f64', [doubles.length], doubles).bytes.slice().buffer)]
    const expected = bitsHex(createTensor(dtype, [values.length], encodeFloats(dtype, values)))
    expect(made.rounded[dtype]).toEqual(expected)
  })
})

describe.skipIf(withoutPython("the Python runner and users' arrays"))("users' arrays in the Python runner", () => {
  const digest = `sha256:${'a'.repeat(64)}`
  const arrays = [
    { digest, dtype: 'f32', shape: [2, 8], file: 'wide' },
    { digest, dtype: 'f32', shape: [4, 4], file: 'square' },
    { digest, dtype: 'f64', shape: [8], file: 'double' },
  ]
  const found = (given: object[], reference: object) => {
    const script = `
import json, sys
sys.path.insert(0, sys.argv[1])
from bitfleet.errors import BitfleetError
from bitfleet.execution import Inputs
from bitfleet.parameters import pinned
given, reference = json.loads(sys.argv[2])
try:
    print(json.dumps(pinned.check(reference) or Inputs(given).shape(reference)))
except BitfleetError as error:
    print(json.dumps([error.code, str(error)]))
`
    const runners = resolve(import.meta.dirname, '../agent/runners/python')
    const { stdout } = runPython(['-B', '-c', script, runners, JSON.stringify([given, reference])])
    return JSON.parse(stdout) as unknown
  }

  it.each([
    [arrays.slice(0, 1), {}, ['f32', [2, 8]]],
    [arrays, { shape: [4, 4] }, ['f32', [4, 4]]],
    [arrays, { dtype: 'f64' }, ['f64', [8]]],
    [arrays, { dtype: 'f32', shape: [2, 8] }, ['f32', [2, 8]]],
    [arrays, { dtype: 'f32' }, ['usage', expect.stringContaining('f32[2, 8] and f32[4, 4], which have the same')]],
    [[], {}, ['not-found', expect.stringContaining('was not given with the plan')]],
    [arrays, { size: 4 }, expect.stringContaining('must be { file, digest }')],
  ])('are found by dtype, shape and digest, case %#', (given, more, expected) => {
    expect(found(given, { file: 'u.npy', digest, ...more })).toEqual(expected)
  })
})

describe.skipIf(withoutNumpy('the Python runner with NumPy'))('a Python runner', () => {
  it('describes what it has, as every runner does', () => {
    expect(describePython(testNumpy)).toMatchObject({ id: 'numpy', status: 'ready', version: expect.any(String) })
    const { command } = testNumpy
    const elsewhere = { ...command, argv: [...command.argv.slice(0, -1), '/not-there', '--id', 'numpy@0.0'] }
    expect(describePython({ id: 'numpy@0.0', command: elsewhere })).toMatchObject({
      ...{ id: 'numpy@0.0', status: 'unavailable', add: 'bitfleet backends add numpy@0.0' },
      reason: expect.stringContaining("No module named 'numpy'") as string,
    })
  })

  it('tells an execution in order, and what was in force', async () => {
    const told = await askPython(testNumpy, { workload: 'reduce.sum', params: { n: 100 } })
    expect(told.code).toBe(0)
    expect(told.events.map(({ type }) => type)).toEqual([
      ...['started', 'effective', 'checkpoint', 'checkpoint', 'effective', 'finished'],
    ])
    expect(told.last).toMatchObject({ cpuMs: expect.any(Number), maxRssBytes: expect.any(Number) })
    for (const { bytes, digest } of told.checkpoints) expect(digestOf(bytes as Uint8Array)).toBe(digest)
    expect(told.facts).toMatchObject({
      ...{ 'fp.before.rounding': 'nearest', 'fp.after.ftz': 'no', 'fp.after.library.ftz': 'no' },
      'lib.python.version': expect.stringMatching(/^3\./),
      'lib.numpy.version': expect.stringMatching(/^\d/),
    })
    if (process.platform === 'linux') {
      expect(told.facts['cpu.affinity']).toMatch(/^\d/)
      expect(told.mapped.map((path) => path.replace(/^.*\//, ''))).toContainEqual(expect.stringMatching(/^libm/))
      expect(told.mapped.join('\n')).toMatch(/openblas/)
    }
    expect(told.notes).toEqual([])
  })

  it('keeps bytes while there is room, and small outputs always', async () => {
    const ask = (n: number) => askPython(testNumpy, { workload: 'elementary.sqrt', params: { n }, keepBytes: 64 })
    expect((await ask(16)).checkpoints.map(({ file }) => file)).toEqual(['0.bin', '1.bin'])
    expect((await ask(17)).checkpoints.map(({ file }) => file)).toEqual([undefined, undefined])
  })

  it.each(['f64', 'f32', 'f16'] as const)('moves the bits of %s as they are', async (dtype) => {
    const bits = hostileBits[dtype]
    const input = tensorFromBits(dtype, [bits.length], bits)
    const params = { dtype, input: { file: 'x.npy', digest: digestOf(input.bytes) } }
    const { checkpoints } = await askPython(testNumpy, { workload: 'reduce.sum', params, inputs: [input] })
    expect(checkpoints[0]).toMatchObject({ dtype, shape: [bits.length], digest: digestOf(input.bytes) })
    expect(Buffer.from(checkpoints[0]?.bytes as Uint8Array).equals(input.bytes)).toBe(true)
  })

  it('says what ended it', async () => {
    const x = tensorFromBits('f32', [1], ['3f800000'])
    const digest = digestOf(x.bytes)
    const cases = [
      [
        { workload: 'train.mlp' },
        { type: 'unsupported', reason: expect.stringContaining('no automatic differentiation') as string },
      ],
      [{ workload: 'reduce.product' }, { type: 'unsupported' }],
      [{ workload: 'reduce.sum', params: { dtype: 'bf16' } }, { type: 'unsupported' }],
      [
        { workload: 'reduce.sum', params: { m: 3, n: -1 } },
        {
          type: 'failed',
          code: 'usage',
          message: expect.stringMatching(/no parameter "m"; it takes.*n: must be/) as string,
        },
      ],
      [
        { workload: 'reduce.sum', params: { n: true } },
        { type: 'failed', code: 'usage' },
      ],
      [
        { workload: 'reduce.sum', seed: '042' },
        { type: 'failed', code: 'usage' },
      ],
      [
        { workload: 'reduce.sum', params: { n: 1, input: { file: 'x', digest } }, inputs: [x] },
        { type: 'failed', code: 'usage', message: expect.stringContaining("the array's own") as string },
      ],
      [
        { workload: 'reduce.sum', params: { input: { file: 'x', digest } } },
        { type: 'failed', code: 'not-found' },
      ],
      [
        { workload: '', line: 'hello\n' },
        { type: 'failed', code: 'protocol' },
      ],
      [
        { workload: '', line: '' },
        { type: 'failed', code: 'protocol' },
      ],
      [
        { workload: '', line: '{"protocol":2}\n' },
        { type: 'failed', code: 'protocol' },
      ],
    ] as const
    for (const [asked, expected] of cases) {
      const told = await askPython(testNumpy, asked)
      expect(told.last, JSON.stringify(asked)).toMatchObject(expected)
      expect(told.code).toBe(0)
    }
  })

  it.skipIf(process.arch !== 'x64')('reads back what the environment hides from NumPy and OpenBLAS', async () => {
    const variables = { NPY_DISABLE_CPU_FEATURES: 'AVX2 ASIMDFHM', OPENBLAS_CORETYPE: 'Nehalem' }
    const { settings } = await askPython(testNumpy, { workload: 'reduce.sum', params: { n: 8 }, variables })
    expect(settings).toMatchObject({ disableCpuFeatures: 'AVX2', coreType: 'Nehalem' })
    const native = await askPython(testNumpy, { workload: 'reduce.sum', params: { n: 8 } })
    expect(native.settings).toMatchObject({ disableCpuFeatures: 'none', threads: expect.any(String) as string })
    expect(native.settings.coreType).not.toBe('Nehalem')
  })

  it('says of a kernel that NumPy lacks by which operations it is computed, only where it is used', async () => {
    const notes = async (workload: string) => (await askPython(testNumpy, { workload })).notes
    expect(await notes('nn.softmax')).toEqual([
      {
        ...{ kind: 'fallback', subject: 'softmax' },
        message: 'numpy has no softmax: it is computed by exp, sum and division',
      },
    ])
    expect(await notes('nn.conv2d')).toMatchObject([{ kind: 'fallback', subject: 'conv2d' }])
    expect(await notes('nn.layernorm')).toMatchObject([{ kind: 'fallback', subject: 'layernorm' }])
    expect(await notes('linalg.gemm')).toEqual([])
  })

  it('reads back the knobs of OpenBLAS and NumPy, and says what was replaced', async () => {
    const knobs = { threads: 1, coreType: 'nothing', disableCpuFeatures: 'AVX2 NOTHING ASIMDFHM' }
    const told = await askPython(testNumpy, { workload: 'linalg.gemm', params: { n: 8 }, knobs })
    expect(told.last).toMatchObject({ type: 'finished' })
    expect(told.settings.threads).toBe('1')
    expect(told.facts['pool.openblas']).toBe('1')
    expect(told.notes).toEqual([])
    expect(told.states).toMatchObject({
      threads: { state: 'in force' },
      coreType: { state: 'replaced', by: told.settings.coreType },
      disableCpuFeatures: {
        state: 'replaced',
        why: expect.stringMatching(/did not hide NOTHING: it is not among those this build knows/) as string,
      },
    })
    if (process.arch !== 'x64') return
    // What no x86 processor has was not hidden either, though NumPy says of it what it says of what it hid.
    const { why } = told.states.disableCpuFeatures as { why: string }
    expect(why).toMatch(/did not hide ASIMDFHM: this processor does not have it/)
    expect(why).not.toMatch(/did not hide AVX2/)
    expect(told.settings.disableCpuFeatures).toBe('AVX2')
    expect(told.facts['lib.numpy.cpu.dispatch']).not.toMatch(/\bAVX2\b/)
    const core = await askPython(testNumpy, {
      workload: 'reduce.sum',
      params: { n: 8 },
      knobs: { coreType: 'Nehalem' },
    })
    expect(core).toMatchObject({ settings: { coreType: 'Nehalem', disableCpuFeatures: 'none' }, notes: [] })
    expect(core.states).toEqual({ coreType: { state: 'in force' } })
  })

  it.skipIf(process.platform !== 'linux')('dies with its parent', async () => {
    const { executable, argv } = testNumpy.command
    // It waits for a request that never comes, because its parent is killed first.
    const parent = spawn(process.execPath, [
      '-e',
      `const child = require('child_process').spawn(${JSON.stringify(executable)}, ${JSON.stringify(argv)},
         { stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'] })
       setTimeout(() => console.log(child.pid), 1500)`,
    ])
    const [line] = (await once(parent.stdout, 'data')) as [Buffer]
    const pid = Number(line.toString())
    expect(isAlive(pid)).toBe(true)
    parent.kill('SIGKILL')
    for (let i = 0; i < 100 && isAlive(pid); i++) await delay(100)
    expect(isAlive(pid)).toBe(false)
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
