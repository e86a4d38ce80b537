import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { runPython, withoutPython } from './python.ts'

const pathOf = (name: string) => fileURLToPath(new URL(`./golden/${name}`, import.meta.url))

describe.skipIf(withoutPython('recomputation of the golden values'))('a Python program of its own computes', () => {
  it.each([
    ['the golden values of the formats', 'golden'],
    ['the golden results of the accumulation orders', 'orders'],
  ])('%s that are committed', { timeout: 180_000 }, (_, name) => {
    const { status, stdout, stderr } = runPython([pathOf(`${name}.py`)])
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toEqual(JSON.parse(readFileSync(pathOf(`${name}.json`), 'utf8')))
  })
})
