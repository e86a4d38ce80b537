import { expect, it } from 'vitest'
import { runProgram } from './run.ts'

const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

it('says the remedy where a program is not there, and waits for nothing more', async () => {
  const before = timers()
  await expect(runProgram('no-such-program', [], { remedy: 'install it' }, {})).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/^no-such-program cannot be started .*; install it$/),
  })
  expect(timers()).toBe(before)
})

it('ends a program that takes too long', async () => {
  const argv = ['--eval', 'setInterval(() => {}, 1000)']
  await expect(runProgram(process.execPath, argv, { remedy: 'wait', timeMs: 300 }, {})).rejects.toMatchObject({
    code: 'system',
    message: expect.stringContaining('ended with SIGKILL'),
  })
})
