import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, it, vi } from 'vitest'
import { digestOf } from '../shared/digest.ts'
import { createStream } from '../shared/random/stream.ts'
import { createPowerCut } from './power-cut.ts'
import { createSyntheticRun, f32, syntheticAgent } from './synthetic-run.ts'

const cut = await vi.hoisted(async () => {
  const { createPowerCut: create } = await import('./power-cut.ts')
  return create(await import('node:fs/promises'))
})
vi.mock('node:fs/promises', () => ({ ...cut.promises, default: cut.promises }))

const { mkdir, readdir, readFile, rm, writeFile } =
  await vi.importActual<typeof import('node:fs/promises')>('node:fs/promises')
const { checkFiles, openStore } = await import('../coordinator/store/index.ts')
const { createContentFiles } = await import('../coordinator/store/content-files.ts')

const scratch = mkdtempSync(join(tmpdir(), 'bitfleet-power-'))
afterAll(() => rmSync(scratch, { recursive: true }))

const words = createStream('7', 'power-cut')
const choose = (most: number) => words.below(most + 1)

/** Results of a run, two of them of one trace. */
function results() {
  const run = createSyntheticRun([syntheticAgent('a-1')], { id: 'run' })
  for (let i = 0; i < 9; i++) {
    const checkpoints = [{ step: 0, name: 'sum', tensor: f32([i % 4], []), output: true }]
    run.add({ workload: 'reduce.sum', params: { i }, backend: 'js', executions: [{ checkpoints }] })
  }
  return { data: run.data(), traces: run.traces }
}

it('keeps every acknowledged result and believes nothing half-written, wherever the power is cut', async () => {
  const { data, traces } = results()
  const home = join(scratch, 'home')
  /** What was promised, in the order of the promises. */
  const promised: string[] = []
  const images: { dir: string; promised: string[] }[] = []
  let syncs = 0
  cut.onSync = () => {
    const dir = join(scratch, `image-${syncs++}`)
    const before = [...promised]
    cut.layOut(scratch, dir, choose)
    images.push({ dir: join(dir, 'home'), promised: before })
  }
  const store = await openStore(home)
  await store.saveAgent(syntheticAgent('a-1'))
  promised.push('agent')
  await store.createRun({ ...data.run, state: 'running' }, data.cells)
  promised.push('run')
  await Promise.all(
    data.executions.map(async (one, i) => {
      // Some at once, some later.
      for (let wait = 0; wait < i % 3; wait++) await new Promise((resolve) => setTimeout(resolve, 3))
      await store.recordExecution('run', one, traces.get(one.execution.trace as string))
      promised.push(`${one.cell} ${one.repetition}`)
    }),
  )
  const bytes = Buffer.from('a tensor that came')
  await Promise.all([store.putObject(bytes, digestOf(bytes)), store.putObject(bytes, digestOf(bytes))])
  promised.push('tensor')
  await store.setRunState('run', 'comparing')
  cut.onSync()
  cut.onSync = () => {}
  await store.close()
  expect(images.length).toBeGreaterThan(40)

  /** Those that are read with an index, which takes seconds; the others by fsck. */
  const opened = new Set([10, 40, images.length - 1].map((i) => images[i]))
  for (const [i, image] of images.entries()) {
    if (i % 2 === 1 && !opened.has(image)) continue
    const kept: string[] = []
    const found = await checkFiles(image.dir).catch((error: { code: string }) => {
      // Cut before there was a store: nothing was promised.
      expect([error.code, image.promised]).toEqual(['not-found', []])
      return undefined
    })
    if (!found) continue
    const isYoung = image.promised.length === 0
    expect(found.problems.filter(({ file }) => !(isYoung && file.endsWith('journal.jsonl')))).toEqual([])
    if (!opened.has(image)) continue
    for (const name of await readdir(image.dir)) {
      if (!name.startsWith('lock')) continue
      // Whole, or it would keep every later coordinator out; its process, this one, is gone after a real cut.
      expect(await readFile(join(image.dir, name), 'utf8')).toMatch(/^$|^\{.*\}$/)
      await rm(join(image.dir, name))
    }
    const back = await openStore(image.dir)
    for (const { id } of await back.listAgents()) if (id === 'a-1') kept.push('agent')
    if ((await back.listRuns()).length > 0) {
      kept.push('run')
      const { executions } = await back.loadRun('run')
      for (const { cell, repetition, execution } of executions) {
        kept.push(`${cell} ${repetition}`)
        expect(await back.artifacts().trace(execution.trace as string)).toBe(traces.get(execution.trace as string))
      }
    }
    if (await back.getObject(digestOf(bytes))) kept.push('tensor')
    expect(kept).toEqual(expect.arrayContaining(image.promised))
    await back.close()
  }
  expect(images.at(-1)?.promised).toHaveLength(12)
}, 240_000)

it('has the name on disk of bytes that another one has just named, and not synced', async () => {
  const home = mkdtempSync(join(scratch, 'content-'))
  const files = createContentFiles(join(home, 'objects'), home)
  const bytes = Buffer.from('named by another')
  const digest = digestOf(bytes)
  const path = files.pathOf(digest)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytes)
  await files.put(bytes, digest)
  const target = join(scratch, 'content-image')
  cut.layOut(home, target, (most) => most)
  expect(await createContentFiles(join(target, 'objects'), target).get(digest)).toEqual(bytes)
})

it('notices a write that nobody waited for: a disk that loses everything unsynced loses it', async () => {
  const real = await vi.importActual<typeof import('node:fs/promises')>('node:fs/promises')
  const disk = createPowerCut(real)
  const home = mkdtempSync(join(scratch, 'control-'))
  const folder = await disk.promises.open(home, 'r')
  const write = async (name: string, syncs: boolean) => {
    const file = await disk.promises.open(join(home, name), 'wx')
    await file.writeFile(name)
    if (syncs) await file.sync()
    await file.close()
  }
  await write('named', true)
  await write('empty', false)
  await folder.sync()
  await write('nameless', true)
  await folder.close()
  const target = join(scratch, 'control')
  disk.layOut(home, target, () => 0)
  expect(await real.readdir(target)).toEqual(['empty', 'named'])
  expect(await real.readFile(join(target, 'empty'), 'utf8')).toBe('')
  expect(await real.readFile(join(target, 'named'), 'utf8')).toBe('named')
})
