import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createStream } from '../../shared/random/stream.ts'
import { cleanUp, until } from './bitfleet.ts'
import { type Lab, openLab, shortExecutions } from './lab.ts'

// A spool whose disk flips bits, end to end: what is damaged is found out, told and made again, and what stands beside it
// is handed in as it was made. `npm run test:faults` does it more often, with other bits.

const rounds = Math.max(1, Math.round(Number(process.env.BITFLEET_FAULT_KILLS ?? 3) / 10))
const seed = process.env.BITFLEET_FAULT_SEED ?? '1'
const slots = 4

describe('a bit that flips in the spool', () => {
  const draw = createStream(seed, 'flipped bits')
  let lab: Lab
  let expected: unknown
  beforeAll(async () => {
    lab = await openLab({ agentArgv: ['--slots', String(slots)] })
    expected = await lab.finish(await lab.submit())
  })
  afterAll(async () => {
    await lab?.close()
    cleanUp()
  })

  it.each(Array.from({ length: rounds }, (_, round) => round))(
    'has one result made again and the others handed in, both sides killed (round %i)',
    async (round) => {
      const run = await lab.submit()
      await until('results', async () => (await lab.endedOf(run)) >= 2)
      await lab.kill(lab.coordinator)
      // What was running when the coordinator went ends in the spool, and nothing new begins.
      let last = ''
      await until('idle', () => {
        const now = lab.spooled().join(' ')
        const isSteady = now === last && lab.spooled('../scratch').length === 0
        last = now
        return isSteady && lab.spooled().length >= 2
      })
      await lab.kill(lab.agent)

      const executions = () => lab.journal().filter((record) => record.kind === 'execution' && record.run === run)
      const attemptOf = (file: string) => {
        const [, cell, repetition] = /%2f(c-[0-9a-f]+)%2f(\d+)@1\.result$/.exec(file) ?? []
        return executions().find((one) => one.cell === cell && one.repetition === Number(repetition))?.attempt
      }
      const files = lab.spooled()
      // The coordinator may have had one on its disk, and gone before it could say so: that one is not missed.
      const owed = files.filter((file) => attemptOf(file) === undefined)
      const broken = owed[draw.below(owed.length)] as string
      const path = join(lab.state, 'agents', 'default', 'spool', 'results', broken)
      const bytes = readFileSync(path)
      const bit = draw.below(bytes.length * 8)
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      writeFileSync(path, bytes)

      await lab.startCoordinator()
      await lab.startAgent()
      expect(await lab.finish(run)).toEqual(expected)
      expect(lab.agentLog()).toContain(`spool: ${broken} is damaged and was set aside`)
      expect(lab.spooled('damaged')).toHaveLength(round + 1)
      expect(await lab.audit()).toMatch(/its result was damaged on the disk of this agent/)

      // The others stand in the journal as the attempts that were in the spool; only the damaged one is a later attempt.
      expect(executions()).toHaveLength(shortExecutions)
      for (const file of files) {
        if (file === broken) expect(attemptOf(file)).toBeGreaterThan(1)
        else expect(attemptOf(file)).toBe(1)
      }
      await until('an empty spool', () => lab.spooled().length === 0)
      expect(await lab.problems()).toEqual([])
    },
    180_000,
  )
})
