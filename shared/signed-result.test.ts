import { describe, expect, it } from 'vitest'
import { digestOf } from './digest.ts'
import { signedResultSchema } from './signed-result.ts'

const statement = {
  ...{ agent: 'a-1', job: 'run/cell/0', attempt: 1, nonce: '1'.repeat(32), inventory: digestOf('i') },
  ...{ execution: digestOf('e'), trace: '0'.repeat(64), artifacts: [{ digest: digestOf('t'), length: 4 }] },
}
const signature = 'f'.repeat(128)
const faultOf = (changes: object, more: object = {}) => {
  const { error } = signedResultSchema.safeParse({ statement: { ...statement, ...changes }, signature, ...more })
  return error?.issues.map(({ code, path }) => `${code} ${path.join('.')}`)
}

describe('a signed result', () => {
  it('is what an agent says and its signature', () => {
    expect(signedResultSchema.parse({ statement, signature })).toEqual({ statement, signature })
    expect(faultOf({ trace: undefined })).toBeUndefined()
    expect(faultOf({ artifacts: [] })).toBeUndefined()
  })

  it.each(['agent', 'job', 'attempt', 'nonce', 'inventory', 'execution', 'artifacts'])('names its %s', (member) => {
    expect(faultOf({ [member]: undefined })?.[0]).toMatch(new RegExp(` statement\\.${member}$`))
  })

  it.each<[string, object, string]>([
    ['more than is signed', { host: 'x' }, 'unrecognized_keys statement'],
    ['half an attempt', { attempt: 1.5 }, 'invalid_type statement.attempt'],
    ['an inventory without a digest', { inventory: 'mine' }, 'custom statement.inventory'],
    ['an execution without a digest', { execution: '0'.repeat(64) }, 'custom statement.execution'],
    ['a trace of another form', { trace: digestOf('x') }, 'invalid_format statement.trace'],
    [
      'an artifact without a digest',
      { artifacts: [{ digest: 'x', length: 1 }] },
      'custom statement.artifacts.0.digest',
    ],
    [
      'an artifact of no length',
      { artifacts: [{ digest: digestOf('t'), length: -1 }] },
      'too_small statement.artifacts.0.length',
    ],
    [
      'more of an artifact',
      { artifacts: [{ digest: digestOf('t'), length: 1, path: '/' }] },
      'unrecognized_keys statement.artifacts.0',
    ],
  ])('never has %s', (_, changes, fault) => expect(faultOf(changes)).toEqual([fault]))

  it('never has a signature of another form', () => {
    for (const wrong of ['', 'F'.repeat(128), 'f'.repeat(127), undefined]) {
      expect(faultOf({}, { signature: wrong })?.[0]).toMatch(/ signature$/)
    }
  })
})
