import { createHash, randomBytes } from 'node:crypto'
import { signResult } from '../agent/daemon/sign-result.ts'
import { canonicalJson } from '../shared/canonical-json.ts'
import { type Digest, chunkBytes, digestOf } from '../shared/digest.ts'
import type { Renewal } from '../shared/enrolment.ts'
import { signPayload } from '../shared/envelope.ts'
import type { Execution } from '../shared/execution.ts'
import {
  type AgentRecord,
  type CoordinatorMessage,
  type HeldJob,
  inventoryDigest,
  type Job,
  oldestProtocol,
  protocolVersion,
} from '../shared/messages.ts'
import { bitsHex, type Tensor } from '../shared/tensor.ts'
import { createTrace, formatTrace } from '../shared/trace.ts'
import type { Connection } from '../shared/transports/transport.ts'
import { type KeyPair, keyPairFromSeed } from '../shared/keys.ts'

export interface FakeResult {
  readonly execution: Execution
  readonly body?: Uint8Array
}

/** An execution that made these tensors, as an honest agent reports it; `tensors` keeps their bytes. */
export function completedWith(checkpoints: readonly (readonly [name: string, tensor: Tensor])[]): FakeResult & {
  tensors: Map<Digest, Uint8Array>
} {
  const tensors = new Map(checkpoints.map(([, { bytes }]) => [digestOf(bytes), bytes]))
  const trace = createTrace(
    checkpoints.map(([name, { dtype, shape, bytes }], seq) => ({
      seq,
      step: 0,
      name,
      dtype,
      shape,
      digest: digestOf(bytes),
    })),
  )
  const [name, output] = checkpoints.at(-1) as readonly [string, Tensor]
  return {
    tensors,
    body: Buffer.from(formatTrace(trace)),
    execution: {
      ...{
        outcome: { status: 'completed' },
        version: '1',
        label: 'native',
        effective: {},
        facts: {},
        notes: [],
        log: '',
      },
      trace: trace.digest,
      outputs: [
        { name, dtype: output.dtype, shape: [...output.shape], digest: digestOf(output.bytes), bits: bitsHex(output) },
      ],
      resources: { wallMs: 1 },
    },
  }
}

export type Received = { readonly message: CoordinatorMessage; readonly body?: Uint8Array }

/** A coordinator's message; its job as an honest coordinator sends it. */
type Message<Type extends CoordinatorMessage['type']> = Extract<CoordinatorMessage, { type: Type }> &
  (Type extends 'job' ? { job: Job } : unknown)

/** The key of the coordinator in tests. */
export const coordinatorKey = fakeKey('the coordinator')

/** Where each made-up agent is in the chain of its connections: its state folder, as it were. */
const renewals = new Map<string, { sequence: number; mark: string; pending?: Renewal }>()

/** An agent whose every word a test chooses. */
export interface FakeAgent {
  readonly line: Connection
  /** Messages so far. */
  readonly received: readonly Received[]
  hello(changes?: Record<string, unknown>): Promise<void>
  /** Answers the challenge that is next, with whatever a test changes of the proof. */
  prove(changes?: Record<string, unknown>): Promise<void>
  /** Hello, proof, the welcome awaited, and what it has in hand. */
  comeIn(holding?: readonly HeldJob[]): Promise<void>
  /** The next message of a type that was not yet taken. */
  next<Type extends CoordinatorMessage['type']>(type: Type): Promise<Message<Type> & { body?: Uint8Array }>
  send(message: unknown, body?: Uint8Array): Promise<void>
  /** Signed as an honest agent signs, but for what a test changes of the message. */
  answer(job: Job, result: FakeResult, changes?: Record<string, unknown>): Promise<void>
  /** Answers every job that was not taken by `next`, and every want from `tensors`. */
  work(compute: (job: Job) => FakeResult & { tensors?: ReadonlyMap<Digest, Uint8Array> }): void
}

export function createFakeAgent(line: Connection, agent: AgentRecord, key: KeyPair = fakeKey(agent.id)): FakeAgent {
  const received: Received[] = []
  const taken = new Set<Received>()
  const wake: (() => void)[] = []
  let compute: Parameters<FakeAgent['work']>[0] | undefined
  const tensors = new Map<Digest, Uint8Array>()

  const react = async ({ message }: Received) => {
    if (message.type === 'job' && compute) {
      const job = message.job as Job
      const result = compute(job)
      for (const [digest, bytes] of result.tensors ?? []) tensors.set(digest, bytes)
      await self.answer(job, result)
    }
    if (message.type === 'want' && compute) {
      const bytes = tensors.get(message.digest)
      if (!bytes) return self.send({ type: 'missing', digest: message.digest, reason: 'not kept' })
      for (let offset = 0; offset === 0 || offset < bytes.length; offset += chunkBytes) {
        const piece = { type: 'piece', digest: message.digest, offset, total: bytes.length }
        await self.send(piece, bytes.subarray(offset, offset + chunkBytes))
      }
    }
  }
  void (async () => {
    for await (const frame of line.frames) {
      received.push(frame as Received)
      const pending = renewals.get(agent.id)?.pending
      if (pending && (frame as Received).message.type === 'welcome') renewals.set(agent.id, pending)
      for (const resolve of wake.splice(0)) resolve()
      await react(frame as Received).catch(() => {})
    }
    for (const resolve of wake.splice(0)) resolve()
  })()

  const self: FakeAgent = {
    line,
    received,
    hello: (changes = {}) =>
      line.send({
        ...{ type: 'hello', protocol: protocolVersion, oldest: oldestProtocol, agent: agent.id, nonce: '1'.repeat(32) },
        ...changes,
      }),
    async prove(changes = {}) {
      const { proof } = await self.next('challenge')
      const { sequence, mark: previous, pending } = renewals.get(agent.id) ?? { sequence: 0, mark: '' }
      const renewal = pending ?? { sequence: sequence + 1, mark: randomBytes(16).toString('hex'), previous }
      renewals.set(agent.id, { sequence, mark: previous, pending: renewal })
      const signed = {
        ...{ agent: agent.id, agentNonce: proof.agentNonce, by: 'agent', nonce: proof.nonce, renewal },
        record: digestOf(canonicalJson(agent)),
      }
      const signature = signPayload('bitfleet/challenge@1', signed, key)
      await line.send({ type: 'proof', agent, renewal, signature, ...changes })
    },
    async comeIn(holding = []) {
      await self.hello()
      await self.prove()
      await self.next('welcome')
      await line.send({ type: 'holding', jobs: holding })
    },
    async next(type) {
      for (;;) {
        const found = received.find((frame) => frame.message.type === type && !taken.has(frame))
        if (found) {
          taken.add(found)
          return { ...found.message, ...(found.body && { body: found.body }) } as never
        }
        await new Promise<void>((resolve) => wake.push(resolve))
      }
    },
    send: (message, body) => line.send(message, body),
    answer(job, { execution, body }, changes = {}) {
      const signed = signResult(job, { execution, kept: [] }, inventoryDigest(agent), key)
      return line.send({ type: 'result', job: job.id, attempt: job.attempt, execution, ...signed, ...changes }, body)
    },
    work(how) {
      const begun = compute !== undefined
      compute = how
      // Those that came before this was said.
      if (!begun) for (const frame of received) if (!taken.has(frame)) void react(frame).catch(() => {})
    },
  }
  return self
}

/** The key pair of a made-up agent: the same for the same name. */
export function fakeKey(agent: string): KeyPair {
  return keyPairFromSeed(createHash('sha256').update(agent).digest())
}
