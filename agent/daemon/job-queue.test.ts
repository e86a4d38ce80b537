import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import type { JobKey } from '../spool/file-name.ts'
import { openSeenNonces, type SeenNonces } from '../spool/seen-nonces.ts'
import { openSpool, type Spool, type SpoolOptions } from '../spool/spool.ts'
import { sampleJob, sampleResult } from '../../test/spool-samples.ts'
import type { ExecutionResult } from './execution.ts'
import { createJobQueue, type JobQueueOptions } from './job-queue.ts'

const root = mkdtempSync(join(tmpdir(), 'bitfleet-queue-'))
const opened: SeenNonces[] = []
afterAll(async () => {
  for (const seen of opened) await seen.close()
  rmSync(root, { recursive: true })
})
let folders = 0
vi.setConfig({ testTimeout: 60_000 })
const patient = { timeout: 20_000 }
const nonce = (n: number) => n.toString(16).padStart(32, '0')
const signed = (id: string, n: number, attempt = 1) => sampleJob(id, attempt, { nonce: nonce(n) })
const key = (job: string, attempt = 1): JobKey => ({ job, attempt })
const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })

/** A queue whose executions end when a test says so. */
async function queueOf(
  changes: Partial<JobQueueOptions> & { folder?: string; spoolOptions?: Partial<SpoolOptions> } = {},
) {
  const folder = changes.folder ?? join(root, String(folders++))
  const logged: string[] = []
  const log = (line: string) => logged.push(line)
  const spool: Spool = await openSpool(folder, { log, ...changes.spoolOptions })
  const seen = await openSeenNonces(join(folder, 'nonces'), join(folder, 'drafts'), { log })
  opened.push(seen)
  const runs = new Map<string, { end(result?: ExecutionResult): void; fail(error: Error): void; signal: AbortSignal }>()
  const offered: string[] = []
  const refused: [job: string, reason: string, later: boolean][] = []
  const ready = vi.fn<() => void>()
  const queue = createJobQueue({
    ...{ slots: 1, spool, seen, log, retryMs: 20, ready },
    run: (job, signal) =>
      new Promise((resolve, reject) => {
        runs.set(job.id, { end: (result = sampleResult(`${job.id}\n`)) => resolve(result), fail: reject, signal })
        signal.addEventListener('abort', () => reject(new Error('stopped')))
      }),
    offer: ({ job, attempt }) => offered.push(`${job}@${attempt}`),
    refused: (job, reason, again) => refused.push([job.id, reason, again]),
    ...changes,
  })
  const started = (id: string) => vi.waitFor(() => expect(runs.has(id)).toBe(true), patient)
  const end = async (id: string) => {
    await started(id)
    runs.get(id)?.end()
    await vi.waitFor(() => expect(offered).toContain(`${id}@1`), patient)
  }
  return { folder, queue, spool, seen, runs, offered, refused, ready, logged, started, end }
}

describe('a job queue', () => {
  it('has a result on disk before it offers it, and forgets it when it is acknowledged', async () => {
    const { queue, folder, end, offered } = await queueOf({
      offer: ({ job }) => {
        expect(readdirSync(join(folder, 'results'))).toEqual(['a@1.result'])
        offered.push(`${job}@1`)
      },
    })
    queue.add(sampleJob('a'))
    expect(queue.holding()).toEqual([key('a')])
    await end('a')
    expect(queue.owed()).toEqual([key('a')])
    expect((await queue.read(key('a')))?.result).toEqual(sampleResult('a\n'))
    expect(queue.counts()).toEqual({ waiting: 0, running: 0, owed: 1, unwritten: 0 })
    queue.acknowledge('a', 2)
    expect(queue.owed()).toEqual([key('a')])
    queue.acknowledge('a', 1)
    expect(queue.holding()).toEqual([])
    expect(await queue.read(key('a'))).toBeUndefined()
    await vi.waitFor(() => expect(readdirSync(join(folder, 'results'))).toEqual([]), patient)
  })

  it('has after a restart what had ended, and not what ran or waited', async () => {
    const first = await queueOf()
    for (const id of ['ended', 'ran', 'waited']) first.queue.add(sampleJob(id))
    await first.end('ended')
    await first.started('ran')
    expect(first.queue.holding().map(({ job }) => job)).toEqual(['ended', 'ran', 'waited'])
    const again = await queueOf({ folder: first.folder })
    expect(again.queue.holding()).toEqual([key('ended')])
    // Given once more, it is not made again.
    again.queue.add(sampleJob('ended'))
    expect(again.offered).toEqual(['ended@1'])
    expect(again.runs.size).toBe(0)
  })

  it('takes a job once: its nonce is on disk before it starts, and refused after a restart too', async () => {
    const first = await queueOf()
    first.queue.add(signed('a', 1))
    await first.started('a')
    const again = await queueOf({ folder: first.folder })
    again.queue.add(signed('a', 1))
    expect(again.refused).toEqual([['a', expect.stringMatching(/nonce before/), false]])
    again.queue.add(signed('a', 2, 2))
    await again.started('a')
    // Also under another name, while the first waits or runs.
    again.queue.add(signed('b', 3))
    again.queue.add(signed('c', 3))
    expect(again.refused[1]).toMatchObject(['c', expect.anything(), false])
    expect(again.queue.holding()).toEqual([key('a', 2), key('b')])
  })

  it('keeps aside what the coordinator refuses for good, and does not offer it again', async () => {
    const { queue, folder, end, spool } = await queueOf()
    queue.add(sampleJob('a'))
    await end('a')
    queue.reject('a', 1)
    expect(queue.owed()).toEqual([])
    await vi.waitFor(() => expect(readdirSync(join(folder, 'refused'))).toEqual(['00000001-a@1.result']), patient)
    expect(spool.usage().refused).toBe(1)
    expect((await queueOf({ folder })).queue.holding()).toEqual([])
  })

  it('seals every result, also those it makes itself', async () => {
    const { queue, end, runs, started, offered } = await queueOf({
      seal: (job, result) => ({ ...result, signed: { job: job.id } as never }),
    })
    for (const id of ['a', 'fails', 'waits']) queue.add(sampleJob(id))
    queue.cancel('waits')
    await end('a')
    await started('fails')
    runs.get('fails')?.fail(new Error('no such luck'))
    await vi.waitFor(() => expect(offered).toHaveLength(3), patient)
    for (const id of ['a', 'fails', 'waits']) {
      expect((await queue.read(key(id)))?.result).toHaveProperty('signed', { job: id })
    }
    expect((await queue.read(key('waits')))?.result.execution.outcome).toEqual({ status: 'cancelled' })
    expect((await queue.read(key('fails')))?.result.execution.outcome).toMatchObject({ message: 'no such luck' })
  })

  it('gives a slot to the next job though a cancelled one is still being kept', async () => {
    const { queue, spool, started, end } = await queueOf()
    const real = spool.add
    let release = () => {}
    vi.spyOn(spool, 'add').mockImplementation(async (job, result) => {
      if (job.id === 'cancelled') await new Promise<void>((resolve) => (release = resolve))
      await real(job, result)
    })
    for (const id of ['a', 'cancelled', 'next']) queue.add(sampleJob(id))
    queue.cancel('cancelled')
    await end('a')
    await started('next')
    expect(queue.holding()).toHaveLength(3)
    release()
    await queue.stop()
  })

  it('answers with a failure where a result is too large for any frame', async () => {
    const { queue, runs, started, offered } = await queueOf()
    queue.add(sampleJob('large'))
    await started('large')
    runs.get('large')?.end(sampleResult('x'.repeat(65 << 20)))
    await vi.waitFor(() => expect(offered).toEqual(['large@1']), patient)
    const outcome = (await queue.read(key('large')))?.result.execution.outcome
    expect(outcome).toMatchObject({ status: 'failed', code: 'limit' })
  })

  it('shows no control character of an id in the log', async () => {
    const { queue, end, logged } = await queueOf()
    queue.add(sampleJob('\u001b[2J\nforged line'))
    await end('\u001b[2J\nforged line')
    expect(logged).toEqual(['␛[2J forged line (attempt 1): completed'])
  })
})

describe('a job queue without room', () => {
  it('refuses new work over its quota, keeps the old, and says when it takes work again', async () => {
    const { queue, end, refused, ready, spool } = await queueOf({ spoolOptions: { quotaRecords: 1 } })
    queue.add(sampleJob('a'))
    queue.add(sampleJob('b'))
    await end('a')
    await end('b')
    queue.add(sampleJob('c'))
    expect(refused).toEqual([['c', expect.stringMatching(/spool of this agent is full/), true]])
    expect(queue.counts().refusing).toMatch(/full/)
    expect(spool.keys()).toHaveLength(2)
    queue.acknowledge('a', 1)
    await Promise.resolve()
    expect(ready).not.toHaveBeenCalled()
    queue.acknowledge('b', 1)
    await vi.waitFor(() => expect(ready).toHaveBeenCalledTimes(1), patient)
    queue.add(sampleJob('c'))
    await end('c')
  })

  it('has no more than so many in hand, whatever it is sent', async () => {
    const { queue, refused, ready, end, runs } = await queueOf()
    for (let i = 0; i < 1100; i++) queue.add(sampleJob(`job-${i}`))
    expect(queue.holding()).toHaveLength(1001)
    expect(refused).toHaveLength(99)
    expect(refused[0]).toEqual(['job-1001', expect.stringMatching(/1001 jobs in hand/), true])
    await end('job-0')
    await vi.waitFor(() => expect(ready).toHaveBeenCalled(), patient)
    expect(runs.size).toBeGreaterThanOrEqual(1)
  })

  it('keeps in memory what a full disk does not take, offers it, and writes it when there is room', async () => {
    const { queue, spool, end, refused, offered, ready, folder } = await queueOf()
    const adding = vi.spyOn(spool, 'add').mockRejectedValue(full)
    queue.add(sampleJob('a'))
    queue.add(sampleJob('b'))
    await end('a')
    // What waits is better made elsewhere than held back.
    expect(refused).toEqual([['b', expect.stringMatching(/disk of this agent takes nothing.*no space/), true]])
    expect(queue.counts()).toMatchObject({ owed: 1, unwritten: 1, refusing: expect.stringMatching(/disk/) })
    expect(queue.holding()).toEqual([key('a')])
    expect((await queue.read(key('a')))?.result).toEqual(sampleResult('a\n'))
    queue.add(sampleJob('c'))
    expect(refused[1]).toMatchObject(['c', expect.anything(), true])
    await vi.waitFor(() => expect(adding.mock.calls.length).toBeGreaterThan(3), patient)
    expect(queue.owed()).toEqual([key('a')])
    adding.mockRestore()
    await vi.waitFor(() => expect(ready).toHaveBeenCalledTimes(1), patient)
    expect(readdirSync(join(folder, 'results'))).toEqual(['a@1.result'])
    expect(queue.counts()).toEqual({ waiting: 0, running: 0, owed: 1, unwritten: 0 })
    expect(offered).toEqual(['a@1', 'a@1'])
  })

  it('drops what was acknowledged before it could be written, and finds out when the disk has room', async () => {
    const { queue, spool, end, ready, folder, refused } = await queueOf()
    const adding = vi.spyOn(spool, 'add').mockRejectedValue(full)
    const probing = vi.spyOn(spool, 'probe').mockRejectedValue(full)
    queue.add(sampleJob('a'))
    await end('a')
    queue.acknowledge('a', 1)
    expect(queue.holding()).toEqual([])
    await vi.waitFor(() => expect(probing.mock.calls.length).toBeGreaterThan(2), patient)
    queue.add(sampleJob('b'))
    expect(refused).toHaveLength(1)
    expect(ready).not.toHaveBeenCalled()
    adding.mockRestore()
    probing.mockRestore()
    await vi.waitFor(() => expect(ready).toHaveBeenCalledTimes(1), patient)
    expect(readdirSync(join(folder, 'results'))).toEqual([])
    expect(readdirSync(join(folder, 'drafts'))).toEqual([])
  })

  it('forgets what is acknowledged in the moment it is being written', async () => {
    const { queue, spool, end, offered } = await queueOf()
    const real = spool.add
    vi.spyOn(spool, 'add')
      .mockRejectedValueOnce(full)
      .mockImplementationOnce(async (...args) => {
        queue.acknowledge('a', 1)
        await real(...args)
      })
    queue.add(sampleJob('a'))
    await end('a')
    await vi.waitFor(() => expect(queue.holding()).toEqual([]), patient)
    expect(spool.keys()).toEqual([])
    expect(offered).toEqual(['a@1'])
  })

  it('has an execution that went wrong on a full disk made again, and keeps what went wrong on another', async () => {
    const { queue, spool, runs, started, offered, refused, ready } = await queueOf()
    const { execution } = sampleResult()
    const outcome = { status: 'failed', code: 'internal', message: 'ENOSPC', stderr: '' } as const
    const wrong: ExecutionResult = { execution: { ...execution, outcome, trace: undefined }, kept: [] }
    const probing = vi.spyOn(spool, 'probe').mockRejectedValue(full)
    queue.add(sampleJob('a'))
    queue.add(sampleJob('b'))
    await started('a')
    runs.get('a')?.end(wrong)
    await vi.waitFor(() => expect(refused).toHaveLength(2), patient)
    expect(refused.map(([job, reason, later]) => [job, /no space left/.test(reason), later])).toEqual([
      ['b', true, true],
      ['a', true, true],
    ])
    expect([offered, queue.holding(), spool.keys()]).toEqual([[], [], []])
    probing.mockRestore()
    await vi.waitFor(() => expect(ready).toHaveBeenCalledTimes(1), patient)
    const before = runs.get('a')
    queue.add(sampleJob('a', 2))
    await vi.waitFor(() => expect(runs.get('a')).not.toBe(before), patient)
    runs.get('a')?.end(wrong)
    await vi.waitFor(() => expect(offered).toEqual(['a@2']), patient)
    expect((await queue.read(key('a', 2)))?.result.execution.outcome).toEqual(outcome)
  })

  it('does not start a job whose nonce it cannot write', async () => {
    const { queue, seen, runs, refused, ready } = await queueOf()
    vi.spyOn(seen, 'add').mockRejectedValueOnce(full)
    queue.add(signed('a', 1))
    await vi.waitFor(() => expect(refused).toEqual([['a', expect.stringMatching(/no space left/), true]]), patient)
    expect(runs.size).toBe(0)
    expect(queue.holding()).toEqual([])
    await vi.waitFor(() => expect(ready).toHaveBeenCalled(), patient)
  })
})

describe('a job queue that drains', () => {
  it('finishes what runs and what waits, takes nothing new, and is done when all is acknowledged', async () => {
    const { queue, end, refused, ready } = await queueOf()
    queue.add(sampleJob('runs'))
    queue.add(sampleJob('waits'))
    let done = false
    const drained = Promise.all([queue.drain(), queue.drain()]).then(() => {
      done = true
    })
    queue.add(sampleJob('new'))
    expect(refused).toEqual([['new', 'this agent is draining', true]])
    await end('runs')
    queue.acknowledge('runs', 1)
    await end('waits')
    expect(done).toBe(false)
    queue.reject('waits', 1)
    await drained
    expect(ready).not.toHaveBeenCalled()
    await queue.drain()
  })

  it('is done at once where nothing is in hand', async () => {
    await expect((await queueOf()).queue.drain()).resolves.toBeUndefined()
  })
})

describe('a job queue that stops', () => {
  it('cancels at once what runs and waits, tells of it, and leaves nothing of it on disk', async () => {
    const { queue, runs, started, offered, folder } = await queueOf()
    queue.add(sampleJob('runs'))
    queue.add(sampleJob('waits'))
    await started('runs')
    await queue.stop()
    expect(runs.get('runs')?.signal.aborted).toBe(true)
    expect(offered.sort()).toEqual(['runs@1', 'waits@1'])
    for (const id of ['runs', 'waits'])
      expect((await queue.read(key(id)))?.result.execution.outcome).toEqual({ status: 'cancelled' })
    expect(readdirSync(join(folder, 'results'))).toEqual([])
    queue.acknowledge('runs', 1)
    queue.acknowledge('waits', 1)
    expect(queue.holding()).toEqual([])
  })

  it('lets what runs go on within its grace, and keeps its result', async () => {
    const { queue, started, end, refused, folder, offered } = await queueOf()
    queue.add(sampleJob('runs'))
    queue.add(sampleJob('waits'))
    await started('runs')
    const stopped = queue.stop(60_000)
    queue.add(sampleJob('new'))
    expect(refused).toEqual([['new', 'this agent is stopping', true]])
    await vi.waitFor(() => expect(offered).toEqual(['waits@1']), patient)
    await end('runs')
    await stopped
    expect(readdirSync(join(folder, 'results'))).toEqual(['runs@1.result'])
  })

  it('cancels it when the grace is over, or when it is told again', async () => {
    const first = await queueOf()
    first.queue.add(sampleJob('runs'))
    await first.started('runs')
    await first.queue.stop(20)
    expect(first.runs.get('runs')?.signal.aborted).toBe(true)
    const second = await queueOf()
    second.queue.add(sampleJob('runs'))
    await second.started('runs')
    const stopped = second.queue.stop(60_000)
    await second.queue.stop()
    await stopped
    expect(second.runs.get('runs')?.signal.aborted).toBe(true)
  })

  it('writes what the disk did not take before, or says what is lost', async () => {
    const { queue, spool, end, logged, folder } = await queueOf({ retryMs: 60_000 })
    const adding = vi.spyOn(spool, 'add').mockRejectedValue(full)
    queue.add(sampleJob('a'))
    await end('a')
    await queue.stop()
    expect(logged.join('\n')).toMatch(/1 results are lost with this process: ENOSPC/)
    adding.mockRestore()
    await queue.stop()
    expect(readdirSync(join(folder, 'results'))).toEqual(['a@1.result'])
  })
})
