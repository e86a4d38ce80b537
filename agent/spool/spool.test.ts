import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { parseRecordFileName, recordFileName } from './file-name.ts'
import { sampleJob, sampleResult } from '../../test/spool-samples.ts'
import { openSpool, type SpoolOptions } from './spool.ts'

const root = mkdtempSync(join(tmpdir(), 'bitfleet-spool-'))
afterAll(() => rmSync(root, { recursive: true }))
let folders = 0
const fresh = () => join(root, String(folders++))
const key = (job: string, attempt = 1) => ({ job, attempt })
const open = async (folder: string, options: Partial<SpoolOptions> = {}) => {
  const logged: string[] = []
  return { ...(await openSpool(folder, { log: (line) => logged.push(line), ...options })), logged }
}

describe('a spool', () => {
  it('gives back after a restart what it was given, in the order of making', async () => {
    const folder = fresh()
    const first = await open(folder)
    const ids = ['z', 'a', 'run/cell/0', '../../x', 'x'.repeat(500), '\u001b[2J\u202e', '', '\ud800']
    for (const id of ids) await first.add(sampleJob(id), sampleResult(`trace of ${id.length}\n`))
    await first.add(sampleJob('a', 2), sampleResult('second'))
    const again = await open(folder)
    expect(again.keys()).toEqual([...ids.map((id) => key(id)), key('a', 2)])
    expect(again.usage()).toEqual(first.usage())
    for (const id of ids) expect((await again.read(key(id)))?.result).toEqual(sampleResult(`trace of ${id.length}\n`))
    expect((await again.read(key('a', 2)))?.job).toEqual(sampleJob('a', 2))
    expect(again.logged).toEqual([])
    expect(again.damaged()).toEqual([])
    for (const name of readdirSync(join(folder, 'results'))) expect(parseRecordFileName(name), name).toBeDefined()
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, 'results', recordFileName(key('z')))).mode & 0o777).toBe(0o600)
  })

  it('forgets what was acknowledged, and sets aside what was refused', async () => {
    const folder = fresh()
    const spool = await open(folder)
    for (const id of ['a', 'b', 'c']) await spool.add(sampleJob(id), sampleResult())
    await spool.remove(key('a'))
    await spool.remove(key('never there'))
    await spool.reject(key('b'))
    const again = await open(folder)
    expect(again.keys()).toEqual([key('c')])
    expect(again.usage()).toMatchObject({ records: 1, refused: 1, damaged: 0 })
    expect(readdirSync(join(folder, 'refused'))).toEqual(['00000001-b@1.result'])
  })

  it('keeps the newest hundred of those that were refused', async () => {
    const folder = fresh()
    const spool = await open(folder)
    for (let i = 0; i < 105; i++) {
      await spool.add(sampleJob(`j${i}`), sampleResult())
      await spool.reject(key(`j${i}`))
    }
    const kept = readdirSync(join(folder, 'refused')).sort()
    expect(kept).toHaveLength(100)
    expect([kept[0], kept[99]]).toEqual(['00000006-j5@1.result', '00000105-j104@1.result'])
    expect((await open(folder)).usage().refused).toBe(100)
  })

  it('says that it is full by count and by bytes, and drops nothing for it', async () => {
    const spool = await open(fresh(), { quotaRecords: 2 })
    await spool.add(sampleJob('a'), sampleResult())
    expect(spool.fullness()).toBeUndefined()
    await spool.add(sampleJob('b'), sampleResult())
    expect(spool.fullness()).toMatch(/holds 2 results .* quota is 2 results/)
    await spool.add(sampleJob('c'), sampleResult())
    expect(spool.keys()).toHaveLength(3)
    await spool.remove(key('a'))
    await spool.remove(key('b'))
    expect(spool.fullness()).toBeUndefined()
    const small = await open(fresh(), { quotaBytes: 1000 })
    await small.add(sampleJob('a'), sampleResult('x'.repeat(1000)))
    expect(small.fullness()).toMatch(/quota is 20000 results and 1000 B/)
    // The same attempt once more is counted once.
    await small.add(sampleJob('a'), sampleResult())
    expect(small.fullness()).toBeUndefined()
    expect(small.usage().bytes).toBe(statSync(join(root, String(folders - 1), 'results', 'a@1.result')).size)
  })

  it('goes on where somebody removed its folders', async () => {
    const folder = fresh()
    const spool = await open(folder)
    await spool.add(sampleJob('a'), sampleResult())
    rmSync(folder, { recursive: true })
    expect(await spool.read(key('a'))).toBeUndefined()
    expect(spool.damaged()).toMatchObject([{ job: 'a', attempt: 1, reason: expect.stringMatching(/gone/) }])
    await spool.add(sampleJob('b'), sampleResult())
    expect((await spool.read(key('b')))?.result).toEqual(sampleResult())
  })
})

describe('a damaged spool', () => {
  const ids = ['one', 'two', 'three']
  const model = fresh()
  const made = open(model).then(async (spool) => {
    for (const [i, id] of ids.entries()) await spool.add(sampleJob(id, i + 1), sampleResult(`${id}\n`.repeat(i)))
  })
  /** A copy of three sound results, damaged, and opened. */
  const damage = async (how: (results: string) => void) => {
    await made
    const folder = fresh()
    cpSync(model, folder, { recursive: true })
    how(join(folder, 'results'))
    return { folder, spool: await open(folder) }
  }
  const nameOf = (at: number) => recordFileName(key(ids[at] as string, at + 1))

  it('gives the others back, whichever byte was flipped and wherever a file was cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(2), fc.nat(), fc.integer({ min: 0, max: 255 }), async (at, place, mask) => {
        const { folder, spool } = await damage((results) => {
          const file = join(results, nameOf(at))
          const bytes = readFileSync(file)
          const i = place % bytes.length
          // No mask: cut there instead.
          if (mask === 0) return truncateSync(file, i)
          bytes[i] = (bytes[i] as number) ^ mask
          writeFileSync(file, bytes)
        })
        const others = ids.map((id, i) => key(id, i + 1)).filter((_, i) => i !== at)
        expect(spool.keys()).toEqual(others)
        for (const other of others) expect(await spool.read(other)).toBeDefined()
        expect(spool.damaged()).toMatchObject([{ job: ids[at], attempt: at + 1, file: `00000001-${nameOf(at)}` }])
        expect(spool.damaged()[0]?.reason).toMatch(/\S+/)
        expect(spool.logged.join()).toContain(nameOf(at))
        expect(readdirSync(join(folder, 'damaged'))).toHaveLength(1)
        // Told again after another restart, as nobody knows who heard it.
        expect((await open(folder)).damaged()).toMatchObject([{ job: ids[at], attempt: at + 1 }])
        rmSync(folder, { recursive: true })
      }),
      { numRuns: 60 },
    )
  })

  it('says of a result under another name which attempts are missed', async () => {
    const { spool, folder } = await damage((results) => renameSync(join(results, nameOf(0)), join(results, nameOf(1))))
    expect(spool.keys()).toEqual([key('three', 3)])
    expect(spool.damaged().map(({ job, attempt }) => [job, attempt])).toEqual([
      ['one', 1],
      ['two', 2],
    ])
    expect((await open(folder)).damaged()).toMatchObject([
      { job: 'two', reason: expect.stringMatching(/result of one/) },
    ])
  })

  it('outlives whatever else stands in its folder', async () => {
    const { spool, folder } = await damage((results) => {
      mkdirSync(join(results, 'a folder@1.result'))
      writeFileSync(join(results, 'a folder@1.result', 'inside'), 'x')
      symlinkSync('/dev/zero', join(results, 'link@1.result'))
      execFileSync('mkfifo', [join(results, 'pipe@1.result')])
      writeFileSync(join(results, '\u001b[2J\n<script>'), 'junk')
      writeFileSync(Buffer.concat([Buffer.from(`${results}/`), Buffer.from([0xff, 0xfe, 0x2e])]), 'no text')
      writeFileSync(join(results, 'n'.repeat(250)), '')
      writeFileSync(join(results, 'huge@1.result'), '')
      truncateSync(join(results, 'huge@1.result'), 2 ** 40)
      writeFileSync(join(results, `%%${'0'.repeat(64)}@9.result`), 'long id')
    })
    expect(spool.keys().map(({ job }) => job)).toEqual(ids)
    expect(readdirSync(join(folder, 'results'))).toHaveLength(3)
    expect(spool.damaged().length).toBe(8)
    expect(spool.damaged().filter(({ attempt }) => attempt !== undefined)).toMatchObject([
      { attempt: 9 },
      { job: 'huge' },
      { job: 'link' },
      { job: 'pipe' },
    ])
    expect(spool.logged.join('')).not.toMatch(/[\u001b\n]/)
    expect(spool.usage()).toMatchObject({ records: 3 })
  })

  it('notices damage that came after the start, when it reads', async () => {
    const folder = fresh()
    const spool = await open(folder)
    for (const id of ids) await spool.add(sampleJob(id), sampleResult('t'))
    writeFileSync(join(folder, 'results', 'two@1.result'), 'overwritten')
    cpSync(join(folder, 'results', 'one@1.result'), join(folder, 'results', 'three@1.result'))
    expect(await spool.read(key('two'))).toBeUndefined()
    expect(await spool.read(key('three'))).toBeUndefined()
    expect(await spool.read(key('one'))).toBeDefined()
    expect(spool.keys()).toEqual([key('one')])
    expect(spool.damaged()).toMatchObject([
      { job: 'two' },
      { job: 'three', reason: expect.stringMatching(/result of one/) },
    ])
  })

  it('keeps the newest of many, within a bound', async () => {
    const folder = fresh()
    await open(folder)
    for (let i = 100; i < 250; i++) writeFileSync(join(folder, 'results', `j${i}@1.result`), 'junk')
    const spool = await open(folder)
    expect(spool.damaged()).toHaveLength(150)
    expect(readdirSync(join(folder, 'damaged'))).toHaveLength(100)
    expect((await open(folder)).damaged()).toHaveLength(100)
  })

  it('leaves no draft of an earlier process', async () => {
    const { folder } = await damage((results) => writeFileSync(join(results, '..', 'drafts', 'half'), 'half'))
    expect(readdirSync(join(folder, 'drafts'))).toEqual([])
    expect(existsSync(join(folder, 'results'))).toBe(true)
    chmodSync(folder, 0o700)
  })
})
