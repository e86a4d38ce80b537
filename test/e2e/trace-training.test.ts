import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { digestOf } from '../../shared/digest.ts'
import { parseSafetensors } from '../../shared/safetensors.ts'
import { createTrace } from '../../shared/trace.ts'
import { needs } from '../needs.ts'
import { bitfleet, cleanUp, folder, runPlan } from './bitfleet.ts'

// docs/trace-a-training.md, with the Python that has PyTorch: three lines, a listed program, a plan, a report.

afterAll(cleanUp)

const examples = resolve(import.meta.dirname, '../../docs/examples')
const interpreter = process.env.BITFLEET_TEST_PYTORCH ?? ''
const absent = needs(
  'a traced training in a plan',
  interpreter !== '' && spawnSync(interpreter, ['-c', 'import torch']).status === 0,
  'BITFLEET_TEST_PYTORCH names no Python with torch',
)

interface Line {
  readonly checkpoint?: { readonly step: number; readonly file: string }
}

/** The digest of the trace that a script leaves in a folder, run by hand. */
function traceByHand(script: string, variables: Record<string, string>): string {
  const out = join(folder(), 'out')
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, BITFLEET_OUT: out, ...variables }
  const { status, stderr } = spawnSync(interpreter, [script, '--epochs', '1'], { env, encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  const lines = readFileSync(join(out, 'trace.ndjson'), 'utf8').trimEnd().split('\n')
  const checkpoints = lines.flatMap((line) => {
    const { checkpoint } = JSON.parse(line) as Line
    if (checkpoint === undefined) return []
    return [...parseSafetensors(readFileSync(join(out, checkpoint.file)))].map(([name, { dtype, shape, bytes }]) => ({
      ...{ step: checkpoint.step, name, dtype, shape, digest: digestOf(bytes) },
    }))
  })
  expect(checkpoints.length).toBeGreaterThan(300)
  return createTrace(checkpoints.map((checkpoint, seq) => ({ seq, ...checkpoint }))).digest
}

describe.skipIf(absent)('a training of three lines more', () => {
  it('has in a plan the very trace it has by hand, under each condition', { timeout: 600_000 }, async () => {
    const here = folder()
    for (const file of ['examples/trace/train_traced.py', '../python/bitfleet_trace.py']) {
      cpSync(resolve(examples, '..', file), join(here, file.split('/').at(-1) as string))
    }
    const script = join(here, 'train_traced.py')
    const added = await bitfleet([
      ...['programs', 'add', 'stripes', '--knob', 'threads=OMP_NUM_THREADS:1..64'],
      ...['--knob', 'isa=ATEN_CPU_CAPABILITY:default,avx2,avx512', '--pin', join(here, 'bitfleet_trace.py')],
      ...['--', interpreter, script, '--epochs', '1'],
    ])
    expect(added.code, added.stderr).toBe(0)
    const { report, code } = await runPlan(`
name: trace
repetitions: 2
workloads:
  - program: { name: stripes }
factors:
  backend: [stripes]
  as: [{ stripes.threads: 1, stripes.isa: default }, { stripes.threads: 2 }]
`)
    expect(report.cells.map(({ status }) => status)).toEqual(['completed', 'completed'])
    const conditions: Record<string, string>[] = [
      { OMP_NUM_THREADS: '1', ATEN_CPU_CAPABILITY: 'default' },
      { OMP_NUM_THREADS: '2' },
    ]
    const byHand = conditions.map((variables) => traceByHand(script, variables))
    expect(report.cells.map(({ traces }) => traces)).toEqual(byHand.map((trace) => [trace, trace]))
    expect(code).toBe(byHand[0] === byHand[1] ? 0 : 1)
    expect(report.cells.map(({ condition }) => condition.effective)).toEqual([
      { threads: '1', isa: 'default' },
      { threads: '2', isa: expect.any(String) },
    ])
    for (const { notes, facts, outputs } of report.cells) {
      expect(notes).toEqual([])
      expect(facts['lib.pytorch.version']).toMatch(/^\d+\.\d+/)
      expect(facts).toHaveProperty(['lib.libtorch_cpu.so.digest'])
      expect(outputs.map(({ name }) => name)).toContain('weights/fc2/weight')
    }
  })
})
