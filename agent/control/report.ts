import { fingerprintOf } from '../../shared/keys.ts'
import type { AgentRecord } from '../../shared/messages.ts'
import type { AgentStatus } from './messages.ts'

export type ConnectionStatus = AgentStatus['connection']

/** No line to the coordinator from now on. */
export function disconnected(reason: string): ConnectionStatus {
  return { state: 'disconnected', since: new Date().toISOString(), reason }
}

/** What an agent says of itself on its control socket. */
export function reportOn(
  { id, name, labels, software, backends }: AgentRecord,
  url: string,
  publicKey: string,
  facts: () => Pick<AgentStatus, 'connection' | 'draining' | 'slots' | 'jobs' | 'spool'>,
): () => AgentStatus {
  const startedAt = new Date().toISOString()
  const address = new URL(url)
  // They may be secrets, and whoever looks at an agent needs none.
  address.username = ''
  address.password = ''
  return () => ({
    ...{ pid: process.pid, startedAt, id, fingerprint: fingerprintOf(publicKey), name, labels, software },
    coordinator: address.href,
    ...facts(),
    backends: backends.map(({ id: backend, status, version }) => ({ id: backend, status, version })),
  })
}
