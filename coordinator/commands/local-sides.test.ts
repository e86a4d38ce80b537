import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { diedEarly, startSide } from './local-sides.ts'

const out = mkdtempSync(join(tmpdir(), 'bitfleet-sides-'))
afterAll(() => rmSync(out, { recursive: true }))

it('keeps the log of an earlier start, and tells only of the last one', async () => {
  mkdirSync(join(out, 'logs'))
  const main = join(out, 'main.cjs')
  writeFileSync(main, 'console.log(process.argv[2]); process.exitCode = 3')
  await expect(diedEarly(startSide('agent', out, main, ['first']))).rejects.toThrow(/says \nfirst$/)
  const second = diedEarly(startSide('agent', out, main, ['second']))
  await expect(second).rejects.toThrow(/ended early, with code 3; .*agent\.log says \nsecond$/)
  expect(readFileSync(join(out, 'logs', 'agent.log'), 'utf8')).toBe('first\nsecond\n')
})
