import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { needs } from '../needs.ts'
import { bitfleet, cleanUp, createToken, folder, type Start, until } from './bitfleet.ts'
import { type Lab, openLab, shortExecutions } from './lab.ts'

// Clocks that are an hour off, on either side, before a run and in the middle of one. Only wall clocks are moved: the
// monotonic one goes on, as it does where somebody sets a machine's clock.

/** Of the agent's clock and the coordinator's; with `npm run test:faults`, of each alone too. */
const offsets: readonly (readonly [agent: string, coordinator: string])[] = [
  ['+1h', '-1h'],
  ['-1h', '+1h'],
  ...(Number(process.env.BITFLEET_FAULT_KILLS ?? 3) < 10
    ? []
    : ([
        ['+1h', '+0'],
        ['-1h', '+0'],
        ['+0', '+1h'],
        ['+0', '-1h'],
      ] as const)),
]
const library = readdirSync('/usr/lib')
  .map((name) => join('/usr/lib', name, 'faketime', 'libfaketimeMT.so.1'))
  .find((path) => existsSync(path))
const skip = needs('clocks that are off', library !== undefined, 'there is no libfaketime', 'apt-get install faketime')

/** A clock that processes can be started with, and that is set while they run. */
function createClock() {
  const file = join(folder(), 'clock')
  const set = (offset: string) => writeFileSync(file, `${offset}\n`)
  set('+0')
  const env = {
    ...{ LD_PRELOAD: library ?? '', FAKETIME_TIMESTAMP_FILE: file },
    ...{ FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' },
  }
  return { set, start: { env } satisfies Start }
}

describe.skipIf(skip)('a clock that is an hour off', () => {
  let clocks: Record<'agent' | 'coordinator', ReturnType<typeof createClock>>
  let lab: Lab
  let expected: unknown
  beforeAll(async () => {
    clocks = { agent: createClock(), coordinator: createClock() }
    lab = await openLab({ agent: clocks.agent.start, coordinator: clocks.coordinator.start })
    expected = await outcomeOf(await lab.submit())
  })
  beforeEach(() => {
    for (const clock of Object.values(clocks ?? {})) clock.set('+0')
  })
  afterAll(async () => {
    await lab?.close()
    cleanUp()
  })

  const begin = async () => {
    const run = await lab.submit()
    await until('results', async () => (await lab.endedOf(run)) >= 2)
    return run
  }
  /** What there is of a run in the end; every job was taken, and no attempt was given up on the way. */
  const outcomeOf = async (run: string) => ({
    report: await lab.finish(run),
    recorded: lab.executionsOf(run).length,
    refused: lab.journal().filter(({ kind }) => kind === 'job-refused' || kind === 'result-refused'),
  })
  const enroll = (token: string) =>
    bitfleet(['agent', 'enroll', lab.url], {
      env: { ...clocks.agent.start.env, BITFLEET_STATE: folder(), BITFLEET_TOKEN: token },
    })
  const signIn = () =>
    fetch(`${lab.url}/sign-in`, {
      ...{ method: 'POST', redirect: 'manual', headers: { Origin: lab.url } },
      body: new URLSearchParams({ name: 'alice', password: 'correct horse battery' }),
    })

  it('is held against a run without it', () => {
    expect(expected).toMatchObject({ recorded: shortExecutions, refused: [] })
  })

  it.each(offsets)('in the middle of a run (agent %s, coordinator %s) changes nothing', async (agent, coordinator) => {
    const run = await begin()
    clocks.agent.set(agent)
    clocks.coordinator.set(coordinator)
    expect(await outcomeOf(run)).toEqual(expected)
  })

  it.each(offsets)(
    'from a start on (agent %s, coordinator %s) lets agents enrol, come back, and go on with a run',
    async (agent, coordinator) => {
      const run = await begin()
      await lab.kill(lab.coordinator)
      clocks.agent.set(agent)
      clocks.coordinator.set(coordinator)
      await lab.startCoordinator()
      expect(await enroll(await createToken(lab.store))).toMatchObject({ code: 0 })
      expect(await outcomeOf(run)).toEqual(expected)
    },
  )

  it('is the coordinator’s where tokens expire, and the agent’s has no say in it', async () => {
    const [late, early] = [await createToken(lab.store), await createToken(lab.store)]
    clocks.coordinator.set('+1h')
    const refused = await enroll(late)
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/the token expired at /)])
    clocks.coordinator.set('+0')
    clocks.agent.set('+1h')
    expect(await enroll(early)).toMatchObject({ code: 0 })
    expect(await lab.audit()).toMatch(/was refused to the key .*: the token expired at /)
  })

  it('signs nobody out', async () => {
    const added = await bitfleet(['people', 'add', 'alice', '--role', 'viewer', '--store', lab.store], {
      input: 'correct horse battery\n',
    })
    expect(added.code).toBe(0)
    const session = (await signIn()).headers.get('set-cookie')?.split(';')[0] ?? ''
    expect(session).not.toBe('')
    for (const offset of ['+1h', '-1h', '+24h']) {
      clocks.coordinator.set(offset)
      const page = await fetch(`${lab.url}/api/runs`, { headers: { Cookie: session } })
      expect([offset, page.status]).toEqual([offset, 200])
      expect((await signIn()).status).toBe(303)
    }
  })

  it('leaves a sound store', async () => {
    expect(expected).toMatchObject({ recorded: shortExecutions, refused: [] })
    expect(await lab.problems()).toEqual([])
  })
})
