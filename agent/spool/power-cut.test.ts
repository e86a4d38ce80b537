import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it, vi } from 'vitest'
import { createStream } from '../../shared/random/stream.ts'
import { sampleJob, sampleResult } from '../../test/spool-samples.ts'

const cut = await vi.hoisted(async () => {
  const { createPowerCut } = await import('../../test/power-cut.ts')
  return createPowerCut(await import('node:fs/promises'))
})
vi.mock('node:fs/promises', () => ({ ...cut.promises, default: cut.promises }))

const { openSpool } = await import('./spool.ts')
const { openSeenNonces } = await import('./seen-nonces.ts')

const scratch = mkdtempSync(join(tmpdir(), 'bitfleet-power-'))
afterAll(() => rmSync(scratch, { recursive: true }))

const words = createStream('7', 'power-cut')
const nonce = (n: number) => n.toString(16).padStart(32, '0')

it('has every result and nonce that was promised, whole, wherever the power is cut', async () => {
  const log = () => {}
  const promised: string[] = []
  const images: { dir: string; promised: string[] }[] = []
  let now = Date.parse('2030-01-01T00:00:00Z')
  cut.onSync = () => {
    const dir = join(scratch, `image-${images.length}`)
    const before = [...promised]
    cut.layOut(scratch, dir, (most) => words.below(most + 1))
    images.push({ dir: join(dir, 'spool'), promised: before })
  }
  const folder = join(scratch, 'spool')
  const spool = await openSpool(folder, { log })
  const seen = await openSeenNonces(join(folder, 'nonces'), join(folder, 'drafts'), { log, now: () => now })
  await Promise.all(
    Array.from({ length: 8 }, async (_, n) => {
      await seen.add(nonce(n), new Date(now + 86_400_000).toISOString())
      promised.push(`nonce ${n}`)
      await spool.add(sampleJob(`job/${n}`), sampleResult('x'.repeat(n * 1000)))
      promised.push(`result ${n}`)
    }),
  )
  // So many that the file is written anew on the way.
  cut.onSync = () => {}
  const soon = new Date(now + 1).toISOString()
  await Promise.all(Array.from({ length: 1500 }, (_, n) => seen.add(nonce(1000 + n), soon)))
  now += 7_200_000
  cut.onSync = () => {
    const dir = join(scratch, `image-${images.length}`)
    cut.layOut(scratch, dir, (most) => words.below(most + 1))
    images.push({ dir: join(dir, 'spool'), promised: [...promised] })
  }
  await seen.add(nonce(9), new Date(now + 86_400_000).toISOString())
  promised.push('nonce 9')
  await spool.add(sampleJob('job/9'), sampleResult())
  promised.push('result 9')
  cut.onSync()
  cut.onSync = () => {}
  await seen.close()
  expect(images.length).toBeGreaterThan(10)

  for (const image of images) {
    const back = await openSpool(image.dir, { log }).catch((error: NodeJS.ErrnoException) => {
      // Cut before there was a folder.
      expect([error.code, image.promised]).toEqual(['ENOENT', []])
    })
    if (!back) continue
    const nonces = await openSeenNonces(join(image.dir, 'nonces'), join(image.dir, 'drafts'), { log })
    expect(back.damaged()).toEqual([])
    for (const line of image.promised) {
      const [kind, n] = line.split(' ') as [string, string]
      if (kind === 'nonce') expect(nonces.has(nonce(Number(n))), line).toBe(true)
      else {
        const record = await back.read({ job: `job/${n}`, attempt: 1 })
        expect(record?.result, line).toEqual(sampleResult('x'.repeat(n === '9' ? 0 : Number(n) * 1000)))
      }
    }
    await nonces.close()
  }
  expect(images.at(-1)?.promised).toHaveLength(18)
}, 120_000)
