import { describe, expect, it } from 'vitest'
import { createSyntheticRun, f32 } from '../../test/synthetic-run.ts'
import { agentRecord } from '../../test/scheduler-harness.ts'
import { cellOutcomes } from './cells.ts'
import { fillUnread } from './unread-facts.ts'

const read = { 'fp.program.after.method': 'ptrace', 'fp.program.after.ftz': 'yes' }
const late = { 'fp.program.after.method': 'not read: it ended before it could be looked at' }

describe('a fact that some executions could not read', () => {
  it('is what the others read', () => {
    expect(fillUnread([{ ...read, libc: 'glibc' }, late])).toEqual([{ ...read, libc: 'glibc' }, read])
  })

  it('varies if the others read two values', () => {
    const other = { ...read, 'fp.program.after.ftz': 'no' }
    expect(fillUnread([read, late, other]).map((facts) => facts['fp.program.after.ftz'])).toEqual([
      ...['yes', undefined, 'no'],
    ])
  })

  it('is unread if none could, with one reason', () => {
    const busy = { 'fp.program.after.method': 'not read: it is in state D' }
    expect(fillUnread([busy, late])).toEqual([late, late].map(() => late))
  })

  it('is another matter of every other fact', () => {
    expect(fillUnread([{ 'pool.uv': '4' }, {}])).toEqual([{ 'pool.uv': '4' }, {}])
  })

  it('makes no variation in a cell', () => {
    const run = createSyntheticRun([agentRecord('a-1')])
    const checkpoints = [{ step: 0, name: 'x', tensor: f32([1]), output: true }]
    run.add({
      ...{ workload: 'program', backend: 'p', params: { name: 'p' } },
      executions: [
        { checkpoints, facts: { ...read, 'lib.a.version': '1' } },
        { checkpoints, facts: late },
      ],
    })
    const [cell] = cellOutcomes(run.data())
    expect(cell?.facts).toMatchObject(read)
    expect(cell?.varying).toEqual({ 'lib.a.version': ['', '1'] })
  })
})
