import type { JournalRecord } from '../store/index.ts'

type Labels = Readonly<Record<string, string>>

export interface TokenState {
  readonly expiresAt: string
  readonly labels: Labels
  /** Whoever enrols by it is given nothing before somebody approves. */
  readonly needsApproval: boolean
  /** The agent that spent it. */
  readonly spentBy?: string
}

export interface RegisteredAgent {
  readonly standing: 'enrolled' | 'pending' | 'locked' | 'revoked'
  /** Why it is locked or revoked. */
  readonly reason?: string
  /** Locked because it has connected more often than the journal knows of, and not for a copy of its state folder. */
  readonly ahead?: true
  /** What it was before it was locked. */
  readonly lockedFrom?: 'enrolled' | 'pending'
  /** Its next connection is taken whatever it follows on. */
  readonly unlocked?: true
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
  /** Digests of the inventories it connected with, the last ones. */
  readonly inventories: ReadonlySet<string>
}

/** All that follows from the journal so far of who may do what. */
export interface ControlState {
  readonly tokens: ReadonlyMap<string, TokenState>
  readonly agents: ReadonlyMap<string, RegisteredAgent>
}

/** What happened to tokens and keys, one journal record at a time; the same records give the same state. */
export interface ControlFold {
  /** Changes with each record. */
  readonly state: ControlState
  apply(record: JournalRecord): void
}

/** Nobody's results wait for so many changes of a machine. */
const maxInventories = 256

export function createControlFold(): ControlFold {
  const tokens = new Map<string, TokenState>()
  const agents = new Map<string, RegisteredAgent>()
  const change = (id: string, changes: Partial<RegisteredAgent>) => {
    const known = agents.get(id)
    if (known) agents.set(id, { ...known, ...changes })
  }
  const lock = (id: string, why: { readonly reason: string; readonly ahead?: true }) => {
    const { standing, lockedFrom = standing === 'pending' ? 'pending' : 'enrolled' } = agents.get(id) ?? {}
    change(id, { standing: 'locked', lockedFrom, ...why })
  }
  const apply = (record: JournalRecord) => {
    switch (record.kind) {
      case 'token-created': {
        const { expiresAt, labels, needsApproval } = record
        tokens.set(record.token, { expiresAt, labels, needsApproval })
        break
      }
      case 'agent-enrolled': {
        const { agent: id, key, name, labels, standing } = record
        const token = tokens.get(record.token)
        if (token) tokens.set(record.token, { ...token, spentBy: id })
        // The same key with another token begins anew; what it connected with before is still its own.
        const inventories = agents.get(id)?.inventories ?? new Set<string>()
        agents.set(id, { id, key, name, labels, standing, enrolledAt: record.at, sequence: 0, mark: '', inventories })
        break
      }
      case 'agent-approved':
        if (agents.get(record.agent)?.standing === 'pending') change(record.agent, { standing: 'enrolled' })
        break
      case 'agent-renewed': {
        const { connection: sequence, mark, inventory, at: renewedAt } = record
        const known = agents.get(record.agent)
        if (!known) break
        const { unlocked: _, ...agent } = known
        agents.set(agent.id, {
          ...agent,
          sequence,
          mark,
          renewedAt,
          inventories: withLast(agent.inventories, inventory),
        })
        break
      }
      case 'agent-locked':
        lock(record.agent, { reason: record.reason })
        break
      case 'agent-ahead': {
        const { connection, known } = record
        const reason = `it comes with connection ${connection}, and ${known} is the last that this coordinator knows of`
        lock(record.agent, { reason, ahead: true })
        break
      }
      case 'agent-unlocked': {
        const known = agents.get(record.agent)
        if (known?.standing !== 'locked') break
        const { reason: _reason, ahead: _ahead, lockedFrom: standing = 'enrolled', ...agent } = known
        agents.set(agent.id, { ...agent, standing, unlocked: true })
        break
      }
      case 'agent-revoked':
        change(record.agent, { standing: 'revoked', reason: record.reason })
        break
      case 'agent-labelled':
        change(record.agent, { labels: record.labels })
        break
      case 'agent-pruned':
        agents.delete(record.agent)
        break
      default:
    }
  }
  return { state: { tokens, agents }, apply }
}

function withLast(inventories: ReadonlySet<string>, inventory: string): ReadonlySet<string> {
  const known = new Set(inventories)
  known.delete(inventory)
  const [oldest] = known.add(inventory)
  if (known.size > maxInventories && oldest !== undefined) known.delete(oldest)
  return known
}
