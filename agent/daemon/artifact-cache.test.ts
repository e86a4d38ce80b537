import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { hostileTensors } from '../../test/hostile-bits.ts'
import { openArtifactCache } from './artifact-cache.ts'

const root = mkdtempSync(join(tmpdir(), 'bitfleet-cache-'))
afterAll(() => rmSync(root, { recursive: true }))
let folders = 0
const folder = () => join(root, String(folders++))
const block = (fill: number, bytes = 100) => new Uint8Array(bytes).fill(fill)
const pathOf = (dir: string, digest: Digest) => join(dir, digest.slice(7, 9), digest.slice(9))

describe('an artifact cache', () => {
  it('gives back the very bytes', async () => {
    const cache = openArtifactCache(folder(), 1 << 20)
    for (const { bytes } of hostileTensors()) {
      const digest = await cache.put(bytes)
      expect(digest).toBe(digestOf(bytes))
      expect(await cache.read(digest)).toEqual(new Uint8Array(bytes))
    }
    expect(await cache.read(digestOf('absent'))).toBeUndefined()
  })

  it('moves files in, whose digest the caller has checked', async () => {
    const dir = folder()
    const cache = openArtifactCache(dir, 1 << 20)
    const file = join(root, 'tensor')
    writeFileSync(file, block(1))
    await cache.adopt(file, digestOf(block(1)), 100)
    expect(await cache.read(digestOf(block(1)))).toEqual(block(1))
    expect(readdirSync(root)).not.toContain('tensor')
  })

  it('counts what it holds once', async () => {
    const cache = openArtifactCache(folder(), 1 << 20)
    for (let i = 0; i < 3; i++) await cache.put(block(1))
    expect(cache.usedBytes).toBe(100)
  })

  it('lets the least recently used go, also after a restart', async () => {
    const dir = folder()
    const cache = openArtifactCache(dir, 300)
    const [a, b, c] = [await cache.put(block(1)), await cache.put(block(2)), await cache.put(block(3))] as const
    await cache.read(a)
    const d = await cache.put(block(4))
    expect([a, b, c, d].map((digest) => cache.has(digest))).toEqual([true, false, true, true])
    ;[c, a, d].forEach((digest, i) => utimesSync(pathOf(dir, digest), i + 1, i + 1))
    const again = openArtifactCache(dir, 300)
    expect(again.usedBytes).toBe(300)
    await again.put(block(5))
    expect([a, c, d].map((digest) => again.has(digest))).toEqual([true, false, true])
  })

  it('keeps one that is larger than its quota, as the only one', async () => {
    const cache = openArtifactCache(folder(), 300)
    await cache.put(block(1))
    const large = await cache.put(block(2, 1000))
    expect(cache.has(large)).toBe(true)
    expect(cache.usedBytes).toBe(1000)
  })

  it('does not give what no longer has its digest, and holds it no more', async () => {
    const dir = folder()
    const cache = openArtifactCache(dir, 1 << 20)
    const digest = await cache.put(block(1))
    writeFileSync(pathOf(dir, digest), block(2))
    expect(await cache.read(digest)).toBeUndefined()
    expect(cache.has(digest)).toBe(false)
    expect(cache.usedBytes).toBe(0)
    expect(await cache.put(block(1))).toBe(digest)
    expect(await cache.read(digest)).toEqual(block(1))
  })

  it('removes what a crash left half made', () => {
    const dir = folder()
    mkdirSync(dir)
    writeFileSync(join(dir, 'draft-1-0'), 'half')
    openArtifactCache(dir, 1)
    expect(readdirSync(dir)).toEqual([])
  })
})
