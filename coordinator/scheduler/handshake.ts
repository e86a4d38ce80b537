import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { isSignedBy, signPayload } from '../../shared/envelope.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { partFacts } from '../../shared/facts.ts'
import {
  type AgentMessage,
  type AgentProof,
  type AgentRecord,
  agentMessageSchema,
  type CoordinatorMessage,
  type CoordinatorProof,
  inventoryDigest,
  oldestProtocol,
  protocolVersion,
} from '../../shared/messages.ts'
import { steadyNow } from '../../shared/steady-clock.ts'
import { barredError, isBarred, type Registry, standingSentence } from '../enrolment/index.ts'

/** An agent that has proved its key. */
export interface Admitted {
  readonly agent: AgentRecord
  /** Digest of the inventory it came with. */
  readonly inventory: Digest
  readonly standing: 'enrolled' | 'pending'
}

export interface HandshakeOptions {
  readonly registry: Registry
  /** How long a line may take to prove whose it is. */
  readonly helloMs?: number
  /** Called once an agent has proved its key. */
  readonly proven?: () => void
  /** Called before a line is refused for what it proved, or did not: the agent it said it is, and why. */
  readonly refusing?: (agent: string, reason: string) => Promise<void>
  /** In ms since 1970. */
  readonly now?: () => number
}

/** Less than a line may be unproven. A machine whose every processor computes takes its time to sign and to write. */
const defaultHelloMs = 15_000

type Frames = AsyncIterator<{ readonly message: unknown }>
type Send = (message: CoordinatorMessage) => Promise<void>

const rangeSchema = z.object({ type: z.string(), protocol: z.number() })

/**
 * The first words of a line: an enrolment, which is all such a line is for, or a hello, our proof and the agent's.
 *
 * @returns undefined after an enrolment
 * @throws `protocol` for another protocol or what is malformed; `refused` for whoever may not come in; `conflict` and
 *   `limit` for whoever may not now; `unavailable` for whoever is late. The messages are for the agent's log and hold no secret.
 */
export async function shakeHands(frames: Frames, send: Send, options: HandshakeOptions): Promise<Admitted | undefined> {
  const { helloMs = defaultHelloMs } = options
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new BitfleetError('unavailable', `no proof of whose line this is came within ${helloMs / 1000} s`))
    }, helloMs)
  })
  const next = async (): Promise<AgentMessage> => {
    const frame = await Promise.race([frames.next(), late])
    if (frame.done) throw new BitfleetError('unavailable', 'the line closed before an agent proved itself')
    return readMessage(frame.value.message)
  }
  try {
    const first = await next()
    if (first.type === 'enrol') {
      await send({ type: 'enrolled', ...(await options.registry.enrol(first)) })
      return undefined
    }
    if (first.type !== 'hello') throw new BitfleetError('protocol', 'the first message of an agent is its hello')
    return await challenge(first, next, send, options)
  } finally {
    clearTimeout(timer)
    late.catch(() => {})
  }
}

async function challenge(
  { agent: id, nonce: agentNonce }: Extract<AgentMessage, { type: 'hello' }>,
  next: () => Promise<AgentMessage>,
  send: Send,
  { registry, proven, refusing, now = steadyNow }: HandshakeOptions,
): Promise<Admitted> {
  const known = registry.find(id)
  const refuse = async (reason: string): Promise<never> => {
    await refusing?.(id, reason)
    throw new BitfleetError('refused', reason)
  }
  // Barred agents prove themselves like others, so that nobody learns of them by asking.
  const nonce = randomBytes(16).toString('hex')
  const proof: CoordinatorProof = { agent: id, agentNonce, at: new Date(now()).toISOString(), by: 'coordinator', nonce }
  const { key } = registry
  const signature = signPayload('bitfleet/challenge@1', proof, key)
  await send({ type: 'challenge', protocol: protocolVersion, proof, key: key.publicKey, signature })

  const answer = await next()
  if (answer.type !== 'proof') throw new BitfleetError('protocol', 'the answer to a challenge is a proof')
  if (answer.agent.id !== id) throw new BitfleetError('protocol', 'the proof is of another agent than the hello')
  const signed: AgentProof = {
    ...{ agent: id, agentNonce, by: 'agent', nonce, renewal: answer.renewal },
    record: digestOf(canonicalJson(answer.agent)),
  }
  if (!known || !isSignedBy(known.key, 'bitfleet/challenge@1', signed, answer.signature)) {
    return await refuse(
      `agent ${id} is not enrolled here with this key; \`bitfleet agent enroll\` with a token of this coordinator`,
    )
  }
  proven?.()
  if (isBarred(known)) {
    await refusing?.(id, standingSentence(known))
    throw barredError(known)
  }
  // What names a machine or moves by itself explains nothing, whatever the agent calls it.
  const { facts, attributes } = partFacts(answer.agent.facts)
  const inventory = inventoryDigest(answer.agent)
  const { standing, labels, name } = await registry.renew(id, answer.renewal, inventory)
  const agent = {
    ...answer.agent,
    // As it enrolled: nobody passes for another machine in a report.
    name,
    labels: { ...labels },
    facts,
    attributes: { ...answer.agent.attributes, ...attributes },
  }
  return { agent, inventory, standing: standing === 'pending' ? 'pending' : 'enrolled' }
}

function readMessage(message: unknown): AgentMessage {
  const parsed = agentMessageSchema.safeParse(message)
  const range = rangeSchema.safeParse(message).data
  const opens = range?.type === 'hello' || range?.type === 'enrol'
  if (opens) {
    const { oldest = range.protocol } = message as { oldest?: number }
    if (range.protocol < oldestProtocol || !(oldest <= protocolVersion)) {
      throw new BitfleetError(
        'protocol',
        `this coordinator speaks protocol ${protocolVersion}, the agent speaks ${range.protocol}; install the same release on both`,
      )
    }
  }
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new BitfleetError(
    'protocol',
    `not a message of protocol ${protocolVersion}: ${issue?.path.join('.')}: ${issue?.message}`,
  )
}
