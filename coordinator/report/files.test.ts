import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { digestOf, sha256Hex } from '../../shared/digest.ts'
import { parseNpy } from '../../shared/npy.ts'
import { createTensor } from '../../shared/tensor.ts'
import { parseTrace } from '../../shared/trace.ts'
import { sampleReport, sampleRun } from '../../test/sample-report.ts'
import { createSyntheticRun, f32, syntheticAgent } from '../../test/synthetic-run.ts'
import { compareRun } from '../compare/compare-run.ts'
import type { Artifacts } from '../records.ts'
import { assembleReport } from './assemble.ts'
import { type ExportedTensor, exportArtifacts, renderReport, reportFormats, writeReport } from './files.ts'
import { reportSchema } from './format.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bitfleet-report-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

describe('written reports', () => {
  it('are the same bytes for the same run, in every form', () => {
    for (const format of reportFormats) {
      expect(sha256Hex(renderReport(sampleReport(), format))).toBe(sha256Hex(renderReport(sampleReport(), format)))
    }
  })

  it('do not depend on the order of keys', () => {
    const { comparisons, cells, ...rest } = sampleReport()
    const turned = { comparisons, cells, ...Object.fromEntries(Object.entries(rest).reverse()) }
    expect(renderReport(turned as ReturnType<typeof sampleReport>, 'json')).toBe(renderReport(sampleReport(), 'json'))
  })

  it('are whole files and leave no drafts', async () => {
    const out = join(dir, 'all')
    const paths = await writeReport(sampleReport(), out)
    expect(paths).toEqual(['json', 'html', 'md', 'csv'].map((format) => join(out, `report.${format}`)))
    expect((await readdir(out)).sort()).toEqual(['report.csv', 'report.html', 'report.json', 'report.md'])
    const text = await readFile(join(out, 'report.json'), 'utf8')
    expect(text.endsWith('}\n')).toBe(true)
    expect(reportSchema.parse(JSON.parse(text))).toEqual(reportSchema.parse(sampleReport()))
    await writeReport(sampleReport(), join(dir, 'one'), { formats: ['csv'] })
    expect(await readdir(join(dir, 'one'))).toEqual(['report.csv'])
  })
})

describe('exported artifacts', () => {
  async function indexOf(out: string): Promise<ExportedTensor[]> {
    return (JSON.parse(await readFile(join(out, 'artifacts', 'index.json'), 'utf8')) as { tensors: ExportedTensor[] })
      .tensors
  }

  it('hold the bytes that the report speaks of, under safe names', async () => {
    const out = join(dir, 'export')
    const summary = await exportArtifacts(sampleReport(), sampleRun().artifacts, out, 'all')
    expect(summary.missing).toBe(0)
    const tensors = await indexOf(out)
    const files = new Set(tensors.map(({ file }) => file))
    expect(files.size).toBe(summary.written)
    for (const { file, digest, dtype, shape } of tensors) {
      expect(file).toMatch(/^[A-Za-z0-9-]+-[0-9a-f]{24}(\.bf16)?\.npy$/)
      const tensor = parseNpy(await readFile(join(out, 'artifacts', file as string)), file as string)
      expect([digestOf(tensor.bytes), tensor.dtype, tensor.shape]).toEqual([digest, dtype, shape])
    }
    const outputs = sampleReport().cells.flatMap((cell) => cell.outputs)
    for (const { digest } of outputs) expect(tensors.some((tensor) => tensor.digest === digest)).toBe(true)
    for (const name of await readdir(join(out, 'traces'))) {
      expect(`${parseTrace(await readFile(join(out, 'traces', name), 'utf8')).digest}.jsonl`).toBe(name)
    }
  })

  it('have a file for each dtype and shape of the same bytes', async () => {
    const run = createSyntheticRun([syntheticAgent('a')])
    const [square, line] = [f32([1, 2, 3, 4], [2, 2]), f32([1, 2, 3, 4])]
    const long = [
      [2, ...Array(30).fill(1), 2, 1],
      [2, ...Array(31).fill(1), 2],
    ].map((shape) => f32([1, 2, 3, 4], shape))
    const integers = createTensor('i32', [4], line.bytes)
    const tensors = [square, line, ...long, integers]
    const checkpoints = tensors.map((tensor, step) => ({ step, name: 'y', tensor, output: step === 0 }))
    run.add({ workload: 'w', backend: 'js', executions: [{ checkpoints }] })
    const out = join(dir, 'identity')
    const report = assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0.1.0')
    expect((await exportArtifacts(report, run.artifacts, out, 'all')).written).toBe(5)
    const index = await indexOf(out)
    for (const [i, { file, dtype, shape }] of index.entries()) {
      const read = parseNpy(await readFile(join(out, 'artifacts', file as string)), file as string)
      expect([read.dtype, read.shape, dtype, shape]).toEqual([dtype, shape, tensors[i]?.dtype, tensors[i]?.shape])
    }
  })

  it('leave out bytes that do not fit what a trace says, and hold the others', async () => {
    const run = createSyntheticRun([syntheticAgent('a')])
    const wrong = { ...f32([1, 2]), shape: [3] }
    const checkpoints = [wrong, f32([3])].map((tensor, step) => ({ step, name: 'y', tensor }))
    run.add({ workload: 'w', backend: 'js', executions: [{ checkpoints }] })
    const report = assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0.1.0')
    const out = join(dir, 'unfit')
    expect(await exportArtifacts(report, run.artifacts, out, 'all')).toMatchObject({ written: 1, missing: 1 })
    expect((await indexOf(out)).map(({ file }) => file === null)).toEqual([true, false])
  })

  it('hold every result of a cell that disagrees with itself, when only outputs are asked for', async () => {
    const run = createSyntheticRun([syntheticAgent('a')])
    const execution = (value: number) => ({ checkpoints: [{ step: 0, name: 'y', tensor: f32([value]) }] })
    run.add({ workload: 'w', backend: 'js', executions: [1, 2, 3].map(execution) })
    const report = assembleReport(run.data(), await compareRun(run.data(), run.artifacts), 'bitfleet 0.1.0')
    expect((await exportArtifacts(report, run.artifacts, join(dir, 'self'), 'outputs')).written).toBe(3)
  })

  it('are fewer when only outputs are asked for, and hold what parts', async () => {
    const out = join(dir, 'outputs')
    const few = await exportArtifacts(sampleReport(), sampleRun().artifacts, out, 'outputs')
    const all = await exportArtifacts(sampleReport(), sampleRun().artifacts, join(dir, 'again'), 'all')
    expect(few.written).toBeLessThan(all.written)
    const digests = new Set((await indexOf(out)).map(({ digest }) => digest))
    for (const { divergences } of sampleReport().comparisons) {
      for (const { digests: pair } of divergences)
        for (const digest of pair) if (digest) expect(digests.has(digest)).toBe(true)
    }
  })

  it('say which bytes were not kept', async () => {
    const out = join(dir, 'missing')
    const { artifacts } = sampleRun()
    const forgetful: Artifacts = { tensor: async () => undefined, trace: (digest) => artifacts.trace(digest) }
    const summary = await exportArtifacts(sampleReport(), forgetful, out, 'outputs')
    expect(summary.written).toBe(0)
    expect(summary.missing).toBeGreaterThan(0)
    expect((await indexOf(out)).every(({ file }) => file === null)).toBe(true)
  })

  it('refuse bytes that are not what they are called', async () => {
    const { artifacts } = sampleRun()
    const lying: Artifacts = {
      async tensor(digest) {
        const bytes = Uint8Array.from((await artifacts.tensor(digest)) ?? [])
        bytes[0] = (bytes[0] ?? 0) ^ 1
        return bytes
      },
      trace: (digest) => artifacts.trace(digest),
    }
    await expect(exportArtifacts(sampleReport(), lying, join(dir, 'lying'), 'outputs')).rejects.toMatchObject({
      code: 'digest-mismatch',
    })
  })

  it('of another run do not stay beside a new report, and what somebody else put there does', async () => {
    const out = join(dir, 'reused')
    await writeReport(sampleReport(), out)
    await exportArtifacts(sampleReport(), sampleRun().artifacts, out, 'all')
    await writeFile(join(out, 'traces', 'notes.txt'), 'mine')
    await writeReport(sampleReport(), out)
    expect(await readdir(join(out, 'artifacts'))).toContain('index.json')
    const other = { ...sampleReport(), run: { ...sampleReport().run, id: '20260102-000000-aaaaaa' } }
    await writeReport(other, out)
    expect((await readdir(out)).sort()).toEqual(['report.csv', 'report.html', 'report.json', 'report.md', 'traces'])
    expect(await readdir(join(out, 'traces'))).toEqual(['notes.txt'])
  })
})
