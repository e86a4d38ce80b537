import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { compareInputs } from '../coordinator/compare/input-places.ts'
import type { Knobs } from '../shared/condition.ts'
import { parseTrace } from '../shared/trace.ts'
import { listCases, withoutCompiler } from './listed-cases.ts'
import { programJob } from './listed-programs.ts'
import { needs } from './needs.ts'
import { withoutPython } from './python.ts'

// The cases that a report was wrong about, each executed as an agent executes it.

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

const skipped = withoutPython('cases of programs')
const cases = skipped ? undefined : await listCases(['order', 'row', 'loader', 'coin'])
const flushing =
  skipped || withoutCompiler('case flush') ? undefined : await listCases(['subnormal@plain', 'subnormal@fast'])
afterAll(() => {
  cases?.remove()
  flushing?.remove()
})

async function execute(listed: typeof cases, name: string, knobs: Knobs = {}, changes: object = {}) {
  if (listed === undefined) throw new Error('nothing is listed')
  const limits = { timeMs: 240_000, memoryBytes: 2 ** 33 }
  const asked = programJob(name, knobs, { params: { name: name.split('@')[0] as string }, limits })
  const { execution, trace: text } = await listed.execute(asked, changes)
  expect(execution.outcome, execution.log).toEqual({ status: 'completed' })
  const trace = parseTrace(text as string)
  const inputs = (execution.inputs ?? []).map((seq) => trace.checkpoints[seq]?.name)
  return { execution, trace, inputs, side: { trace, positions: execution.inputs ?? [] } }
}

describe.skipIf(cases === undefined)('a knob that a program obeys and does not read back', () => {
  it('changes the bits, and nothing is said to be in force', async () => {
    const [one, four] = [await execute(cases, 'order', { parts: '1' }), await execute(cases, 'order', { parts: '4' })]
    expect(one.trace.digest).not.toBe(four.trace.digest)
    expect([one.execution.effective, four.execution.effective]).toEqual([{}, {}])
    // Nor as a fact by another way.
    expect(Object.keys(four.execution.facts).filter((key) => /PARTS|parts/.test(key))).toEqual([])
  })
})

describe.skipIf(cases === undefined)('inputs that differ between conditions', () => {
  it('are told by their role, and part the classes', async () => {
    const one = await execute(cases, 'row', { batch: '1', dtype: 'f32' })
    const eight = await execute(cases, 'row', { batch: '8', dtype: 'f32' })
    const half = await execute(cases, 'row', { batch: '1', dtype: 'bf16' })
    expect(one.inputs).toEqual(['x', 'w'])
    expect(one.execution.effective).toEqual({ batch: '1', dtype: 'f32' })
    // The batch changes the order of a sum, and no input.
    expect(compareInputs([one.side, eight.side])).toMatchObject({ equal: true, parting: [] })
    expect(one.trace.digest).not.toBe(eight.trace.digest)
    expect(compareInputs([one.side, eight.side, half.side])).toEqual({
      places: [
        { step: 0, name: 'x' },
        { step: 0, name: 'w' },
      ],
      equal: false,
      parting: [{ step: 0, name: 'x' }],
      following: [{ step: 0, name: 'w' }],
    })
  })
})

describe.skipIf(cases === undefined)('batches that workers draw', () => {
  const conditions: Knobs[] = [{ workers: '0' }, { workers: '2' }, { workers: '2', seeded: 'yes' }]

  it('differ at an input first', async () => {
    const sides = []
    for (const knobs of conditions) {
      const { side, inputs, execution } = await execute(cases, 'loader', knobs)
      expect(inputs).toEqual(['weights/w', 'input', 'input', 'input', 'input'])
      expect(execution.effective).toEqual({ seeded: 'no', ...knobs })
      sides.push(side)
    }
    const digests = new Set(sides.map(({ trace }) => trace.digest))
    expect(digests.size).toBe(3)
    expect(compareInputs(sides)).toMatchObject({
      equal: false,
      parting: [
        { step: 1, name: 'input' },
        { step: 2, name: 'input' },
      ],
    })
  })

  it('come through a Unix socket in a folder whose path has 200 characters and more', async () => {
    const scratchRoot = join(cases?.folder ?? '', 'd'.repeat(100), 'e'.repeat(100), 'scratch')
    const { execution } = await execute(cases, 'loader', { workers: '2' }, { scratchRoot })
    const [, bytes] = /^socket (\d+)$/m.exec(execution.log) ?? []
    expect(Number(bytes)).toBeGreaterThan(40)
    expect(Number(bytes)).toBeLessThanOrEqual(107)
    expect(execution.notes).toEqual([])
    expect(readdirSync(scratchRoot)).toEqual([])
    // Without the short way the socket cannot be made at all.
    expect(Buffer.byteLength(scratchRoot)).toBeGreaterThan(107)
  })
})

describe.skipIf(cases === undefined)('a coin', () => {
  it('echoes its knobs, and has no input', async () => {
    const { execution, inputs, trace } = await execute(cases, 'coin', { mode: 'steady', dummy: '2' })
    expect(execution.effective).toEqual({ mode: 'steady', dummy: '2' })
    expect(inputs).toEqual([])
    expect(execution.outputs.map(({ name, bits }) => [name, bits])).toEqual([['v', ['0000000000000000']]])
    expect((await execute(cases, 'coin', { mode: 'steady', dummy: '1' })).trace.digest).toBe(trace.digest)
  })

  it('disagrees with itself', async () => {
    const seen = new Set<string>()
    for (let i = 0; i < 40 && seen.size < 2; i++) {
      seen.add((await execute(cases, 'coin', { mode: 'five' })).trace.digest)
    }
    expect(seen.size).toBe(2)
  })
})

const readable = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)

describe.skipIf(flushing === undefined)('a library that flushes subnormals', () => {
  it.skipIf(needs('floating-point mode of programs', readable, 'read on Linux on x86-64 and arm64'))(
    'changes the mode that is a fact before and after, and the notes say by when',
    async () => {
      const plain = await execute(flushing, 'subnormal@plain')
      const fast = await execute(flushing, 'subnormal@fast')
      expect(plain.trace.digest).not.toBe(fast.trace.digest)
      expect(plain.inputs).toEqual(['x'])
      expect(compareInputs([plain.side, fast.side]).equal).toBe(true)
      const kept = { method: 'ptrace', rounding: 'nearest', ftz: 'no', daz: 'no' }
      const flushed = { ...kept, ftz: 'yes', daz: 'yes' }
      expect(modesOf(plain.execution.facts)).toMatchObject({ before: kept, after: kept })
      expect(modesOf(fast.execution.facts)).toMatchObject({ before: kept, after: flushed })
      if (process.arch === 'x64') {
        expect(fast.execution.facts).toMatchObject({
          'fp.program.before.mxcsr': '0x1f80',
          'fp.program.after.mxcsr': '0x9fc0',
          'fp.program.after.x87': '0x037f',
        })
      }
      const notes = fast.execution.notes.map(({ message }) => message)
      expect(notes).toEqual([
        expect.stringMatching(
          /^the floating-point mode of its main thread changed: rounding nearest, FTZ on, DAZ on by checkpoint "(?:scaled|sum)" of step [123]$/,
        ),
      ])
      expect(plain.execution.notes).toEqual([])
    },
  )
})

/** Facts of the program's floating-point mode, by when. */
function modesOf(facts: Readonly<Record<string, string>>): Record<string, Record<string, string>> {
  const modes: Record<string, Record<string, string>> = {}
  for (const [key, value] of Object.entries(facts)) {
    const [, when, name] = /^fp\.program\.(before|after)\.(\w+)$/.exec(key) ?? []
    if (when !== undefined && name !== undefined) modes[when] = { ...modes[when], [name]: value }
  }
  return modes
}

const pytorch = process.env.BITFLEET_TEST_PYTORCH ?? ''
const withoutTorch = needs(
  'a DataLoader’s workers in a deep folder',
  pytorch !== '' && spawnSync(pytorch, ['-c', 'import torch, numpy']).status === 0,
  'BITFLEET_TEST_PYTORCH names no Python with torch and numpy',
)

describe.skipIf(withoutTorch)('a DataLoader', () => {
  // Importing PyTorch takes a minute where others compute, too.
  it('has other batches with other workers, and its sockets in any folder', { timeout: 600_000 }, async () => {
    const listed = await listCases(['aug'], pytorch)
    try {
      const scratchRoot = join(listed.folder, 'd'.repeat(100), 'e'.repeat(100), 'scratch')
      const none = await execute(listed, 'aug', { workers: '0' })
      const two = await execute(listed, 'aug', { workers: '2' }, { scratchRoot })
      expect(none.inputs).toContain('input')
      expect(compareInputs([none.side, two.side])).toMatchObject({ equal: false, parting: [{ name: 'input' }] })
    } finally {
      listed.remove()
    }
  })
})
