import { expect, it } from 'vitest'
import { createLimitedLog } from './limited-log.ts'

it('takes so many lines of each peer, says how many it left out, and cuts what is long', () => {
  let now = 0
  const lines: string[] = []
  const log = createLimitedLog((line) => lines.push(line), { lines: 2, refillMs: 1000, now: () => now })
  for (let i = 0; i < 10; i++) log('a stranger', `line ${i}`)
  log('agent a-1', 'hello')
  expect(lines).toEqual(['line 0', 'line 1', 'hello'])
  now += 1000
  log('a stranger', 'again')
  log('agent a-1', 'x'.repeat(1 << 20))
  expect(lines.slice(3)).toEqual(['again (8 more of a stranger before were left out)', `${'x'.repeat(500)}…`])
})
