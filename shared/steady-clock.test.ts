import { afterEach, expect, it, vi } from 'vitest'
import { coordinatorKey } from '../test/fake-agent.ts'
import { createJobEnvelopes } from '../coordinator/scheduler/job-envelope.ts'
import { steadyNow } from './steady-clock.ts'

afterEach(() => vi.useRealTimers())

it('is the wall clock at first, and does not follow it when it is set', () => {
  expect(Math.abs(steadyNow() - Date.now())).toBeLessThan(3_600_000)
  const before = steadyNow()
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 86_400_000 })
  expect(steadyNow()).toBeGreaterThanOrEqual(before)
  // A job given now would have expired a day ago by a clock that was set back.
  const planned = { id: 'r/c/0', attempt: 1 } as Parameters<ReturnType<typeof createJobEnvelopes>['seal']>[0]
  const { job } = createJobEnvelopes(coordinatorKey).seal(planned, 'a-1')
  expect(Date.parse(job.expiresAt)).toBeGreaterThan(before)
})
