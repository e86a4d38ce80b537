import { describe, expect, it } from 'vitest'
import { signResult } from '../../agent/daemon/sign-result.ts'
import { completedWith, fakeKey } from '../../test/fake-agent.ts'
import { f32 } from '../../test/synthetic-run.ts'
import { digestOf } from '../../shared/digest.ts'
import { signPayload } from '../../shared/envelope.ts'
import type { ResultStatement } from '../../shared/signed-result.ts'
import type { RegisteredAgent } from '../enrolment/index.ts'
import { refusalOfStatement } from './check-statement.ts'

// Every guard has the lie that it refuses: an honest agent's statement, changed in one thing.

describe('a statement', () => {
  const key = fakeKey('a-1')
  const nonce = '1'.repeat(32)
  const inventory = digestOf('its inventory')
  const agent: RegisteredAgent = {
    ...{
      id: 'a-1',
      name: 'one',
      key: key.publicKey,
      standing: 'enrolled',
      labels: {},
      inventories: new Set([inventory]),
    },
    ...{ enrolledAt: '2026-01-01T00:00:00.000Z', sequence: 1, mark: '' },
  }
  const honest = completedWith([['sum', f32([4], [])]])
  const job = { id: 'run/cell/0', attempt: 2, agent: 'a-1', nonce }
  const { statement } = signResult(job, { execution: honest.execution, kept: [] }, inventory, key)
  const sent = { job: job.id, attempt: 2, said: honest.execution as unknown, body: honest.body }

  interface Said {
    readonly statement: ResultStatement
    readonly sent: typeof sent
    /** Signs whatever the statement says; an honest agent's where left out. */
    readonly sign?: (statement: ResultStatement) => string
  }
  const byKey =
    (signer: typeof key, domain: 'bitfleet/result@1' | 'bitfleet/job@1' = 'bitfleet/result@1') =>
    (signed: ResultStatement) =>
      signPayload(domain, signed, signer)

  function refusal({ statement: said, sent: with_, sign = byKey(key) }: Said): string | undefined {
    return refusalOfStatement({ statement: said, signature: sign(said) }, with_, agent, nonce)
  }
  const signedOver = (changes: Partial<ResultStatement>): Said => ({ statement: { ...statement, ...changes }, sent })

  it.each<[string, Said]>([
    ['as an honest agent makes it', { statement, sent }],
    [
      'of an execution without a trace',
      {
        ...signedOver({ trace: undefined, execution: digestOf('{"log":""}') }),
        sent: { ...sent, said: { log: '' }, body: undefined },
      },
    ],
    // Lines that are lost, or too many, are judged with the execution.
    ['whose lines were lost', { statement, sent: { ...sent, body: undefined } }],
    ['that has no trace, though lines came', signedOver({ trace: undefined })],
  ])('%s is taken', (_, said) => expect(refusal(said)).toBeUndefined())

  it.each<[string, Said, RegExp]>([
    ['no signature', { statement, sent, sign: () => 'f'.repeat(128) }, /its signature is not the agent's/],
    ['another key’s signature', { statement, sent, sign: byKey(fakeKey('a-2')) }, /its signature is not the agent's/],
    ['another domain’s signature', { statement, sent, sign: byKey(key, 'bitfleet/job@1') }, /its signature is not/],
    [
      'the signature of another statement',
      { statement: { ...statement, attempt: 2, nonce }, sent, sign: () => byKey(key)({ ...statement, attempt: 1 }) },
      /its signature is not the agent's/,
    ],
    ['another agent’s name', signedOver({ agent: 'a-2' }), /signed for agent a-2/],
    ['another job', signedOver({ job: 'run/cell/1' }), /signed for attempt 2 of job run\/cell\/1/],
    ['another attempt', signedOver({ attempt: 1 }), /signed for attempt 1 of job run\/cell\/0/],
    ['another nonce', signedOver({ nonce: '2'.repeat(32) }), /its nonce is not the one/],
    [
      'an inventory that the agent never showed',
      signedOver({ inventory: digestOf('another inventory') }),
      /under an inventory, sha256:[0-9a-f]{64}, that the agent never showed/,
    ],
    [
      'another execution than came',
      { statement, sent: { ...sent, said: { ...honest.execution, log: 'one word more' } } },
      /signed for an execution of digest sha256:.*, the one that came has sha256:/,
    ],
    [
      'an execution that has no digest',
      { statement, sent: { ...sent, said: { ...honest.execution, log: '\ud800' } } },
      /the one that came has none/,
    ],
    [
      'other lines than came',
      { statement, sent: { ...sent, body: completedWith([['sum', f32([5], [])]]).body } },
      /signed for the trace [0-9a-f]{64}, the lines that came have [0-9a-f]{64}/,
    ],
  ])('with %s is refused', (_, said, message) => expect(refusal(said)).toMatch(message))
})
