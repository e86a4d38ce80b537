import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { openSeenNonces, type SeenNoncesOptions } from './seen-nonces.ts'

const root = mkdtempSync(join(tmpdir(), 'bitfleet-nonces-'))
afterAll(() => rmSync(root, { recursive: true }))
let files = 0
const fresh = () => join(root, `nonces-${files++}`)
const nonce = (n: number) => n.toString(16).padStart(32, '0')
const later = '2030-01-01T00:00:00.000Z'
const at = Date.parse('2029-12-31T23:00:00Z')
const open = async (file: string, options: Partial<SeenNoncesOptions> = {}) => {
  const logged: string[] = []
  const seen = await openSeenNonces(file, root, { log: (line) => logged.push(line), now: () => at, ...options })
  return { ...seen, logged }
}

describe('nonces that were seen', () => {
  it('are seen after a restart', async () => {
    const file = fresh()
    const first = await open(file)
    expect(first.has(nonce(1))).toBe(false)
    await Promise.all([1, 2, 3].map((n) => first.add(nonce(n), later)))
    await first.add(nonce(4), later)
    await first.close()
    const again = await open(file)
    expect([1, 2, 3, 4, 5].map((n) => again.has(nonce(n)))).toEqual([true, true, true, true, false])
    expect(again.logged).toEqual([])
    expect(readFileSync(file, 'latin1').split('\n')).toHaveLength(5)
    await again.close()
  })

  it('are forgotten once nobody stands by their jobs any more, and their file stays small', async () => {
    const file = fresh()
    let now = at
    const seen = await open(file, { now: () => now })
    for (let batch = 0; batch < 40; batch++) {
      const expires = new Date(now + 60_000).toISOString()
      await Promise.all(Array.from({ length: 100 }, (_, i) => seen.add(nonce(batch * 100 + i), expires)))
      now += 30 * 60_000
    }
    expect(seen.has(nonce(0))).toBe(false)
    expect(seen.has(nonce(3999))).toBe(true)
    expect(statSync(file).size).toBeLessThan(3000 * 75)
    await seen.close()
    const again = await open(file)
    expect(again.has(nonce(3999))).toBe(true)
    await again.close()
  })

  it('are never forgotten for others: when there are too many, no more are taken', async () => {
    let now = at
    const seen = await open(fresh(), { maxNonces: 3, now: () => now })
    for (let n = 0; n < 3; n++) await seen.add(nonce(n), later)
    expect(seen.fullness()).toMatch(/took 3 jobs that have not expired/)
    now += 3 * 60 * 60_000
    expect(seen.fullness()).toBeUndefined()
    await seen.close()
  })

  it('must be nonces, and expire', async () => {
    const seen = await open(fresh())
    await expect(seen.add('../x', later)).rejects.toMatchObject({ code: 'protocol' })
    await expect(seen.add(nonce(1), 'soon')).rejects.toMatchObject({ code: 'protocol' })
    expect(seen.has(nonce(1))).toBe(false)
  })

  it('outlive any flipped byte and any cut: the others are seen, and the damage is said', async () => {
    const file = fresh()
    const first = await open(file)
    for (let n = 0; n < 5; n++) await first.add(nonce(n), later)
    await first.close()
    const whole = readFileSync(file)
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), async (place, mask) => {
        const damaged = Buffer.from(whole)
        damaged[place] = (damaged[place] as number) ^ mask
        writeFileSync(file, damaged)
        if (mask === 0) truncateSync(file, place)
        const seen = await open(file)
        const line = Math.floor(place / (whole.length / 5))
        const lost = [0, 1, 2, 3, 4].filter((n) => !seen.has(nonce(n)))
        const endsLine = whole[place] === 0x0a
        if (mask !== 0) {
          expect(lost).toEqual(endsLine ? [line, line + 1].filter((n) => n < 5 && lost.includes(n)) : [line])
          if (lost.length > 0) expect(seen.logged.join()).toMatch(/lines of .* are damaged/)
        } else expect(lost).toEqual([0, 1, 2, 3, 4].filter((n) => n > line || (n === line && !endsLine)))
        // And what is written then is written well.
        await seen.add(nonce(9), later)
        await seen.close()
        const again = await open(file)
        expect(again.has(nonce(9))).toBe(true)
        expect(again.logged).toEqual([])
        await again.close()
      }),
      { numRuns: 150 },
    )
  })

  it('outlive a line that was being written, and a file that is none', async () => {
    const file = fresh()
    const first = await open(file)
    await first.add(nonce(1), later)
    await first.close()
    appendFileSync(file, nonce(2).slice(0, 20))
    const seen = await open(file)
    expect(seen.has(nonce(1))).toBe(true)
    await seen.close()
    rmSync(file)
    writeFileSync(file, '')
    truncateSync(file, 2 ** 32)
    const other = await open(file)
    expect(other.logged.join()).toMatch(/was moved to/)
    await other.add(nonce(1), later)
    await other.close()
    expect((await open(file)).has(nonce(1))).toBe(true)
    expect(readdirSync(root).filter((name) => name.includes('damaged'))).toHaveLength(1)
  })
})
