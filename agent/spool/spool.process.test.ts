import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { entryPoint } from '../../shared/entry-point.ts'
import { createStream } from '../../shared/random/stream.ts'
import { needs } from '../../test/needs.ts'
import { sampleJob, sampleResult } from '../../test/spool-samples.ts'
import { createJobQueue } from '../daemon/job-queue.ts'
import { openSeenNonces } from './seen-nonces.ts'
import { openSpool } from './spool.ts'

const patient = { timeout: 20_000 }
const root = mkdtempSync(join(tmpdir(), 'bitfleet-spool-'))
afterAll(() => rmSync(root, { recursive: true }))

/** Adds results and nonces, several at a time, and says each that was promised. */
const writer = `
const [spoolFile, noncesFile, folder, job, result] = process.argv.slice(1)
const { openSpool } = await import(spoolFile)
const { openSeenNonces } = await import(noncesFile)
const log = (line) => process.stderr.write(line + '\\n')
const spool = await openSpool(folder, { log })
const seen = await openSeenNonces(folder + '/nonces', folder + '/drafts', { log })
const start = Number(process.env.START)
const say = (line) => process.stdout.write(line + '\\n')
let next = start
const work = async () => {
  for (;;) {
    const n = next++
    await seen.add(n.toString(16).padStart(32, '0'), '2100-01-01T00:00:00.000Z')
    say('nonce ' + n)
    await spool.add({ ...JSON.parse(job), id: 'job/' + n }, { ...JSON.parse(result), trace: 'x'.repeat((n * 7919) % 100000) })
    say('result ' + n)
  }
}
await Promise.all([work(), work(), work()])
`

async function writeUntilKilled(folder: string, start: number, lines: number): Promise<string[]> {
  const child = spawn(
    process.execPath,
    [
      ...['--input-type=module', '-e', writer, '--'],
      ...[entryPoint(import.meta.url, './spool.ts'), entryPoint(import.meta.url, './seen-nonces.ts'), folder],
      ...[JSON.stringify(sampleJob('x')), JSON.stringify(sampleResult())],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { START: String(start) } },
  )
  const ended = once(child, 'exit')
  const said: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line)
    if (said.length === lines) child.kill('SIGKILL')
  }
  expect((await ended)[1]).toBe('SIGKILL')
  return said
}

describe('a spool whose process is killed while it writes', () => {
  it('has every result and nonce that was promised, whole, wherever it was killed', async () => {
    const folder = join(root, 'killed')
    const words = createStream('11', 'kills')
    const promised: string[] = []
    for (let round = 0; round < 15; round++) {
      promised.push(...(await writeUntilKilled(folder, round * 10_000, 1 + words.below(60))))
      const logged: string[] = []
      const log = (line: string) => logged.push(line)
      const spool = await openSpool(folder, { log })
      const seen = await openSeenNonces(join(folder, 'nonces'), join(folder, 'drafts'), { log })
      expect(spool.damaged()).toEqual([])
      for (const line of promised) {
        const [kind, n] = line.split(' ') as [string, string]
        if (kind === 'nonce') expect(seen.has(Number(n).toString(16).padStart(32, '0')), line).toBe(true)
        else expect(spool.has({ job: `job/${n}`, attempt: 1 }), line).toBe(true)
      }
      // Also those that were whole and not promised yet.
      for (const key of spool.keys()) {
        const n = Number(key.job.slice(4))
        expect((await spool.read(key))?.result.trace).toBe('x'.repeat((n * 7919) % 100_000))
      }
      expect(readdirSync(join(folder, 'drafts'))).toEqual([])
      // A line that was being written may be torn, and nothing else is.
      expect(logged.filter((line) => !line.startsWith('spool: 1 lines of'))).toEqual([])
      await seen.close()
    }
    expect(promised.length).toBeGreaterThan(100)
  })
})

describe('a full disk', () => {
  const mountable = (() => {
    const probe = join(root, 'probe')
    mkdirSync(probe)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe], { stdio: 'ignore' })
      execFileSync('umount', [probe])
      return true
    } catch {
      return false
    }
  })()

  it.skipIf(needs('a disk that is full for real', mountable, 'this user may not mount a tmpfs'))(
    'loses nothing: results wait in memory, new jobs are refused, and all goes on when there is room',
    async () => {
      const disk = join(root, 'disk')
      mkdirSync(disk)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk])
      try {
        const logged: string[] = []
        const log = (line: string) => logged.push(line)
        const folder = join(disk, 'spool')
        const spool = await openSpool(folder, { log })
        const seen = await openSeenNonces(join(folder, 'nonces'), join(folder, 'drafts'), { log })
        const refused: string[] = []
        const offered = new Set<string>()
        const ready = vi.fn<() => void>()
        const queue = createJobQueue({
          ...{ slots: 1, spool, seen, log, ready, retryMs: 50 },
          run: (job) => Promise.resolve(sampleResult(`${job.id}\n`.repeat(10_000))),
          offer: ({ job }) => offered.add(job),
          refused: (job) => refused.push(job.id),
        })
        const give = (n: number) =>
          queue.add(
            sampleJob(`job-${n}`, 1, { nonce: n.toString(16).padStart(32, '0'), expiresAt: '2100-01-01T00:00:00Z' }),
          )
        let given = 0
        while (refused.length === 0 && given < 100) {
          give(given++)
          await vi.waitFor(() => expect(offered.size + refused.length).toBe(given), patient)
        }
        expect(logged.join('\n')).toMatch(/ENOSPC/)
        expect(queue.counts()).toMatchObject({ unwritten: 1, owed: offered.size })
        expect(offered.size).toBeGreaterThan(5)
        for (const job of offered) {
          expect((await queue.read({ job, attempt: 1 }))?.result.trace).toBe(`${job}\n`.repeat(10_000))
        }
        // A spool that is opened while nothing fits is not stopped by it.
        expect((await openSpool(folder, { log })).keys()).toHaveLength(offered.size - 1)

        expect(ready).not.toHaveBeenCalled()
        for (const job of [...offered].slice(0, 3)) queue.acknowledge(job, 1)
        await vi.waitFor(() => expect(ready).toHaveBeenCalled(), patient)
        expect(queue.counts()).toMatchObject({ unwritten: 0, owed: offered.size - 3 })
        give(given)
        await vi.waitFor(() => expect(offered).toContain(`job-${given}`), patient)
        expect(spool.damaged()).toEqual([])
        const held = queue.owed()
        await queue.stop()
        await seen.close()
        expect((await openSpool(folder, { log })).keys()).toEqual(held)
      } finally {
        execFileSync('umount', [disk])
      }
    },
  )
})

describe('the page about the spool', () => {
  const page = readFileSync(new URL('../../docs/agent-state.md', import.meta.url), 'utf8')
  const script = /```sh\n(for file[^]*?)```/.exec(page)?.[1] ?? ''
  const able = spawnSync('sha256sum', ['--version']).status === 0

  it.skipIf(needs('the check of docs/agent-state.md', able, 'there is no sha256sum'))(
    'tells sound from damaged',
    async () => {
      const folder = join(root, 'page')
      const spool = await openSpool(folder, { log: () => {} })
      for (const id of ['run/c/0', 'run/c/1']) await spool.add(sampleJob(id), sampleResult('a\nb\n'))
      const results = join(folder, 'results')
      const file = join(results, 'run%2fc%2f1@1.result')
      writeFileSync(file, readFileSync(file, 'utf8').replace('a\nb', 'a\nB'))
      expect(execFileSync('sh', ['-c', script], { cwd: results, encoding: 'utf8' })).toBe(
        'sound run%2fc%2f0@1.result\ndamaged run%2fc%2f1@1.result\n',
      )
    },
  )
})

describe('a spool of ten thousand results', () => {
  it('holds an index in memory, not the results', async () => {
    const folder = join(root, 'many')
    const spool = await openSpool(folder, { log: () => {} })
    // Written as the spool writes them, without ten thousand fsyncs.
    await spool.add(sampleJob('job/0'), sampleResult('x'.repeat(20_000)))
    const { encodeRecord } = await import('./record.ts')
    const { recordFileName } = await import('./file-name.ts')
    for (let i = 1; i < 10_000; i++) {
      const job = sampleJob(`job/${i}`)
      const bytes = encodeRecord({ job, result: sampleResult('x'.repeat(20_000)), sequence: i })
      writeFileSync(join(folder, 'results', recordFileName({ job: job.id, attempt: 1 })), bytes)
    }
    const script = `
      const { openSpool } = await import(process.argv[1])
      const rss = () => { globalThis.gc(); const { heapUsed, arrayBuffers } = process.memoryUsage(); return heapUsed + arrayBuffers }
      const before = rss()
      const spool = await openSpool(process.argv[2], { log: console.error })
      process.stdout.write(JSON.stringify({ records: spool.usage().records, bytes: rss() - before }))`
    const said = execFileSync(
      process.execPath,
      ['--expose-gc', '--input-type=module', '-e', script, '--', entryPoint(import.meta.url, './spool.ts'), folder],
      { encoding: 'utf8' },
    )
    const { records, bytes } = JSON.parse(said) as { records: number; bytes: number }
    expect(records).toBe(10_000)
    // 200 MB of results.
    expect(bytes).toBeLessThan(24 << 20)
    rmSync(folder, { recursive: true })
  })
})
