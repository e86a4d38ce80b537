import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { enrolOverLine } from '../../agent/enrolment/enrol.ts'
import { openStore } from '../../coordinator/store/index.ts'
import { parseToken } from '../../shared/enrolment.ts'
import { agentIdOf, type KeyPair } from '../../shared/keys.ts'
import { agentEndpoint, type AgentRecord } from '../../shared/messages.ts'
import type { Connection } from '../../shared/transports/transport.ts'
import { connectWebSocket, webSocketTransport } from '../../shared/transports/websocket.ts'
import { createFakeAgent, type FakeAgent, fakeKey } from '../fake-agent.ts'
import { agentRecord } from '../scheduler-harness.ts'

/** An agent over real sockets whose every word a test chooses; it has a key and is enrolled. */
export interface RawAgent {
  readonly key: KeyPair
  readonly record: AgentRecord
  /** A new line on which nothing was said. */
  open(): Promise<FakeAgent>
}

/** Agents that a store knows before its coordinator starts; `address` is that one's, once it has. */
export async function enrolBeforehand(store: string, count: number, address: () => string): Promise<RawAgent[]> {
  const agents = Array.from({ length: count }, () => createRawAgent(address))
  const opened = await openStore(store)
  await Promise.all(
    agents.map(({ key: { publicKey: key }, record: { id: agent, name, labels } }) => {
      const how = { token: '0'.repeat(64), standing: 'enrolled' } as const
      return opened.append({ kind: 'agent-enrolled', by: `agent:${agent}`, agent, key, name, labels, ...how })
    }),
  )
  await opened.close()
  return agents
}

/** @param address the coordinator's now, as it may be started again */
export async function enrolRawAgent(
  store: string,
  address: () => string,
  labels: Readonly<Record<string, string>> = {},
): Promise<RawAgent> {
  const agent = createRawAgent(address, labels)
  const { key, record } = agent
  const response = await fetch(`${address()}/api/tokens`, {
    ...{ method: 'POST', body: '{}' },
    headers: {
      Authorization: `Bearer ${readFileSync(join(store, 'api.token'), 'utf8').trim()}`,
      'Content-Type': 'application/json',
    },
  })
  const token = parseToken(((await response.json()) as { token: string }).token)
  await enrolOverLine(await openLine(address()), { key, token, name: record.name, labels })
  return agent
}

function createRawAgent(address: () => string, labels: Readonly<Record<string, string>> = {}): RawAgent {
  const key = fakeKey(randomBytes(8).toString('hex'))
  const id = agentIdOf(key.publicKey)
  const record: AgentRecord = { ...agentRecord(id), name: `raw-${id}`, labels: { ...labels } }
  return { key, record, open: async () => createFakeAgent(await openLine(address()), record, key) }
}

export function openLine(url: string): Promise<Connection> {
  return connectWebSocket(url + agentEndpoint)
}

/** Something heard on a line, copied as it was. */
export interface Heard {
  readonly by: 'agent' | 'coordinator'
  readonly message: Record<string, unknown>
  readonly body?: Uint8Array
}

/** Somebody between agents and their coordinator, who hears all, and may say more and change what is said. */
export interface Relay {
  /** For `--coordinator`. */
  readonly url: string
  readonly heard: readonly Heard[]
  /** The line that was opened last, both ends. */
  readonly last: { readonly agent: Connection; readonly coordinator: Connection } | undefined
  /** Changes what passes from now on. */
  tamper(change: ((heard: Heard) => Heard) | undefined): void
  close(): void
}

export async function openRelay(address: () => string): Promise<Relay> {
  const heard: Heard[] = []
  let last: Relay['last']
  let change: ((heard: Heard) => Heard) | undefined
  const pass = async (by: Heard['by'], from: Connection, to: Connection) => {
    for await (const { message, body } of from.frames) {
      // The frame's buffer is the transport's.
      const one: Heard = { by, message: message as Heard['message'], ...(body && { body: Uint8Array.from(body) }) }
      heard.push(one)
      const passed = change?.(one) ?? one
      await to.send(passed.message, passed.body).catch(() => {})
    }
    to.close('the other end went away')
  }
  const server = await webSocketTransport.listen(`http://127.0.0.1:0${agentEndpoint}`, (agent) => {
    agent.proven()
    openLine(address()).then(
      (coordinator) => {
        last = { agent, coordinator }
        void pass('agent', agent, coordinator)
        void pass('coordinator', coordinator, agent)
      },
      () => agent.close('there is no coordinator'),
    )
  })
  return {
    url: server.url.slice(0, -agentEndpoint.length),
    heard,
    get last() {
      return last
    },
    tamper(how) {
      change = how
    },
    close: () => server.close(),
  }
}
