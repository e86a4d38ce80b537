import { createHash } from 'node:crypto'
import { type Digest, chunkBytes, digestOf } from '../shared/digest.ts'
import type { Execution } from '../shared/execution.ts'
import { type AgentRecord, type CoordinatorMessage, type Job, protocolVersion } from '../shared/messages.ts'
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

/** An agent whose every word a test chooses. */
export interface FakeAgent {
  readonly line: Connection
  /** Messages so far. */
  readonly received: readonly Received[]
  hello(token: string, changes?: Record<string, unknown>): Promise<void>
  /** The next message of a type that was not yet taken. */
  next<Type extends CoordinatorMessage['type']>(
    type: Type,
  ): Promise<Extract<CoordinatorMessage, { type: Type }> & { body?: Uint8Array }>
  send(message: unknown, body?: Uint8Array): Promise<void>
  answer(job: Pick<Job, 'id' | 'attempt'>, result: FakeResult): Promise<void>
  /** Answers every job from now on, and every want from `tensors`. */
  work(compute: (job: Job) => FakeResult & { tensors?: ReadonlyMap<Digest, Uint8Array> }): void
}

export function createFakeAgent(line: Connection, agent: AgentRecord): FakeAgent {
  const received: Received[] = []
  const taken = new Set<Received>()
  const wake: (() => void)[] = []
  let compute: Parameters<FakeAgent['work']>[0] | undefined
  const tensors = new Map<Digest, Uint8Array>()

  const react = async ({ message }: Received) => {
    if (message.type === 'job' && compute) {
      const result = compute(message.job)
      for (const [digest, bytes] of result.tensors ?? []) tensors.set(digest, bytes)
      await self.answer(message.job, result)
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
      for (const resolve of wake.splice(0)) resolve()
      await react(frame as Received).catch(() => {})
    }
    for (const resolve of wake.splice(0)) resolve()
  })()

  const self: FakeAgent = {
    line,
    received,
    hello: (token, changes = {}) => line.send({ type: 'hello', protocol: protocolVersion, token, agent, ...changes }),
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
    answer: ({ id, attempt }, { execution, body }) => line.send({ type: 'result', job: id, attempt, execution }, body),
    work(how) {
      compute = how
    },
  }
  return self
}

/** The key pair of a made-up agent: the same for the same name. */
export function fakeKey(agent: string): KeyPair {
  return keyPairFromSeed(createHash('sha256').update(agent).digest())
}
