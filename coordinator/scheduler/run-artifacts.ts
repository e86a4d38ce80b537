import type { Digest } from '../../shared/digest.ts'
import { parseTrace } from '../../shared/trace.ts'
import type { Artifacts, RunData } from '../records.ts'
import type { Store } from '../store/index.ts'

/** Asks one agent for bytes; undefined if it is not connected or has not got them. */
export type FetchFrom = (agent: string, digest: Digest) => Promise<Uint8Array | undefined>

/**
 * The bytes of a run: those kept here, else fetched from an agent that reported the digest in a trace of its own, and
 * kept from then on.
 */
export function createRunArtifacts(data: RunData, store: Store, fetchFrom: FetchFrom): Artifacts {
  const stored = store.artifacts()
  let holders: Promise<ReadonlyMap<Digest, ReadonlySet<string>>> | undefined
  return {
    trace: (digest) => stored.trace(digest),
    async tensor(digest) {
      const kept = await store.getObject(digest)
      if (kept) return kept
      holders ??= findHolders(data, stored)
      for (const agent of (await holders).get(digest) ?? []) {
        const bytes = await fetchFrom(agent, digest)
        if (!bytes) continue
        await store.putObject(bytes, digest)
        return bytes
      }
      return undefined
    },
  }
}

/** Read once for each distinct trace, however many executions share it. */
async function findHolders(data: RunData, stored: Artifacts): Promise<Map<Digest, Set<string>>> {
  const agentOf = new Map(data.cells.map(({ id, agent }) => [id, agent]))
  const agentsByTrace = new Map<string, Set<string>>()
  for (const { cell, execution } of data.executions) {
    const agent = agentOf.get(cell)
    if (execution.trace === undefined || agent === undefined) continue
    const agents = agentsByTrace.get(execution.trace)
    if (agents) agents.add(agent)
    else agentsByTrace.set(execution.trace, new Set([agent]))
  }
  const holders = new Map<Digest, Set<string>>()
  for (const [trace, agents] of agentsByTrace) {
    const text = await stored.trace(trace)
    for (const { digest } of text === undefined ? [] : parseTrace(text).checkpoints) {
      const known = holders.get(digest)
      if (!known) holders.set(digest, new Set(agents))
      else for (const agent of agents) known.add(agent)
    }
  }
  return holders
}
