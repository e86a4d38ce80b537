import { describe, expect, it } from 'vitest'
import { decodeMxcsr } from '../inventory/floating-point.ts'
import type { ModeReading } from '../inventory/thread-mode.ts'
import { watchMode } from './mode-watch.ts'

const plain: ModeReading = { mode: decodeMxcsr(0x1f80) }
const flushing: ModeReading = { mode: decodeMxcsr(0x9fe0) }
const upward: ModeReading = { mode: decodeMxcsr(0x5f80) }

/** A watch whose looks give these readings in turn; one more look is an error. */
function watch(...readings: ModeReading[]) {
  const asked: number[] = []
  const modes = watchMode(7, {
    read(pid) {
      const reading = readings.shift()
      if (reading === undefined) throw new Error('it was looked at once more')
      asked.push(pid)
      return reading
    },
  })
  return { modes, asked }
}
const off = { method: 'ptrace', rounding: 'nearest', ftz: 'no', daz: 'no', mxcsr: '0x1f80' }
const on = { method: 'ptrace', rounding: 'nearest', ftz: 'yes', daz: 'yes', mxcsr: '0x9fc0' }
const facts = (when: string, mode: Record<string, string>) =>
  Object.fromEntries(Object.entries(mode).map(([name, value]) => [`fp.program.${when}.${name}`, value]))

describe('the floating-point mode of a program', () => {
  it('is a fact as it began and after the last line', () => {
    const { modes, asked } = watch(plain, plain)
    modes.look(0)
    modes.look(100)
    modes.reached({ step: 0, name: 'x' })
    modes.close(100)
    expect(modes.facts()).toEqual({ ...facts('before', off), ...facts('after', off) })
    expect(modes.notes()).toEqual([])
    expect(asked).toEqual([7, 7])
  })

  it('is looked at once for each time that the trace has grown', () => {
    const { modes, asked } = watch(plain, plain, plain)
    for (const bytes of [0, 0, 100, 100, 100, 250, 250]) modes.look(bytes)
    expect(asked).toHaveLength(3)
  })

  it('may change on the way: the facts have both ends, the notes the way', () => {
    const { modes } = watch(plain, plain, flushing, upward)
    modes.look(0)
    modes.look(100)
    modes.reached({ step: 0, name: 'x' })
    modes.look(200)
    modes.reached({ step: 1, name: 'sum' })
    modes.reached({ step: 2, name: 'later' })
    modes.look(300)
    modes.close(300)
    expect(modes.facts()).toMatchObject({ 'fp.program.before.ftz': 'no', 'fp.program.after.rounding': 'up' })
    expect(modes.notes().map(({ message }) => message)).toEqual([
      'the floating-point mode of its main thread changed: ' +
        'rounding nearest, FTZ on, DAZ on by checkpoint "sum" of step 1, then rounding up, FTZ off, DAZ off',
    ])
  })

  it('is unknown after the last line if it was not looked at since', () => {
    const { modes } = watch(plain, flushing)
    modes.look(0)
    modes.look(100)
    modes.close(200)
    expect(modes.facts()).toEqual({
      ...facts('before', off),
      'fp.program.after.method': 'not read: it ended before it could be looked at',
    })
  })

  it('is unknown as it began if lines came first', () => {
    const { modes } = watch({ busy: 'it is in state D' }, flushing)
    modes.look(0)
    modes.look(100)
    modes.close(100)
    expect(modes.facts()).toEqual({
      'fp.program.before.method': 'not read: it is in state D',
      ...facts('after', on),
    })
  })

  it('is asked for again where it was busy', () => {
    const { modes } = watch({ busy: 'it is in state D' }, plain, { busy: 'it waits in system call 232' }, plain)
    for (const bytes of [0, 0, 100, 100]) modes.look(bytes)
    modes.close(100)
    expect(modes.facts()).toEqual({ ...facts('before', off), ...facts('after', off) })
  })

  it('is not asked for again where it can never be read, and says why', () => {
    const { modes, asked } = watch({ never: 'ptrace is not permitted' })
    for (const bytes of [0, 100, 200]) modes.look(bytes)
    modes.close(200)
    expect(asked).toHaveLength(1)
    const method = 'not read: ptrace is not permitted'
    expect(modes.facts()).toEqual({ 'fp.program.before.method': method, 'fp.program.after.method': method })
  })

  it('is not read where nothing can', () => {
    const modes = watchMode(7, 'no reader for darwin on arm64')
    modes.look(0)
    modes.close(0)
    const method = 'not read: no reader for darwin on arm64'
    expect(modes.facts()).toEqual({ 'fp.program.before.method': method, 'fp.program.after.method': method })
  })
})
