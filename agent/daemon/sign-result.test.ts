import { describe, expect, it } from 'vitest'
import { fakeKey } from '../../test/fake-agent.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { digestOf } from '../../shared/digest.ts'
import { isSignedBy } from '../../shared/envelope.ts'
import { bareExecution } from './execution.ts'
import { withSignature } from './sign-result.ts'

const key = fakeKey('one')
const job = { id: 'r/c/0', attempt: 2, agent: 'a-1', nonce: '0'.repeat(32) }
const inventory = digestOf('inventory')

describe('a signed result', () => {
  it('says which job it answers, under which inventory, and what is kept of it, in order', () => {
    const execution = { ...bareExecution('native', { status: 'completed' }), trace: 'a'.repeat(64) }
    const kept = ['b', 'a'].map((text, i) => ({ digest: digestOf(text), length: i }))
    const { signed } = withSignature(job, { execution, kept }, inventory, key)
    expect(signed?.statement).toEqual({
      ...{ agent: 'a-1', job: 'r/c/0', attempt: 2, nonce: job.nonce, inventory, trace: 'a'.repeat(64) },
      execution: digestOf(canonicalJson(execution)),
      artifacts: [...kept].sort((a, b) => (a.digest < b.digest ? -1 : 1)),
    })
    expect(isSignedBy(key.publicKey, 'bitfleet/result@1', signed?.statement, signed?.signature ?? '')).toBe(true)
  })

  it('of text that no record can hold is a failure that is signed', () => {
    const execution = { ...bareExecution('native', { status: 'completed' }), log: '\ud800' }
    const { execution: said, signed } = withSignature(job, { execution, kept: [] }, inventory, key)
    expect(said.outcome).toMatchObject({ status: 'failed', code: 'protocol' })
    expect(signed?.statement.execution).toBe(digestOf(canonicalJson(said)))
  })
})
