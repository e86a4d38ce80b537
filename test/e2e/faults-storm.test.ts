import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanUp, folder, until } from './bitfleet.ts'
import { type Lab, openLab, shortExecutions, shortPlan } from './lab.ts'
import { enrolBeforehand, type RawAgent } from './raw-agent.ts'
import type { FakeAgent } from '../fake-agent.ts'

// A whole fleet that drops and comes back at once, again and again, while one honest run is under way.

const storming = 300
const rounds = Math.min(20, Number(process.env.BITFLEET_FAULT_KILLS ?? 3))
const timeoutMs = 120_000 + rounds * 20_000
/** Far from what it takes (some 450 MiB), and far from what 300 lines would take that are never let go. */
const mostMiB = 800

const plan = shortPlan.replace('repetitions: 3\n', 'repetitions: 3\nagents: { role: honest }\n')

describe(`${storming} agents that reconnect at once`, () => {
  let lab: Lab
  let agents: RawAgent[] = []
  let expected: unknown
  beforeAll(async () => {
    const store = join(folder(), 'store')
    agents = await enrolBeforehand(store, storming, () => lab.url)
    lab = await openLab({ store, agentArgv: ['--label', 'role=honest'] })
    expected = await lab.finish(await lab.submit(plan))
  })
  afterAll(async () => {
    await lab?.close()
    cleanUp()
  })

  const residentMiB = () => {
    const text = readFileSync(`/proc/${lab.coordinator.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) / 1024
  }
  const lines = new Map<RawAgent, FakeAgent>()
  const come = async (agent: RawAgent) => {
    const line = await agent.open()
    lines.set(agent, line)
    await line.comeIn()
  }
  /** All drop at once and come back at once; a third of them lose their first line in the middle of their introduction. */
  const storm = async () => {
    for (const { line } of lines.values()) line.close('storm')
    await Promise.all(
      agents.map(async (agent, i) => {
        if (i % 3 === 0) {
          const lost = await agent.open()
          await lost.hello()
          if (i % 2 === 0) await lost.prove()
          lost.line.close('storm')
        }
        await come(agent)
      }),
    )
  }

  it(
    'disturb no run, take no more memory each time, and leave one chain of connections each',
    async () => {
      const began = performance.now()
      await Promise.all(agents.map(come))
      const before = residentMiB()
      const run = await lab.submit(plan)
      await until('results', async () => (await lab.endedOf(run)) >= 1)
      for (let round = 0; round < rounds; round++) await storm()
      expect(await lab.finish(run)).toEqual(expected)
      expect(lab.executionsOf(run)).toHaveLength(shortExecutions)
      const connected = JSON.parse(await lab.ask('/api/health')) as { agents: number }
      expect(connected.agents).toBe(storming + 1)
      expect(residentMiB()).toBeLessThan(Math.max(mostMiB, 2 * before))

      const chains = new Map<string, number[]>()
      for (const { kind, agent, connection } of lab.journal()) {
        if (kind !== 'agent-renewed') continue
        const id = String(agent)
        chains.set(id, [...(chains.get(id) ?? []), Number(connection)])
      }
      for (const { record } of agents) {
        const chain = chains.get(record.id) ?? []
        // One that was lost on its way is repeated under its number, and none is left out.
        expect([...new Set(chain)]).toEqual(Array.from({ length: rounds + 1 }, (_, i) => i + 1))
        expect(chain).toEqual(chain.toSorted((a, b) => a - b))
      }
      expect(lab.journal().filter(({ kind }) => kind === 'agent-locked')).toEqual([])
      for (const { line } of lines.values()) line.close('done')
      expect(await lab.problems()).toEqual([])
      // Lines that were lost before anybody knew whose they were do not fill the log.
      const strangers = lab.coordinatorLog().match(/a stranger: line closed/g)?.length ?? 0
      expect(strangers).toBeGreaterThan(0)
      expect(strangers).toBeLessThanOrEqual(100 + Math.ceil((performance.now() - began) / 10_000))
    },
    timeoutMs,
  )
})
