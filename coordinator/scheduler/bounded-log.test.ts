import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createMemoryLine } from '../../test/memory-line.ts'
import { schedulerHarness } from '../../test/scheduler-harness.ts'
import { createBoundedLog } from './bounded-log.ts'

const bench = schedulerHarness()

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

it('says the first lines of a period, and how many came after them', () => {
  const lines: string[] = []
  const log = createBoundedLog((line) => lines.push(line), { most: 3, periodMs: 1000 })
  for (let i = 0; i < 10; i++) log(`line ${i}`)
  expect(lines).toEqual(['line 0', 'line 1', 'line 2'])
  vi.advanceTimersByTime(1000)
  expect(lines.at(-1)).toMatch(/^7 more lines/)
  // The next period begins with its own first line.
  for (let i = 0; i < 2; i++) log(`later ${i}`)
  expect(lines.slice(4)).toEqual(['later 0', 'later 1'])
  vi.advanceTimersByTime(10_000)
  expect(lines).toHaveLength(6)
})

it('cuts what is long and shows what a terminal would obey', () => {
  const lines: string[] = []
  const log = createBoundedLog((line) => lines.push(line), { longest: 10 })
  log(`\u001b[2J${'x'.repeat(100_000)}`)
  expect(lines).toEqual(['␛[2Jxxxxxx…'])
})

it('bounds what a flood of strangers writes into the coordinator’s log', async () => {
  const lines: string[] = []
  const scheduler = bench.start({ log: (line) => lines.push(line) })
  for (let i = 0; i < 500; i++) {
    const [near, far] = createMemoryLine()
    const served = scheduler.serve(near)
    // What strangers say of themselves is theirs to choose.
    if (i % 2 === 0) await far.send({ type: 'hello', protocol: 2, oldest: 2, agent: 'x'.repeat(1000), nonce: 'x' })
    far.close()
    await served
  }
  expect(lines.filter((line) => line.startsWith('a peer: line closed: '))).toHaveLength(20)
  expect(lines).toHaveLength(20)
  vi.advanceTimersByTime(60_000)
  expect(lines.slice(20)).toEqual([expect.stringMatching(/^480 more lines of peers/)])
})
