import type { SignedResult } from '../../shared/signed-result.ts'

/** What happened to tokens, keys and work, in the order in which it did: the truth about who may do what. */
export type ControlRecord = { readonly at: string } & (
  | {
      readonly type: 'token-created'
      /** Fingerprint of its public key: the token itself is nowhere. */
      readonly token: string
      readonly expiresAt: string
      readonly labels: Labels
    }
  /** Spends the token, if it was not: one record, so that no crash can part the two. */
  | {
      readonly type: 'agent-enrolled'
      readonly agent: string
      readonly key: string
      readonly name: string
      readonly labels: Labels
      readonly token: string
    }
  | { readonly type: 'enrolment-refused'; readonly token: string; readonly key: string; readonly reason: string }
  | {
      readonly type: 'agent-renewed'
      readonly agent: string
      readonly sequence: number
      readonly mark: string
      /** Digest of the inventory it connected with. */
      readonly inventory: string
    }
  | { readonly type: 'agent-locked'; readonly agent: string; readonly reason: string }
  | { readonly type: 'agent-labelled'; readonly agent: string; readonly labels: Labels }
  | { readonly type: 'agent-revoked'; readonly agent: string; readonly reason: string }
  | { readonly type: 'agent-pruned'; readonly agent: string }
  | { readonly type: 'job-refused'; readonly agent: string; readonly job: string; readonly reason: string }
  | { readonly type: 'result-refused'; readonly agent: string; readonly job: string; readonly reason: string }
  | {
      readonly type: 'result-quarantined'
      readonly agent: string
      readonly reason: string
      readonly result: SignedResult
    }
)

/** A record before it is dated. */
export type ControlEvent = ControlRecord extends infer R ? (R extends ControlRecord ? Omit<R, 'at'> : never) : never

type Labels = Readonly<Record<string, string>>

export interface TokenState {
  readonly expiresAt: string
  readonly labels: Labels
  /** The agent that spent it. */
  readonly spentBy?: string
}

export type AgentStanding =
  | { readonly standing: 'enrolled' }
  | { readonly standing: 'locked'; readonly reason: string }
  | { readonly standing: 'revoked'; readonly reason: string }

export type RegisteredAgent = AgentStanding & {
  readonly id: string
  /** Public key in hex. */
  readonly key: string
  readonly name: string
  readonly labels: Labels
  readonly enrolledAt: string
  /** When it last connected. */
  readonly renewedAt?: string
  readonly sequence: number
  readonly mark: string
  /** Digests of every inventory it connected with. */
  readonly inventories: ReadonlySet<string>
}

/** All that follows from the records so far. */
export interface ControlState {
  readonly tokens: ReadonlyMap<string, TokenState>
  readonly agents: ReadonlyMap<string, RegisteredAgent>
}

/** Pure: the same records give the same state, wherever and whenever. */
export function foldControl(records: Iterable<ControlRecord>): ControlState {
  const fold = createControlFold()
  for (const record of records) fold.apply(record)
  return fold.state
}

/** The same, one record at a time; `state` changes with each. */
export function createControlFold(): { readonly state: ControlState; apply(record: ControlRecord): void } {
  const tokens = new Map<string, TokenState>()
  const agents = new Map<string, RegisteredAgent>()
  const change = (id: string, changes: Partial<RegisteredAgent>) => {
    const known = agents.get(id)
    if (known) agents.set(id, { ...known, ...changes } as RegisteredAgent)
  }
  const apply = (record: ControlRecord) => {
    switch (record.type) {
      case 'token-created':
        tokens.set(record.token, { expiresAt: record.expiresAt, labels: record.labels })
        break
      case 'agent-enrolled': {
        const token = tokens.get(record.token)
        if (token) tokens.set(record.token, { ...token, spentBy: record.agent })
        agents.set(record.agent, {
          ...{ id: record.agent, key: record.key, name: record.name, labels: record.labels },
          ...{ enrolledAt: record.at, sequence: 0, mark: '', standing: 'enrolled', inventories: new Set() },
        })
        break
      }
      case 'agent-renewed': {
        const inventories = new Set(agents.get(record.agent)?.inventories).add(record.inventory)
        change(record.agent, {
          ...{ sequence: record.sequence, mark: record.mark },
          ...{ renewedAt: record.at, inventories },
        })
        break
      }
      case 'agent-locked':
        change(record.agent, { standing: 'locked', reason: record.reason })
        break
      case 'agent-revoked':
        change(record.agent, { standing: 'revoked', reason: record.reason })
        break
      case 'agent-labelled':
        change(record.agent, { labels: record.labels })
        break
      case 'agent-pruned':
        agents.delete(record.agent)
        break
      case 'enrolment-refused':
      case 'job-refused':
      case 'result-refused':
      case 'result-quarantined':
        break
    }
  }
  return { state: { tokens, agents }, apply }
}
