import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createAbsences } from './absences.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function absencesOf(paused = () => false) {
  const gone: string[] = []
  return { gone, absences: createAbsences({ absenceMs: 1000, paused, over: (agent) => gone.push(agent) }) }
}

it('ends an absence after its time, once, however often it began', () => {
  const { gone, absences } = absencesOf()
  absences.begin('a-1')
  vi.advanceTimersByTime(600)
  absences.begin('a-1')
  absences.begin('a-2')
  vi.advanceTimersByTime(399)
  expect(gone).toEqual([])
  vi.advanceTimersByTime(1)
  expect(gone).toEqual(['a-1'])
  absences.end('a-2')
  vi.advanceTimersByTime(10_000)
  expect(gone).toEqual(['a-1'])
})

it('waits while nobody can come back, and for the whole time after it', () => {
  let paused = false
  const { gone, absences } = absencesOf(() => paused)
  absences.begin('a-1')
  vi.advanceTimersByTime(500)
  paused = true
  vi.advanceTimersByTime(60_000)
  expect(gone).toEqual([])
  paused = false
  vi.advanceTimersByTime(999)
  expect(gone).toEqual([])
  vi.advanceTimersByTime(1)
  expect(gone).toEqual(['a-1'])
})

it('forgets all of them at once', () => {
  const { gone, absences } = absencesOf()
  for (const agent of ['a-1', 'a-2']) absences.begin(agent)
  absences.endAll()
  vi.advanceTimersByTime(10_000)
  expect(gone).toEqual([])
})
