import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createTokenText, parseToken } from '../../shared/enrolment.ts'
import { isSignedBy, signPayload } from '../../shared/envelope.ts'
import { agentIdOf, fingerprintOf, type KeyPair } from '../../shared/keys.ts'
import { fakeKey } from '../../test/fake-agent.ts'
import { type JournalBody, type JournalRecord, openStore } from '../store/index.ts'
import { createControlFold } from './control-state.ts'
import { createRegistry, type EnrolmentRequest, type RegistryOptions } from './registry.ts'

const key = fakeKey('the coordinator')
const coordinator = fingerprintOf(key.publicKey)

function open(now = () => Date.UTC(2026, 0, 1), connections?: RegistryOptions['connections']) {
  const records: JournalRecord[] = []
  const append = async (body: JournalBody) => {
    const place = { sequence: records.length, previous: '', at: new Date(now()).toISOString(), digest: '' }
    const record: JournalRecord = { ...body, ...place }
    records.push(record)
    return record
  }
  return { registry: createRegistry({ key, append, now, ...(connections && { connections }) }), records }
}

function request(text: string, agent: KeyPair, changes: Partial<EnrolmentRequest['enrolment']> = {}): EnrolmentRequest {
  const token = parseToken(text).key
  const enrolment = { coordinator, key: agent.publicKey, labels: {}, name: 'n', token: token.publicKey, ...changes }
  const signed = (by: KeyPair) => signPayload('bitfleet/enrolment@1', enrolment, by)
  return { enrolment, signatures: { agent: signed(agent), token: signed(token) } }
}

const mark = (n: number) => n.toString(16).padStart(32, '0')
const life = { ttlMs: 600_000, labels: {} }

describe('a token', () => {
  it('used at once by 50 keys enrols one, and the 49 refusals are recorded', async () => {
    const { registry, records } = open()
    const { token, id } = await registry.createToken(life, 'api')
    const keys = Array.from({ length: 50 }, (_, i) => fakeKey(`agent ${i}`))
    const uses = await Promise.allSettled(keys.map((each) => registry.enrol(request(token, each))))
    expect(uses.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const refused = records.filter((record) => record.kind === 'enrolment-refused')
    expect(refused).toHaveLength(49)
    expect(new Set(refused.map((record) => record.key)).size).toBe(49)
    expect(refused.every((record) => record.token === id && record.reason.includes('used already'))).toBe(true)
    expect(registry.agents()).toHaveLength(1)
  })

  it('used again by the same key changes nothing and answers alike', async () => {
    const { registry, records } = open()
    const { token } = await registry.createToken(life, 'api')
    const asked = request(token, fakeKey('one'))
    const first = await registry.enrol(asked)
    expect(isSignedBy(key.publicKey, 'bitfleet/enrolled@1', first.enrolled, first.signature)).toBe(true)
    const before = records.length
    const again = await Promise.all(Array.from({ length: 5 }, () => registry.enrol(asked)))
    expect(again).toEqual(Array.from({ length: 5 }, () => first))
    expect(records).toHaveLength(before)
  })

  it('stands nowhere in what is recorded', async () => {
    const { registry, records } = open()
    const { token } = await registry.createToken(life, 'api')
    await registry.enrol(request(token, fakeKey('one')))
    expect(JSON.stringify(records)).not.toContain(token.slice(5, 48))
  })

  it('that expired, is unknown, or for another coordinator is refused', async () => {
    let now = 1e12
    const { registry, records } = open(() => now)
    const { token } = await registry.createToken(life, 'api')
    const [one, foreign] = [fakeKey('one'), createTokenText(coordinator)]
    await expect(registry.enrol(request(foreign, one))).rejects.toMatchObject({ code: 'refused' })
    // Anybody can make such a token: it leaves nothing behind.
    expect(records).toHaveLength(1)
    await expect(registry.enrol(request(token, one, { coordinator: '0'.repeat(64) }))).rejects.toThrow(/another/)
    now += 600_000
    await expect(registry.enrol(request(token, one))).rejects.toThrow(/expired/)
    expect(registry.agents()).toEqual([])
  })

  it('whose use was tampered with is refused', async () => {
    const { registry } = open()
    const { token } = await registry.createToken(life, 'api')
    const [one, thief] = [fakeKey('one'), fakeKey('thief')]
    const { enrolment, signatures } = request(token, one)
    const stolen = { ...enrolment, key: thief.publicKey }
    const own = signPayload('bitfleet/enrolment@1', stolen, thief)
    for (const changed of [
      { enrolment: stolen, signatures: { ...signatures, agent: own } },
      { enrolment: { ...enrolment, labels: { site: 'x' } }, signatures },
      { enrolment, signatures: { ...signatures, agent: signatures.token } },
      { enrolment, signatures: { agent: '', token: '' } },
    ]) {
      await expect(registry.enrol(changed)).rejects.toMatchObject({ code: 'refused' })
    }
    expect((await registry.enrol({ enrolment, signatures })).enrolled.agent).toBe(agentIdOf(one.publicKey))
  })

  it('gives its labels to the agent', async () => {
    const { registry } = open()
    const { token } = await registry.createToken({ ttlMs: 1000, labels: { site: 'lab-3' } }, 'api')
    await registry.enrol(request(token, fakeKey('one'), { labels: { site: 'elsewhere', rack: '1' } }))
    expect(registry.agents()[0]?.labels).toEqual({ site: 'lab-3', rack: '1' })
  })
})

describe('a connection', () => {
  async function enrolled(needsApproval = false, ...options: Parameters<typeof open>) {
    const { registry, records } = open(...options)
    const { token } = await registry.createToken({ ...life, needsApproval }, 'api')
    const { agent } = (await registry.enrol(request(token, fakeKey('one')))).enrolled
    const renew = (sequence: number, own: number, previous: number | '') =>
      registry.renew(
        agent,
        { sequence, mark: mark(own), previous: previous === '' ? '' : mark(previous) },
        `sha256:${'0'.repeat(64)}`,
      )
    return { registry, records, agent, token, renew }
  }

  it('follows on the last, and may be told twice', async () => {
    const { registry, records, agent, renew } = await enrolled()
    await renew(1, 11, '')
    const before = records.length
    await renew(1, 11, '')
    expect(records).toHaveLength(before)
    await renew(2, 12, 11)
    expect(registry.find(agent)).toMatchObject({ standing: 'enrolled', sequence: 2, mark: mark(12) })
  })

  it('is taken so often and no oftener, whatever it says', async () => {
    let now = 1e12
    const { records, renew } = await enrolled(false, () => now, { tries: 2, refillMs: 1000 })
    await renew(1, 11, '')
    await renew(2, 12, 11)
    const before = records.length
    await expect(renew(3, 13, 12)).rejects.toMatchObject({ code: 'limit', message: expect.stringMatching(/in 1 s/) })
    await expect(renew(9, 19, 18)).rejects.toMatchObject({ code: 'limit' })
    expect(records).toHaveLength(before)
    now += 1000
    await renew(3, 13, 12)
    expect(records).toHaveLength(before + 1)
  })

  it('may bring another inventory, but not always another', async () => {
    const { registry, agent } = await enrolled()
    const renew = (n: number) =>
      registry.renew(
        agent,
        { sequence: n, mark: mark(n), previous: n === 1 ? '' : mark(n - 1) },
        `sha256:${mark(n).repeat(2)}`,
      )
    for (let n = 1; n <= 20; n++) await renew(n)
    await expect(renew(21)).rejects.toMatchObject({
      code: 'limit',
      message: expect.stringMatching(/changes too often/),
    })
    expect(registry.find(agent)?.inventories.size).toBe(20)
  })

  it('of one agent does not wait for the record of another', async () => {
    const waiting: (() => void)[] = []
    const records: JournalRecord[] = []
    const registry = createRegistry({
      key,
      append: async (body) => {
        if (body.kind === 'agent-renewed') await new Promise<void>((resolve) => waiting.push(resolve))
        const record = { ...body, sequence: records.length, previous: '', at: new Date().toISOString(), digest: '' }
        records.push(record)
        return record
      },
    })
    const ids: string[] = []
    for (const name of ['one', 'two', 'three']) {
      const { token } = await registry.createToken(life, 'api')
      ids.push((await registry.enrol(request(token, fakeKey(name)))).enrolled.agent)
    }
    const first = { sequence: 1, mark: mark(1), previous: '' }
    const all = ids.map((id) => registry.renew(id, first, `sha256:${'0'.repeat(64)}`))
    await vi.waitFor(() => expect(waiting).toHaveLength(3))
    for (const resolve of waiting) resolve()
    await Promise.all(all)
    expect(registry.agents().map(({ sequence }) => sequence)).toEqual([1, 1, 1])
  })

  it('from further than the journal knows locks until somebody has looked, and then goes on from there', async () => {
    const { registry, records, agent, renew } = await enrolled()
    await renew(1, 11, '')
    const ahead = /is locked: it comes with connection 7, and 1 is the last .* `bitfleet agents unlock a-[0-9a-f]{16}`/
    await expect(renew(7, 17, 16)).rejects.toMatchObject({ code: 'conflict', message: expect.stringMatching(ahead) })
    expect(records.at(-1)).toMatchObject({ kind: 'agent-ahead', agent, connection: 7, known: 1 })
    const before = records.length
    await expect(renew(7, 17, 16)).rejects.toMatchObject({ code: 'conflict' })
    await expect(renew(2, 12, 11)).rejects.toMatchObject({ code: 'conflict' })
    expect(records).toHaveLength(before)
    // Nothing is forgotten of it meanwhile.
    expect(await registry.prune(undefined, new Set(), 'api')).toEqual([])
    await registry.unlock(agent, 'person:alice')
    expect(records.at(-1)).toMatchObject({ kind: 'agent-unlocked', agent, by: 'person:alice' })
    await renew(7, 17, 16)
    await renew(8, 18, 17)
    expect(registry.find(agent)).toMatchObject({ standing: 'enrolled', sequence: 8 })
    // Once, and no oftener.
    await expect(renew(11, 21, 20)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('after a lock for a copy is taken as it comes, and the copy is found again', async () => {
    const { registry, agent, renew } = await enrolled()
    await renew(1, 11, '')
    await renew(2, 12, 11)
    await expect(renew(1, 99, '')).rejects.toMatchObject({ code: 'refused' })
    await registry.unlock(agent, 'api')
    await renew(1, 99, '')
    await expect(renew(3, 13, 12)).rejects.toMatchObject({ code: 'conflict' })
    await registry.unlock(agent, 'api')
    await renew(3, 13, 12)
    await expect(renew(2, 98, 99)).rejects.toMatchObject({ code: 'refused' })
  })

  it('locked and unlocked lets in nobody who waited for approval, or was revoked', async () => {
    const { registry, agent, renew } = await enrolled(true)
    await expect(registry.unlock(agent, 'api')).rejects.toMatchObject({ code: 'conflict' })
    await expect(renew(5, 15, 14)).rejects.toMatchObject({ code: 'conflict' })
    await registry.unlock(agent, 'api')
    expect(registry.find(agent)).toMatchObject({ standing: 'pending' })
    expect(registry.find(agent)).not.toHaveProperty('reason')
    await registry.revoke(agent, 'sold', 'api')
    await expect(registry.unlock(agent, 'api')).rejects.toMatchObject({ code: 'conflict' })
  })

  it.each<[string, [number, number, number | '']]>([
    ['the same place', [2, 99, 11]],
    ['an older place', [1, 99, '']],
    ['a place that never was', [3, 99, 98]],
  ])('from %s shows a copied state folder, and locks both', async (_, copy) => {
    const { registry, records, agent, renew, token } = await enrolled()
    await renew(1, 11, '')
    await renew(2, 12, 11)
    await expect(renew(...copy)).rejects.toThrow(/n \(a-[0-9a-f]{16}\) is locked: its state folder was copied/)
    expect(registry.find(agent)?.standing).toBe('locked')
    expect(records.at(-1)).toMatchObject({ kind: 'agent-locked', agent })
    await expect(renew(3, 13, 12)).rejects.toThrow(/locked/)
    // Neither an old nor a new token brings that key back.
    await expect(registry.enrol(request(token, fakeKey('one')))).rejects.toThrow(/locked/)
    const fresh = await registry.createToken(life, 'api')
    await expect(registry.enrol(request(fresh.token, fakeKey('one')))).rejects.toThrow(/locked/)
  })

  it('of a revoked agent is refused', async () => {
    const { registry, agent, renew } = await enrolled()
    await registry.revoke(agent, 'left the lab', 'api')
    await expect(renew(1, 11, '')).rejects.toThrow(/revoked: left the lab/)
    expect(await registry.prune(undefined, new Set(), 'api')).toEqual([agent])
    expect(registry.find(agent)).toBeUndefined()
  })
})

describe('an agent that needs approval', () => {
  it('waits for it, and takes work from then on', async () => {
    const { registry } = open()
    const { token } = await registry.createToken({ ...life, needsApproval: true }, 'api')
    const { agent } = (await registry.enrol(request(token, fakeKey('one')))).enrolled
    expect(registry.find(agent)?.standing).toBe('pending')
    await registry.renew(agent, { sequence: 1, mark: mark(1), previous: '' }, `sha256:${'0'.repeat(64)}`)
    await registry.approve(agent, 'api')
    await registry.approve(agent, 'api')
    expect(registry.find(agent)?.standing).toBe('enrolled')
    await registry.revoke(agent, 'gone', 'api')
    await expect(registry.approve(agent, 'api')).rejects.toMatchObject({ code: 'conflict' })
    await expect(registry.approve('a-none', 'api')).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('the journal', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bitfleet-registry-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('read again gives the same state, without a last record that was cut short', async () => {
    const store = await openStore(folder)
    const registry = createRegistry({ key, append: (body) => store.append(body) })
    const { token } = await registry.createToken(life, 'api')
    const { agent } = (await registry.enrol(request(token, fakeKey('one')))).enrolled
    await registry.renew(agent, { sequence: 1, mark: mark(1), previous: '' }, `sha256:${'1'.repeat(64)}`)
    await registry.label(agent, { site: 'lab-3' }, 'api')
    const before = registry.agents()
    await store.close()
    await appendFile(join(folder, 'journal', 'journal.jsonl'), '{"kind":"agent-revo')
    const fold = createControlFold()
    const again = await openStore(folder, { visit: (record) => fold.apply(record) })
    expect([...fold.state.agents.values()]).toEqual(before)
    expect(fold.state.tokens.size).toBe(1)
    await again.close()
  })
})
