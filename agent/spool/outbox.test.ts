import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { BitfleetError } from '../../shared/errors.ts'
import type { JobKey } from './file-name.ts'
import { createOutbox, type OutboxOptions } from './outbox.ts'

const patient = { timeout: 20_000 }
const key = (job: string, attempt = 1): JobKey => ({ job, attempt })
const keys = (count: number) => Array.from({ length: count }, (_, i) => key(`j${i}`))

/** An outbox of results that are their own names. */
function outboxOf(changes: Partial<OutboxOptions<string>> = {}) {
  const sent: string[] = []
  const logged: string[] = []
  const read = vi.fn<(key: JobKey) => Promise<string | undefined>>(async ({ job }) => job)
  const send = vi.fn<(result: string) => Promise<void>>(async (result) => {
    sent.push(result)
  })
  const outbox = createOutbox({ read, send, log: (line) => logged.push(line), ...changes })
  return { outbox, sent, logged, read, send }
}

describe('an outbox', () => {
  it('reads no more than a slow coordinator has answered for, however many are owed', async () => {
    const { outbox, sent, read } = outboxOf({ window: 3 })
    for (const one of keys(1000)) outbox.offer(one)
    await vi.waitFor(() => expect(sent).toHaveLength(3), patient)
    await turn()
    expect(read).toHaveBeenCalledTimes(3)
    for (let i = 0; i < 1000; i++) {
      while (sent.length <= i) await turn()
      outbox.answered(key(`j${i}`))
      expect(read.mock.calls.length - i).toBeLessThanOrEqual(4)
    }
    expect(sent).toEqual(keys(1000).map(({ job }) => job))
  })

  it('waits for a line that takes nothing, one result in hand', async () => {
    let take = () => {}
    const send = vi.fn<() => Promise<void>>(() => new Promise<void>((resolve) => (take = resolve)))
    const { outbox, read } = outboxOf({ send })
    for (const one of keys(10)) outbox.offer(one)
    await vi.waitFor(() => expect(send).toHaveBeenCalledTimes(1), patient)
    expect(read).toHaveBeenCalledTimes(1)
    take()
    await vi.waitFor(() => expect(send).toHaveBeenCalledTimes(2), patient)
    expect(read).toHaveBeenCalledTimes(2)
  })

  it('is kept back for a while only by a coordinator that never answers', async () => {
    const { outbox, sent } = outboxOf({ window: 1, answerMs: 10 })
    for (const one of keys(5)) outbox.offer(one)
    await vi.waitFor(() => expect(sent).toHaveLength(5), patient)
  })

  it('sends what is offered again once more, and not what is owed no more', async () => {
    const { outbox, sent, read } = outboxOf()
    outbox.offer(key('a'))
    await vi.waitFor(() => expect(sent).toEqual(['a']), patient)
    outbox.offer(key('a'))
    await vi.waitFor(() => expect(sent).toEqual(['a', 'a']), patient)
    read.mockResolvedValueOnce(undefined)
    outbox.offer(key('gone'))
    outbox.offer(key('b'))
    await vi.waitFor(() => expect(sent).toEqual(['a', 'a', 'b']), patient)
  })

  it('ends with its line, and takes nothing more', async () => {
    const { outbox, send, logged } = outboxOf()
    send.mockRejectedValue(new BitfleetError('unavailable', 'the line is closed'))
    for (const one of keys(5)) outbox.offer(one)
    await vi.waitFor(() => expect(send).toHaveBeenCalled(), patient)
    await turn()
    outbox.offer(key('more'))
    await turn()
    expect(send).toHaveBeenCalledTimes(1)
    outbox.close()
    expect(logged).toEqual([])
  })

  it('goes on where one result cannot be sent', async () => {
    const { outbox, sent, send, logged } = outboxOf()
    send.mockRejectedValueOnce(new BitfleetError('limit', 'too large'))
    outbox.offer(key('large\u001b[2J'))
    outbox.offer(key('next'))
    await vi.waitFor(() => expect(sent).toEqual(['next']), patient)
    expect(logged).toEqual(['result of large␛[2J (attempt 1): too large'])
  })
})
