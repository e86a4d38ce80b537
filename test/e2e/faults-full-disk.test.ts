import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { bitfleet, cleanUp, until } from './bitfleet.ts'
import { type Lab, openLab, shortExecutions } from './lab.ts'
import { needsSmallDisk, openSmallDisk, type SmallDisk } from '../small-disk.ts'

// A disk that is full on either side, end to end: nothing acknowledged is lost, nothing is made up, and once there is
// space the run goes on to the report of a run without the fault.

interface Health {
  readonly status: string
  readonly trouble?: string
}

describe.skipIf(needsSmallDisk('a full disk of the coordinator or the agent'))('a full disk', () => {
  const disks: SmallDisk[] = []
  let [stores, states] = [undefined, undefined] as unknown as [SmallDisk, SmallDisk]
  let lab: Lab
  let expected: unknown
  beforeAll(async () => {
    for (const mebibytes of [288, 64]) disks.push(openSmallDisk(mebibytes))
    ;[stores, states] = disks as [SmallDisk, SmallDisk]
    lab = await openLab({ store: `${stores.dir}/store`, state: states.dir })
    expected = await outcomeOf(await lab.submit())
  }, 120_000)
  afterEach(() => {
    for (const disk of disks) disk.free()
  })
  afterAll(async () => {
    await lab?.close()
    for (const disk of disks) disk.unmount()
    cleanUp()
  })

  const health = async () => JSON.parse(await lab.ask('/api/health')) as Health
  const refusing = async () => {
    const { stdout } = await bitfleet(['agent', 'status', '--json'], { env: { BITFLEET_STATE: states.dir } })
    return (JSON.parse(stdout) as { jobs: { refusing?: string } }).jobs.refusing
  }
  const made = () => lab.agentLog().match(/attempt \d+\): completed/g)?.length ?? 0
  /** A run of which so many results are in. */
  const begin = async (results: number) => {
    const run = await lab.submit()
    await until('results', async () => (await lab.endedOf(run)) >= results)
    return run
  }
  /** What there is of a run in the end, nothing lost and nothing twice. */
  const outcomeOf = async (run: string) => {
    const report = await lab.finish(run)
    await until('an empty spool', () => lab.spooled().length === 0)
    const executions = lab.executionsOf(run)
    return { report, recorded: executions.length, different: new Set(executions).size }
  }

  it('is held against a run without it', () => {
    expect(expected).toMatchObject({ recorded: shortExecutions, different: shortExecutions })
  })

  it('of the coordinator: it says so, acknowledges nothing it has not written, and goes on once there is space', async () => {
    const earlier = made()
    const run = await begin(3)
    stores.fill()
    await until('trouble', async () => (await health()).status === 'impaired')
    await until('a result that waits in the spool', () => lab.spooled().length > 0)
    // Nothing more is taken while it lasts.
    const before = lab.executionsOf(run)
    await delay(1_500)
    expect(lab.executionsOf(run)).toEqual(before)
    expect(before.length).toBeLessThan(shortExecutions)
    expect((await health()).trouble).toMatch(/takes nothing now: .*(free|no space)/i)
    expect(lab.coordinatorLog()).toMatch(/the store takes nothing now/)
    // It runs, answers what it can, and refuses what it cannot, in words.
    expect(lab.coordinator.exitCode).toBeNull()
    expect((await lab.statusOf(run)).state).toBe('running')
    const refused = await bitfleet(['token', 'create', '--store', lab.store])
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/takes nothing now/)])
    // Whatever the agent made and the coordinator has not written, the agent has.
    expect(made() - earlier).toBe(before.length + lab.spooled().length)

    stores.free()
    await until('no trouble', async () => (await health()).status === 'ok')
    expect(lab.coordinatorLog()).toMatch(/takes writes again/)
    expect(await outcomeOf(run)).toEqual(expected)
  })

  it('of the coordinator, which is killed on it: it does not start before there is space, and says why', async () => {
    const run = await begin(3)
    stores.fill()
    await until('a result that waits in the spool', () => lab.spooled().length > 0)
    const before = lab.executionsOf(run)
    await lab.kill(lab.coordinator)
    await expect(lab.startCoordinator()).rejects.toThrow(/ended with 2:[^]*(takes nothing|no space|free)/i)
    stores.free()
    await lab.startCoordinator()
    expect(await outcomeOf(run)).toEqual(expected)
    expect(lab.executionsOf(run).slice(0, before.length)).toEqual(before)
  })

  it('of the agent: it takes no work for now, says so, and nothing that failed for it passes for a result', async () => {
    const run = await begin(2)
    states.fill()
    await until('a refusal', async () => (await refusing()) !== undefined)
    expect(await refusing()).toMatch(/disk of this agent takes nothing now/)
    await delay(1_500)
    const { state, ended } = await lab.statusOf(run)
    expect([state, Object.keys(ended)]).toEqual(['running', ['completed']])
    states.free()
    expect(await outcomeOf(run)).toEqual(expected)
    expect(await refusing()).toBeUndefined()
  })

  it('of the agent, whose coordinator starts again meanwhile: it comes back once there is space', async () => {
    const run = await begin(2)
    states.fill()
    await lab.kill(lab.coordinator)
    await lab.startCoordinator()
    await delay(1_500)
    states.free()
    expect(await outcomeOf(run)).toEqual(expected)
  })

  it('leaves a sound store', async () => {
    expect(expected).toMatchObject({ recorded: shortExecutions, different: shortExecutions })
    expect(await lab.problems()).toEqual([])
  })
})
