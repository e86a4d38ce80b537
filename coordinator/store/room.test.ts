import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createSyntheticRun, f32, syntheticAgent } from '../../test/synthetic-run.ts'
import { checkFiles, journalPath, openStore, readJournal, type Store } from './index.ts'
import { createRoom } from './room.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bitfleet-room-'))
})
afterAll(() => rm(folder, { recursive: true }))

const plenty = 1 << 30
const little = 1 << 20
const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })

describe('room', () => {
  function roomOf(freeBytes: () => number, recover?: () => Promise<void>) {
    const lines: string[] = []
    const log = (line: string) => lines.push(line)
    const options = { log, retryMs: 20, freeBytes: async () => freeBytes(), ...(recover && { recover }) }
    return { lines, room: createRoom(folder, folder, options) }
  }

  it('is there until less than the reserve is free, and again once there is more, each said once', async () => {
    let free = plenty
    const { room, lines } = roomOf(() => free)
    await room.check()
    free = little
    await delay(250)
    await expect(room.check()).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('1.0 MiB'),
    })
    await expect(room.check()).rejects.toMatchObject({ code: 'unavailable' })
    expect(room.trouble()).toMatch(/takes nothing now/)
    await delay(100)
    free = plenty
    await vi.waitFor(() => expect(room.trouble()).toBeUndefined())
    await room.check()
    expect(lines).toEqual([expect.stringContaining('1.0 MiB free'), 'the store takes writes again'])
    room.close()
  })

  it('leaves more to the database than to files', async () => {
    const { room } = roomOf(() => 40 << 20)
    await room.checkForIndex()
    await expect(room.check()).rejects.toMatchObject({ code: 'unavailable' })
    room.close()
  })

  it('is none after the disk refused a write, also deep within an error, until all that must succeed does', async () => {
    let mended = false
    const { room } = roomOf(
      () => plenty,
      async () => {
        if (!mended) throw new Error('not yet')
      },
    )
    room.noteFailure(new Error('a query failed', { cause: new Error('in it', { cause: full }) }))
    await expect(room.check()).rejects.toMatchObject({ message: expect.stringContaining('ENOSPC') })
    await delay(80)
    expect(room.trouble()).toMatch(/not yet/)
    mended = true
    await vi.waitFor(() => expect(room.trouble()).toBeUndefined())
    room.close()
  })

  it('is not doubted for an error that is not the disk’s', () => {
    const { room } = roomOf(() => plenty)
    room.noteFailure(new Error('a bug'))
    room.noteFailure(undefined)
    expect(room.trouble()).toBeUndefined()
  })
})

describe('a store on a full disk', () => {
  let free = plenty
  let store: Store
  let dir: string
  const log: string[] = []
  beforeAll(async () => {
    dir = join(folder, 'store')
    const room = { freeBytes: async () => free, retryMs: 20 }
    store = await openStore(dir, { room, log: (line) => log.push(line) })
  }, 120_000)
  afterAll(() => store.close())

  const run = createSyntheticRun([syntheticAgent('a-1')], { id: 'run' })
  const checkpoints = [{ step: 0, name: 'sum', tensor: f32([1.5], []), output: true }]
  run.add({ workload: 'reduce.sum', backend: 'js', executions: [{ checkpoints }, { checkpoints }, { checkpoints }] })
  const { executions, ...data } = run.data()
  const record = (i: number) => {
    const one = executions[i] as (typeof executions)[number]
    return store.recordExecution('run', one, run.traces.get(one.execution.trace as string))
  }
  const recorded = async () => {
    const found: number[] = []
    await readJournal(journalPath(dir), ({ record: line }) => {
      if (line.kind === 'execution') found.push(line.repetition)
    })
    return found
  }
  const fill = async (bytes: number) => {
    free = bytes
    // Longer than an answer of the file system is believed.
    await delay(250)
  }
  const make = async () => {
    free = plenty
    await vi.waitFor(() => expect(store.trouble()).toBeUndefined())
  }

  it('refuses what it does not write, reads on, and goes on once there is room', async () => {
    await store.createRun({ ...data.run, state: 'running' }, data.cells)
    await record(0)
    await fill(little)
    await expect(record(1)).rejects.toMatchObject({ code: 'unavailable' })
    await expect(store.setRunState('run', 'comparing')).rejects.toMatchObject({ code: 'unavailable' })
    expect(store.trouble()).toMatch(/1.0 MiB free/)
    expect(await store.listExecutions('run')).toHaveLength(1)
    await make()
    expect(await record(1)).toBe(true)
    expect(await recorded()).toEqual([0, 1])
  })

  it('has written what its journal has, though the index may not be touched: nothing is written twice', async () => {
    await fill(plenty)
    // Between the look at the disk that comes before a file and the one that comes before the index.
    await store.listRuns()
    await store.append({ kind: 'audit', by: 'coordinator', action: 'looked at', subject: 'the disk' })
    free = little
    expect(await record(2)).toBe(true)
    expect(store.trouble()).toMatch(/1.0 MiB free/)
    expect(await recorded()).toEqual([0, 1, 2])
    // What reads the index waits for it.
    await expect(store.listExecutions('run')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(record(2)).rejects.toMatchObject({ code: 'unavailable' })
    await make()
    expect(await record(2)).toBe(false)
    expect((await store.listExecutions('run')).map(({ repetition }) => repetition)).toEqual([0, 1, 2])
    expect(await recorded()).toEqual([0, 1, 2])
    expect(log.filter((line) => line.startsWith('the store takes writes again'))).toHaveLength(2)
    expect(log.filter((line) => line.includes('1.0 MiB free'))).toHaveLength(2 + 1)
  })

  it('is sound after it', async () => {
    expect((await checkFiles(dir)).problems).toEqual([])
  })
})
