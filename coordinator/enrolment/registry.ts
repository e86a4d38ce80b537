import { type Enrolled, type Enrolment, createTokenText, parseToken, type Renewal } from '../../shared/enrolment.ts'
import { isSignedBy, signPayload } from '../../shared/envelope.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { agentIdOf, fingerprintOf, type KeyPair } from '../../shared/keys.ts'
import type { ControlLog } from './control-log.ts'
import { type ControlEvent, type ControlRecord, createControlFold, type RegisteredAgent } from './control-state.ts'

export interface EnrolmentRequest {
  readonly enrolment: Enrolment
  readonly signatures: { readonly agent: string; readonly token: string }
}

/** Who may join, and what they must prove. Every change is on disk before it is told. */
export interface Registry {
  /** The coordinator's own: it signs challenges, enrolments and jobs. */
  readonly key: KeyPair
  readonly fingerprint: string
  agents(): RegisteredAgent[]
  find(agent: string): RegisteredAgent | undefined
  /** @returns the token's text, which is kept nowhere */
  createToken(options: { ttlMs: number; labels: Readonly<Record<string, string>> }): Promise<CreatedToken>
  /**
   * Spends a token for an agent's key; for the same key again it changes nothing and answers alike, so that a crash
   * between use and answer strands no machine.
   *
   * @throws `refused`
   */
  enrol(request: EnrolmentRequest): Promise<{ enrolled: Enrolled; signature: string }>
  /**
   * One connection further, for an agent that proved its key. Whoever continues from an older place than the last has a
   * copy of the state folder; both are locked then, as nobody can tell which is the copy.
   *
   * @throws `refused`
   */
  renew(agent: string, renewal: Renewal, inventory: string): Promise<RegisteredAgent>
  /** @throws `not-found` */
  label(agent: string, labels: Readonly<Record<string, string>>): Promise<RegisteredAgent>
  /** For good; a machine comes back with another key. @throws `not-found` */
  revoke(agent: string, reason: string): Promise<RegisteredAgent>
  /** Forgets agents that are revoked or locked, or were not connected since. @returns their ids */
  prune(unseenSince: Date | undefined, connected: ReadonlySet<string>): Promise<string[]>
  /** For the audit alone. */
  record(event: ControlEvent): Promise<void>
  close(): Promise<void>
}

export interface CreatedToken {
  readonly token: string
  readonly id: string
  readonly expiresAt: string
}

export interface RegistryOptions {
  readonly key: KeyPair
  readonly log: ControlLog
  readonly records?: Iterable<ControlRecord>
  /** In ms since 1970. */
  readonly now?: () => number
}

export function createRegistry({ key, log, records = [], now = Date.now }: RegistryOptions): Registry {
  const fingerprint = fingerprintOf(key.publicKey)
  const { state, apply } = createControlFold()
  for (const record of records) apply(record)
  /** Judging and recording happen one after the other: two that use a token at once do not both find it unspent. */
  let last: Promise<unknown> = Promise.resolve()

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work)
    last = done.catch(() => {})
    return done
  }
  const append = async (event: ControlEvent) => {
    const record = { ...event, at: new Date(now()).toISOString() } as ControlRecord
    await log.append(record)
    apply(record)
  }
  const known = (id: string): RegisteredAgent => {
    const agent = state.agents.get(id)
    if (!agent) throw new BitfleetError('not-found', `no agent ${id} is enrolled here`)
    return agent
  }
  const answer = ({ id, key: agentKey, sequence }: RegisteredAgent) => {
    const enrolled: Enrolled = { agent: id, coordinator: key.publicKey, key: agentKey, sequence }
    return { enrolled, signature: signPayload('bitfleet/enrolled@1', enrolled, key) }
  }

  /** Why an enrolment is refused, where its token is one of ours or was. */
  const refusalOf = (token: string, agent: string): string | undefined => {
    const found = state.tokens.get(token)
    if (!found) return 'the token is not known here; was it pruned, or made by another coordinator?'
    if (found.spentBy !== undefined) return 'the token was used already, by another key; each machine needs its own'
    if (Date.parse(found.expiresAt) <= now()) return `the token expired at ${found.expiresAt}`
    const before = state.agents.get(agent)
    if (before && before.standing !== 'enrolled') return standingSentence(before)
    return undefined
  }

  return {
    key,
    fingerprint,
    agents: () => [...state.agents.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    find: (agent) => state.agents.get(agent),
    createToken: ({ ttlMs, labels }) =>
      inTurn(async () => {
        const token = createTokenText(fingerprint)
        const { id } = parseToken(token)
        const expiresAt = new Date(now() + ttlMs).toISOString()
        await append({ type: 'token-created', token: id, expiresAt, labels })
        return { token, id, expiresAt }
      }),
    enrol: ({ enrolment, signatures }) =>
      inTurn(async () => {
        const agentKey = enrolment.key
        // Without the token's own signature nobody has used it: there is nothing to record.
        if (!isSignedBy(enrolment.token, 'bitfleet/enrolment@1', enrolment, signatures.token)) {
          throw new BitfleetError('refused', 'the enrolment is not signed by its token')
        }
        const [token, agent] = [fingerprintOf(enrolment.token), agentIdOf(agentKey)]
        const refuse = async (reason: string) => {
          if (state.tokens.has(token)) await append({ type: 'enrolment-refused', token, key: agentKey, reason })
          throw new BitfleetError('refused', reason)
        }
        if (!isSignedBy(agentKey, 'bitfleet/enrolment@1', enrolment, signatures.agent)) {
          return await refuse("the enrolment is not signed by the agent's key")
        }
        if (enrolment.coordinator !== fingerprint) return await refuse('the enrolment is for another coordinator')
        const before = state.agents.get(agent)
        if (before && state.tokens.get(token)?.spentBy === agent) {
          return before.standing === 'enrolled' ? answer(before) : await refuse(standingSentence(before))
        }
        const reason = refusalOf(token, agent)
        if (reason !== undefined) return await refuse(reason)
        const labels = { ...enrolment.labels, ...state.tokens.get(token)?.labels }
        await append({ type: 'agent-enrolled', agent, key: agentKey, name: enrolment.name, labels, token })
        return answer(known(agent))
      }),
    renew: (id, renewal, inventory) =>
      inTurn(async () => {
        const agent = known(id)
        if (agent.standing !== 'enrolled') throw new BitfleetError('refused', standingSentence(agent))
        const { sequence, mark, previous } = renewal
        const advances = sequence === agent.sequence + 1 && previous === agent.mark
        // The agent has not heard that its last one was taken.
        const repeats = sequence === agent.sequence && mark === agent.mark
        if (!advances && !repeats) {
          const reason =
            `its state folder was copied: connection ${sequence} continues from another place ` +
            `than connection ${agent.sequence}, the last one taken`
          await append({ type: 'agent-locked', agent: id, reason })
          throw new BitfleetError('refused', standingSentence(known(id)))
        }
        await append({ type: 'agent-renewed', agent: id, sequence, mark, inventory })
        return known(id)
      }),
    label: (id, labels) =>
      inTurn(async () => {
        known(id)
        await append({ type: 'agent-labelled', agent: id, labels })
        return known(id)
      }),
    revoke: (id, reason) =>
      inTurn(async () => {
        if (known(id).standing !== 'revoked') await append({ type: 'agent-revoked', agent: id, reason })
        return known(id)
      }),
    prune: (unseenSince, connected) =>
      inTurn(async () => {
        const gone = [...state.agents.values()].filter(({ id, standing, enrolledAt, renewedAt = enrolledAt }) => {
          if (connected.has(id)) return false
          return standing !== 'enrolled' || (unseenSince !== undefined && Date.parse(renewedAt) < unseenSince.getTime())
        })
        for (const { id } of gone) await append({ type: 'agent-pruned', agent: id })
        return gone.map(({ id }) => id)
      }),
    record: (event) => inTurn(() => append(event)),
    close: () => inTurn(() => log.close()),
  }
}

/** Why an agent that is not in good standing is turned away, and what to do. */
export function standingSentence(agent: RegisteredAgent): string {
  if (agent.standing === 'enrolled') return `agent ${agent.name} (${agent.id}) is enrolled`
  return (
    `agent ${agent.name} (${agent.id}) is ${agent.standing}: ${agent.reason}; ` +
    '`bitfleet agent reset` on each machine that has this key, then enrol again with a new token'
  )
}
