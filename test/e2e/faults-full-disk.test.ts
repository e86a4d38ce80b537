import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bitfleet, cleanUp, until } from './bitfleet.ts'
import { type Lab, openLab, shortExecutions } from './lab.ts'
import { needsSmallDisk, openSmallDisk, type SmallDisk } from './small-disk.ts'

// A disk that is full on either side, end to end: nothing acknowledged is lost, nothing is made up, and once there is
// space the run goes on to the report of a run without the fault.

let disk: SmallDisk
let lab: Lab
afterEach(async () => {
  await lab.close()
  disk.unmount()
})
afterAll(cleanUp)

interface Health {
  readonly status: string
  readonly trouble?: string
}
const healthOf = async (of: Lab) => JSON.parse(await of.ask('/api/health')) as Health

describe.skipIf(needsSmallDisk('a full disk of the coordinator'))('a full disk of the coordinator', () => {
  beforeEach(async () => {
    disk = openSmallDisk(224)
    lab = await openLab({ store: `${disk.dir}/store` })
  })

  it('stops nothing but the taking of results: it says so, acknowledges none, and goes on once there is space', async () => {
    const expected = await lab.finish(await lab.submit())
    const run = await lab.submit()
    await until('results', async () => (await lab.endedOf(run)) >= 3)
    disk.fill()
    await until('trouble', async () => (await healthOf(lab)).status === 'impaired')
    await until('a result that waits in the spool', () => lab.spooled().length > 0)
    // What is on disk is all there is: nothing more is taken while it lasts.
    const before = lab.executionsOf(run)
    await delay(2_000)
    expect(lab.executionsOf(run)).toEqual(before)
    expect(before.length).toBeLessThan(shortExecutions)
    expect((await healthOf(lab)).trouble).toMatch(/takes nothing now: .*(free|no space)/i)
    expect(lab.coordinatorLog()).toMatch(/the store takes nothing now/)
    // It runs, answers what it can, and refuses what it cannot, in words.
    expect(lab.coordinator.exitCode).toBeNull()
    expect((await lab.statusOf(run)).state).toBe('running')
    const refused = await bitfleet(['token', 'create', '--store', lab.store])
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/takes nothing now/)])
    // Whatever the agent made and the coordinator has not written, the agent has.
    const made = lab.agentLog().match(/attempt \d+\): completed/g)?.length ?? 0
    expect(made).toBe(shortExecutions + before.length + lab.spooled().length)

    disk.free()
    await until('no trouble', async () => (await healthOf(lab)).status === 'ok')
    expect(await lab.finish(run)).toEqual(expected)
    expect(new Set(lab.executionsOf(run)).size).toBe(shortExecutions)
    expect(lab.executionsOf(run)).toHaveLength(shortExecutions)
    await until('an empty spool', () => lab.spooled().length === 0)
    expect(lab.coordinatorLog()).toMatch(/takes writes again/)
    expect(await lab.problems()).toEqual([])
  })

  it('that is killed meanwhile does not start before there is space, says why, and then goes on', async () => {
    const expected = await lab.finish(await lab.submit())
    const run = await lab.submit()
    await until('results', async () => (await lab.endedOf(run)) >= 3)
    disk.fill()
    await until('a result that waits in the spool', () => lab.spooled().length > 0)
    const before = lab.executionsOf(run)
    await lab.kill(lab.coordinator)
    await expect(lab.startCoordinator()).rejects.toThrow(/ended with 2:[^]*(takes nothing|no space|free)/i)
    disk.free()
    await lab.startCoordinator()
    expect(await lab.finish(run)).toEqual(expected)
    expect(lab.executionsOf(run).slice(0, before.length)).toEqual(before)
    expect(new Set(lab.executionsOf(run)).size).toBe(shortExecutions)
    expect(lab.executionsOf(run)).toHaveLength(shortExecutions)
    expect(await lab.problems()).toEqual([])
  })
})

describe.skipIf(needsSmallDisk('a full disk of the agent'))('a full disk of the agent', () => {
  beforeEach(async () => {
    disk = openSmallDisk(64)
    lab = await openLab({ state: disk.dir })
  })

  const statusOf = async () => {
    const { stdout } = await bitfleet(['agent', 'status', '--json'], { env: { BITFLEET_STATE: disk.dir } })
    return JSON.parse(stdout) as { jobs: { refusing?: string } }
  }

  it('has it take no work for now, says so, and take it again once there is space', async () => {
    const expected = await lab.finish(await lab.submit())
    const run = await lab.submit()
    await until('results', async () => (await lab.endedOf(run)) >= 2)
    disk.fill()
    await until('a refusal', async () => (await statusOf()).jobs.refusing !== undefined)
    expect((await statusOf()).jobs.refusing).toMatch(/disk of this agent takes nothing now/)
    const { ended } = await lab.statusOf(run)
    // Nothing that failed for want of room passes for a result.
    expect(Object.keys(ended)).toEqual(['completed'])
    await delay(2_000)
    expect((await lab.statusOf(run)).state).toBe('running')

    disk.free()
    expect(await lab.finish(run)).toEqual(expected)
    expect((await statusOf()).jobs.refusing).toBeUndefined()
    expect(lab.executionsOf(run)).toHaveLength(shortExecutions)
    await until('an empty spool', () => lab.spooled().length === 0)
    expect(await lab.problems()).toEqual([])
  })

  it('outlives a coordinator that starts again: the agent comes back once there is space', async () => {
    const expected = await lab.finish(await lab.submit())
    const run = await lab.submit()
    await until('results', async () => (await lab.endedOf(run)) >= 2)
    disk.fill()
    await lab.kill(lab.coordinator)
    await lab.startCoordinator()
    await delay(1_500)
    disk.free()
    expect(await lab.finish(run)).toEqual(expected)
    expect(lab.executionsOf(run)).toHaveLength(shortExecutions)
    expect(await lab.problems()).toEqual([])
  })
})
