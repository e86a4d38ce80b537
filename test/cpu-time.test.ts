import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'

const { childSeconds } = (await import(pathToFileURL(join(import.meta.dirname, 'cpu-time.mjs')).href)) as {
  childSeconds: (times: string) => number | undefined
}

describe('the processor time of a shell’s children', () => {
  it.each([
    ['dash', '0m0.000000s 0m0.010000s\n1m9.660000s 2m39.210000s\n', 228.87],
    ['bash', '0m0.001s 0m0.002s\n0m1.500s 0m0.250s\n', 1.75],
    ['bash where numbers have a comma', '0m0,001s 0m0,002s\n0m1,500s 10m0,250s\n', 601.75],
    ['a shell without fractions', '0m0s 0m0s\n0m7s 0m1s\n', 8],
  ])('is read from what %s prints', (_, text, seconds) => expect(childSeconds(text)).toBeCloseTo(seconds, 6))

  it('is unknown if nothing, or something else, was printed', () => {
    for (const text of ['', '\n', 'sh: times: not found\n', '0m1s 0m1s\n']) expect(childSeconds(text)).toBeUndefined()
  })

  it('is read from what this machine’s shell prints', () => {
    const { stdout } = spawnSync('sh', ['-c', 'true; times'], { encoding: 'utf8' })
    expect(childSeconds(stdout)).toBeGreaterThanOrEqual(0)
  })
})
