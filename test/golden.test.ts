import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const script = fileURLToPath(new URL('./golden/golden.py', import.meta.url))
const committed = fileURLToPath(new URL('./golden/golden.json', import.meta.url))
const python = spawnSync('python3', ['--version']).status === 0

if (!python)
  process.stderr.write('golden.test.ts: NOT RUN, python3 is not on the path: no independent check of the formats\n')

test.runIf(python)('an independent program computes the golden values that are committed', { timeout: 120_000 }, () => {
  const { status, stdout, stderr } = spawnSync('python3', [script], { encoding: 'utf8', timeout: 100_000 })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  expect(JSON.parse(stdout)).toEqual(JSON.parse(readFileSync(committed, 'utf8')))
})
