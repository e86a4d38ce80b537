import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { enrolOverLine } from '../agent/enrolment/enrol.ts'
import { parseToken } from '../shared/enrolment.ts'
import { agentIdOf } from '../shared/keys.ts'
import { agentEndpoint } from '../shared/messages.ts'
import { connectWebSocket } from '../shared/transports/websocket.ts'
import { createFakeAgent, fakeKey } from '../test/fake-agent.ts'
import { agentRecord } from '../test/scheduler-harness.ts'
import { createdTokenSchema } from './api/schemas.ts'
import { connectCoordinator } from './client/client.ts'
import { sending } from './client/http.ts'
import { unlockAgents } from './commands/fleet.ts'
import { type Coordinator, startCoordinator } from './server.ts'
import { checkFiles } from './store/index.ts'

let coordinator: Coordinator | undefined
let folder: string | undefined
afterAll(async () => {
  await coordinator?.stop()
  if (folder) await rm(folder, { recursive: true })
}, 60_000)

it('restored from an older copy, a store locks the agents that are further, and one command lets them in', async () => {
  folder = await mkdtemp(join(tmpdir(), 'bitfleet-restored-'))
  const [store, restored] = [join(folder, 'store'), join(folder, 'restored')]
  const start = (storeDir: string) => startCoordinator({ storeDir, host: '127.0.0.1', port: 0, log: () => {} })
  const names = ['one', 'two']
  const connect = async (name: string) => {
    const { url } = coordinator as Coordinator
    const id = agentIdOf(fakeKey(name).publicKey)
    return createFakeAgent(await connectWebSocket(url + agentEndpoint), agentRecord(id), fakeKey(name))
  }
  const comeAndGo = async (name: string) => {
    const agent = await connect(name)
    await agent.comeIn()
    agent.line.close()
    await agent.line.closed
  }
  coordinator = await start(store)
  const client = await connectCoordinator({ storeDir: store })
  for (const name of names) {
    const { token } = await client.read('/api/tokens', createdTokenSchema, sending('POST', {}))
    const line = await connectWebSocket(coordinator.url + agentEndpoint)
    await enrolOverLine(line, { key: fakeKey(name), token: parseToken(token), name, labels: {} })
    await comeAndGo(name)
  }
  // As the page says to copy a store: `db` is left out.
  for (const part of ['journal', 'records', 'objects', 'coordinator.key', 'api.token']) {
    await cp(join(store, part), join(restored, part), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
  }
  for (const name of names) for (let i = 0; i < 3; i++) await comeAndGo(name)
  await coordinator.stop()

  coordinator = await start(restored)
  for (const name of names) {
    const agent = await connect(name)
    await agent.hello()
    await agent.prove()
    // It waits, and is not ended: nobody has to go to each machine.
    expect(await agent.next('refused')).toMatchObject({
      later: true,
      reason: expect.stringMatching(/agents unlock a-/),
    })
    await agent.line.closed
  }
  const again = await connectCoordinator({ storeDir: restored })
  expect(await again.listAgents()).toEqual([])
  expect(await unlockAgents([], { ahead: true, store: restored, json: true })).toBe(0)
  const agents = await Promise.all(names.map(connect))
  for (const agent of agents) await agent.comeIn()
  expect((await again.listAgents()).map(({ name }) => name).sort()).toEqual(names)
  expect((await checkFiles(restored)).problems).toEqual([])
  await expect(unlockAgents([], { store: restored })).rejects.toMatchObject({ code: 'usage' })
}, 120_000)
