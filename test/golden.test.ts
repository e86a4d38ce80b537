import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { runPython, withoutPython } from './python.ts'

const script = fileURLToPath(new URL('./golden/golden.py', import.meta.url))
const committed = fileURLToPath(new URL('./golden/golden.json', import.meta.url))
const absent = withoutPython('recomputation of the formats')

test.skipIf(absent)(
  'an independent program computes the golden values that are committed',
  { timeout: 120_000 },
  () => {
    const { status, stdout, stderr } = runPython([script])
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toEqual(JSON.parse(readFileSync(committed, 'utf8')))
  },
)
