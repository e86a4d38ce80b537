import { createHash, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { partFacts } from '../../shared/facts.ts'
import { type AgentRecord, agentMessageSchema, protocolVersion } from '../../shared/messages.ts'

const firstSchema = z.object({ type: z.literal('hello'), protocol: z.number(), token: z.string() })

/** Ids stand in keys, paths and tables. */
const agentIdPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/

/**
 * Judges an agent's first message.
 *
 * @throws `protocol` for another protocol or a malformed hello, `refused` for a wrong token; the message is for the
 *   agent's log, and never repeats the token
 */
export function readHello(message: unknown, token: string): AgentRecord {
  const first = firstSchema.safeParse(message).data
  if (!first) throw new BitfleetError('protocol', 'the first message of an agent is its hello')
  if (first.protocol !== protocolVersion) {
    throw new BitfleetError(
      'protocol',
      `this coordinator speaks protocol ${protocolVersion}, the agent speaks ${first.protocol}; install the same release on both`,
    )
  }
  if (!equalSecrets(first.token, token)) {
    throw new BitfleetError('refused', "the token is not this coordinator's; copy its agent.token file again")
  }
  const hello = agentMessageSchema.safeParse(message)
  if (!hello.success || hello.data.type !== 'hello') {
    const issue = hello.error?.issues[0]
    throw new BitfleetError('protocol', `the hello is malformed at ${issue?.path.join('.')}: ${issue?.message}`)
  }
  const { agent } = hello.data
  if (!agentIdPattern.test(agent.id)) {
    throw new BitfleetError('protocol', 'an agent id is letters, digits, and . _ : - inside, at most 128 of them')
  }
  // Throws for text that no record can hold.
  canonicalJson(agent)
  // What names a machine or moves by itself explains nothing, whatever the agent calls it.
  const { facts, attributes } = partFacts(agent.facts)
  return { ...agent, facts, attributes: { ...agent.attributes, ...attributes } }
}

/** In time that does not depend on where they differ, nor on the lengths. */
export function equalSecrets(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
