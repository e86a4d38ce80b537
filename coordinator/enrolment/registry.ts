import { type Enrolled, type Enrolment, createTokenText, parseToken, type Renewal } from '../../shared/enrolment.ts'
import { isSignedBy, signPayload } from '../../shared/envelope.ts'
import type { Digest } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { agentIdOf, fingerprintOf, type KeyPair } from '../../shared/keys.ts'
import { steadyNow } from '../../shared/steady-clock.ts'
import type { JournalBody, JournalRecord } from '../store/index.ts'
import { type AttemptsOptions, createAttempts } from '../attempts.ts'
import { type ControlFold, createControlFold, type RegisteredAgent } from './control-state.ts'

export interface EnrolmentRequest {
  readonly enrolment: Enrolment
  readonly signatures: { readonly agent: string; readonly token: string }
}

export interface TokenOptions {
  readonly ttlMs: number
  readonly labels: Readonly<Record<string, string>>
  readonly needsApproval?: boolean
}

/** Who may join, and what they must prove. Every change is on disk before it is told; `by` says who, for the audit. */
export interface Registry {
  /** The coordinator's own: it signs challenges, enrolments and jobs. */
  readonly key: KeyPair
  readonly fingerprint: string
  agents(): RegisteredAgent[]
  find(agent: string): RegisteredAgent | undefined
  /** @returns the token's text, which is kept nowhere */
  createToken(options: TokenOptions, by: string): Promise<CreatedToken>
  /**
   * Spends a token for an agent's key; for the same key again it changes nothing and answers alike, so that a crash
   * between use and answer strands no machine.
   *
   * @throws `refused`
   */
  enrol(request: EnrolmentRequest): Promise<{ enrolled: Enrolled; signature: string }>
  /**
   * One connection further, for an agent that proved its key. Whoever continues from an older place than the last has a
   * copy of the state folder; both are locked then, as nobody can tell which is the copy. Whoever is further than the
   * journal is locked for somebody to look: the store may have been restored from an older copy.
   *
   * @throws `refused`; `conflict` where it is further; `limit` where it comes too often
   */
  renew(agent: string, renewal: Renewal, inventory: Digest): Promise<RegisteredAgent>
  /** @throws `not-found`; `conflict` unless it waits for approval */
  approve(agent: string, by: string): Promise<RegisteredAgent>
  /** @throws `not-found` */
  label(agent: string, labels: Readonly<Record<string, string>>, by: string): Promise<RegisteredAgent>
  /** For good; a machine comes back with another key. @throws `not-found` */
  revoke(agent: string, reason: string, by: string): Promise<RegisteredAgent>
  /**
   * Ends a lock: the next connection is taken whatever it follows on. A copy of the state folder that is still in use is
   * found again by the one after it. @throws `not-found`; `conflict` unless it is locked
   */
  unlock(agent: string, by: string): Promise<RegisteredAgent>
  /** Tells of every agent that is approved, labelled, locked, unlocked or revoked from now on, once that is on disk. */
  subscribe(listener: (agent: RegisteredAgent) => void): void
  /**
   * Forgets agents that are revoked, or locked for a copy, or were not connected since.
   *
   * @returns their ids
   */
  prune(unseenSince: Date | undefined, connected: ReadonlySet<string>, by: string): Promise<string[]>
}

export interface CreatedToken {
  readonly token: string
  readonly id: string
  readonly expiresAt: string
}

export interface RegistryOptions {
  readonly key: KeyPair
  /** States a record in the journal; resolves with it once it is on disk. */
  readonly append: (body: JournalBody) => Promise<JournalRecord>
  /** The journal so far, folded. */
  readonly fold?: ControlFold
  /** In ms since 1970. */
  readonly now?: () => number
  /** How often an agent may connect; each time is a record in the journal. */
  readonly connections?: Pick<AttemptsOptions, 'tries' | 'refillMs'>
}

/** Sixty times at once, as on a bad line, and once more every 30 s: 3,000 records a day, 1.3 MB. */
const usualConnections = { tries: 60, refillMs: 30_000 }
/** How often it may have changed; each time is a record file. */
const changes = { tries: 20, refillMs: 600_000 }

/** Refusals of one token that are recorded; who holds a token must not be able to fill the disk with it. */
const maxRecordedRefusals = 100

export function createRegistry(options: RegistryOptions): Registry {
  const { key, now = Date.now } = options
  const { now: steady = steadyNow } = options
  const connections = createAttempts({ ...(options.connections ?? usualConnections), now: steady })
  const inventories = createAttempts({ ...changes, now: steady })
  const { state, apply } = options.fold ?? createControlFold()
  const fingerprint = fingerprintOf(key.publicKey)
  const refusals = new Map<string, number>()
  /**
   * Judging and recording happen one after the other, for each token and for each agent: two that use a token at once do
   * not both find it unspent. Different ones share a write, so that a whole fleet comes back in little time.
   */
  const turns = new Map<string, Promise<unknown>>()
  const inTurn = <T>(whose: string, work: () => Promise<T>): Promise<T> => {
    const done = (turns.get(whose) ?? Promise.resolve()).then(work)
    const last: Promise<unknown> = done
      .catch(() => {})
      .then(() => {
        if (turns.get(whose) === last) turns.delete(whose)
      })
    turns.set(whose, last)
    return done
  }
  const append = async (body: JournalBody) => apply(await options.append(body))
  const listeners: ((agent: RegisteredAgent) => void)[] = []
  /** States something of an agent that is known, and tells of it. Called in that agent's turn. */
  const change = async (id: string, body: JournalBody) => {
    await append(body)
    for (const listener of listeners) listener(known(id))
  }
  const known = (id: string): RegisteredAgent => {
    const agent = state.agents.get(id)
    if (!agent)
      throw new BitfleetError('not-found', `no agent ${id} is enrolled here; \`bitfleet agents list\` names them`)
    return agent
  }
  const answer = ({ id, key: agentKey, sequence }: RegisteredAgent) => {
    const enrolled: Enrolled = { agent: id, coordinator: key.publicKey, key: agentKey, sequence }
    return { enrolled, signature: signPayload('bitfleet/enrolled@1', enrolled, key) }
  }

  /** Why an enrolment is refused, where its token is one of ours or was. */
  const refusalOf = (token: string, agent: string): string | undefined => {
    const found = state.tokens.get(token)
    if (!found) return 'the token is not known here; was it made by another coordinator?'
    if (found.spentBy !== undefined) return 'the token was used already, by another key; each machine needs its own'
    if (Date.parse(found.expiresAt) <= now()) return `the token expired at ${found.expiresAt}`
    const before = state.agents.get(agent)
    return before && isBarred(before) ? standingSentence(before) : undefined
  }

  return {
    key,
    fingerprint,
    agents: () => [...state.agents.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    find: (agent) => state.agents.get(agent),
    async createToken({ ttlMs, labels, needsApproval = false }, by) {
      const token = createTokenText(fingerprint)
      const { id } = parseToken(token)
      const expiresAt = new Date(now() + ttlMs).toISOString()
      await append({ kind: 'token-created', by, token: id, expiresAt, labels, needsApproval })
      return { token, id, expiresAt }
    },
    enrol: ({ enrolment, signatures }) =>
      // In the token's turn, and then in the agent's; nobody waits the other way round.
      inTurn(enrolment.token, () =>
        inTurn(agentIdOf(enrolment.key), async () => {
          const agentKey = enrolment.key
          // Without the token's own signature nobody has used it: there is nothing to record.
          if (!isSignedBy(enrolment.token, 'bitfleet/enrolment@1', enrolment, signatures.token)) {
            throw new BitfleetError('refused', 'the enrolment is not signed by its token')
          }
          const [token, agent] = [fingerprintOf(enrolment.token), agentIdOf(agentKey)]
          const by = `agent:${agent}`
          const refuse = async (reason: string) => {
            const count = (refusals.get(token) ?? 0) + 1
            if (state.tokens.has(token) && count <= maxRecordedRefusals) {
              refusals.set(token, count)
              await append({ kind: 'enrolment-refused', by, token, key: agentKey, reason })
            }
            throw new BitfleetError('refused', reason)
          }
          if (!isSignedBy(agentKey, 'bitfleet/enrolment@1', enrolment, signatures.agent)) {
            return await refuse("the enrolment is not signed by the agent's key")
          }
          if (enrolment.coordinator !== fingerprint) return await refuse('the enrolment is for another coordinator')
          const before = state.agents.get(agent)
          if (before && state.tokens.get(token)?.spentBy === agent) {
            return isBarred(before) ? await refuse(standingSentence(before)) : answer(before)
          }
          const reason = refusalOf(token, agent)
          if (reason !== undefined) return await refuse(reason)
          const { labels, needsApproval = false } = state.tokens.get(token) ?? {}
          await append({
            ...{ kind: 'agent-enrolled', by, agent, key: agentKey, name: enrolment.name, token },
            ...{ labels: { ...enrolment.labels, ...labels }, standing: needsApproval ? 'pending' : 'enrolled' },
          })
          return answer(known(agent))
        }),
      ),
    renew: (id, renewal, inventory) =>
      inTurn(id, async () => {
        const agent = known(id)
        if (isBarred(agent)) throw barredError(agent)
        const { sequence, mark, previous } = renewal
        const advances = sequence === agent.sequence + 1 && previous === agent.mark
        // The agent has not heard that its last one was taken.
        const repeats = sequence === agent.sequence && mark === agent.mark
        if (repeats && agent.inventories.has(inventory) && !agent.unlocked) return agent
        const isChanged = !agent.inventories.has(inventory)
        const waitMs = connections.take([id]) || (isChanged ? inventories.take([id]) : 0)
        if (waitMs > 0) {
          const [who, how] = [`agent ${agent.name} (${id})`, isChanged ? 'connects or changes' : 'connects']
          throw new BitfleetError('limit', `${who} ${how} too often; in ${Math.ceil(waitMs / 1000)} s it may again`)
        }
        if (!advances && !repeats && !agent.unlocked && sequence > agent.sequence + 1) {
          const places = { connection: sequence, known: agent.sequence }
          await change(id, { kind: 'agent-ahead', by: 'coordinator', agent: id, ...places })
          throw barredError(known(id))
        }
        if (!advances && !repeats && !agent.unlocked) {
          const reason =
            `its state folder was copied: connection ${sequence} continues from another place ` +
            `than connection ${agent.sequence}, the last one taken`
          await change(id, { kind: 'agent-locked', by: 'coordinator', agent: id, reason })
          throw barredError(known(id))
        }
        await append({ kind: 'agent-renewed', by: `agent:${id}`, agent: id, connection: sequence, mark, inventory })
        return known(id)
      }),
    approve: (id, by) =>
      inTurn(id, async () => {
        const agent = known(id)
        if (isBarred(agent)) throw new BitfleetError('conflict', standingSentence(agent))
        if (agent.standing === 'pending') await change(id, { kind: 'agent-approved', by, agent: id })
        return known(id)
      }),
    unlock: (id, by) =>
      inTurn(id, async () => {
        const agent = known(id)
        if (agent.standing !== 'locked') {
          throw new BitfleetError('conflict', `agent ${agent.name} (${id}) is ${agent.standing}, and not locked`)
        }
        await change(id, { kind: 'agent-unlocked', by, agent: id })
        return known(id)
      }),
    label: (id, labels, by) =>
      inTurn(id, async () => {
        known(id)
        await change(id, { kind: 'agent-labelled', by, agent: id, labels: { ...labels } })
        return known(id)
      }),
    revoke: (id, reason, by) =>
      inTurn(id, async () => {
        if (known(id).standing !== 'revoked') await change(id, { kind: 'agent-revoked', by, agent: id, reason })
        return known(id)
      }),
    subscribe: (listener) => void listeners.push(listener),
    async prune(unseenSince, connected, by) {
      const isGone = (agent: RegisteredAgent) => {
        if (connected.has(agent.id)) return false
        const seen = Date.parse(agent.renewedAt ?? agent.enrolledAt)
        return (isBarred(agent) && !agent.ahead) || (unseenSince !== undefined && seen < unseenSince.getTime())
      }
      const pruned = [...state.agents.keys()].map((id) =>
        inTurn(id, async () => {
          const agent = state.agents.get(id)
          if (!agent || !isGone(agent)) return []
          await append({ kind: 'agent-pruned', by, agent: id })
          return [id]
        }),
      )
      return (await Promise.all(pruned)).flat()
    },
  }
}

/** Whether it is turned away, whatever it proves. */
export function isBarred({ standing }: RegisteredAgent): boolean {
  return standing === 'locked' || standing === 'revoked'
}

/** What an agent is told that is barred: to give up, or to wait for somebody to look. */
export function barredError(agent: RegisteredAgent): BitfleetError {
  return new BitfleetError(agent.ahead ? 'conflict' : 'refused', standingSentence(agent))
}

/** How an agent stands, and what to do where that bars it. */
export function standingSentence(agent: RegisteredAgent): string {
  const who = `agent ${agent.name} (${agent.id})`
  if (agent.standing === 'enrolled') return `${who} is enrolled`
  if (agent.standing === 'pending') return `${who} waits for approval: \`bitfleet agents approve ${agent.id}\``
  if (agent.ahead) {
    return (
      `${who} is locked: ${agent.reason}; where its store was restored from an older copy, ` +
      `\`bitfleet agents unlock ${agent.id}\` lets it in; else somebody else has its key: revoke it`
    )
  }
  return (
    `${who} is ${agent.standing}: ${agent.reason}; ` +
    '`bitfleet agent reset` on each machine that has this key, then enrol again with a new token'
  )
}

/** The same of one that was forgotten. */
export function unknownSentence(agent: string): string {
  return `agent ${agent} is not enrolled here any more`
}
