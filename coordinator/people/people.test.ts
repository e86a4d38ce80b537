import { beforeAll, describe, expect, it, vi } from 'vitest'
import { apiToken, createTestPeople } from '../../test/people.ts'
import type { JournalBody } from '../store/index.ts'
import { createPeople, createPeopleFold, type People } from './index.ts'
import type { PeopleRecord } from './people-state.ts'

const password = 'correct horse battery'
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'nothing',
    (error: { code: string }) => error.code,
  )

function stage() {
  const clock = { now: Date.UTC(2026, 0, 1) }
  return { ...createTestPeople({ now: () => clock.now }), clock }
}

/** What another process makes of the same journal. */
function replay(journal: readonly JournalBody[]): People {
  const fold = createPeopleFold()
  for (const body of journal) fold.apply({ ...body, at: '2026-01-01T00:00:00.000Z' } as PeopleRecord)
  return createPeople({ fold, apiToken, append: async () => {} })
}

describe('people', () => {
  it('sign in as often as they need, and leave no record for every time that somebody tries how often', async () => {
    const { people, journal, clock } = stage()
    await people.add('alice', 'admin', password, 'api')
    for (let i = 0; i < 200; i++) await people.signIn('alice', password, '192.0.2.1')
    expect(await codeOf(people.signIn('alice', password, '192.0.2.1'))).toBe('limit')
    expect(journal.filter(({ kind }) => kind === 'signed-in')).toHaveLength(200)
    clock.now += 60_000
    expect(await codeOf(people.signIn('alice', password, '192.0.2.1'))).toBe('nothing')
  })

  it('are what the journal says, also for the next process', async () => {
    const { people, journal } = stage()
    await people.add('alice', 'admin', password, 'api')
    await people.add('bob', 'viewer', password, 'person:alice')
    await people.add('carol', 'operator', password, 'person:alice')
    await people.setRole('bob', 'operator', 'person:alice')
    await people.setPassword('bob', 'another good password', 'person:bob')
    await people.remove('carol', 'person:alice')
    const later = replay(journal)
    expect(later.list().map(({ name, role }) => [name, role])).toEqual([
      ['alice', 'admin'],
      ['bob', 'operator'],
    ])
    expect(later.list().map((person) => person.password)).toEqual(people.list().map((person) => person.password))
    await later.signIn('bob', 'another good password', '::1')
    expect(await codeOf(later.signIn('carol', password, '::1'))).toBe('refused')
    expect(JSON.stringify(journal)).not.toContain(password)
    expect(journal.map(({ kind, ...rest }) => `${kind} by ${'by' in rest ? rest.by : ''}`)).toEqual([
      'person-created by api',
      'person-created by person:alice',
      'person-created by person:alice',
      'person-changed by person:alice',
      'person-changed by person:bob',
      'person-removed by person:alice',
    ])
  })

  it('have names that nobody can mistake, once', async () => {
    const { people, journal } = stage()
    for (const name of ['', 'Alice', 'a b', '../x', '<script>', 'аlice', 'a'.repeat(65), '-x', '\u202ealice']) {
      expect(await codeOf(people.add(name, 'admin', password, 'api'))).toBe('usage')
    }
    expect(journal).toEqual([])
    const twice = await Promise.all([1, 2].map(() => codeOf(people.add('alice', 'admin', password, 'api'))))
    expect(twice.sort()).toEqual(['conflict', 'nothing'])
  })

  it('keep an admin', async () => {
    const { people } = stage()
    expect(people.hasAdmin()).toBe(false)
    await people.add('alice', 'admin', password, 'api')
    expect(await codeOf(people.remove('alice', 'api'))).toBe('conflict')
    expect(await codeOf(people.setRole('alice', 'viewer', 'api'))).toBe('conflict')
    await people.add('bob', 'admin', password, 'api')
    // Both at once: one of them stays.
    const gone = await Promise.all(['alice', 'bob'].map((name) => codeOf(people.remove(name, 'api'))))
    expect(gone.sort()).toEqual(['conflict', 'nothing'])
    expect(people.hasAdmin()).toBe(true)
    expect(await codeOf(people.remove('nobody', 'api'))).toBe('not-found')
  })
})

describe('a session', () => {
  it('acts as its person is now, and ends with the password, the person, or signing out', async () => {
    const { people } = stage()
    await people.add('alice', 'admin', password, 'api')
    await people.add('bob', 'viewer', password, 'api')
    const secret = await people.signIn('bob', password, '::1')
    expect(people.session(secret)).toMatchObject({ by: 'person:bob', role: 'viewer' })
    await people.setRole('bob', 'operator', 'api')
    expect(people.session(secret)?.role).toBe('operator')
    const own = await people.signIn('bob', password, '::1')
    await people.setPassword('bob', 'another good password', 'person:bob', own)
    expect([people.session(secret), people.session(own)?.title]).toEqual([undefined, 'bob'])
    await people.remove('bob', 'api')
    expect(people.session(own)).toBeUndefined()
    const alice = await people.signIn('alice', password, '::1')
    people.signOut(alice)
    expect(people.session(alice)).toBeUndefined()
    for (const guess of ['', 'x', apiToken]) expect(people.session(guess)).toBeUndefined()
  })

  it('ends after 12 hours unused, and after 7 days', async () => {
    const { people, clock } = stage()
    await people.add('alice', 'admin', password, 'api')
    const [idle, used] = [await people.signIn('alice', password, '::1'), await people.signIn('alice', password, '::1')]
    const hour = 3_600_000
    for (let hours = 0; hours < 7 * 24 - 6; hours += 6) {
      clock.now += 6 * hour
      expect(people.session(used)?.title).toBe('alice')
    }
    expect(people.session(idle)).toBeUndefined()
    clock.now += 6 * hour
    expect(people.session(used)).toBeUndefined()
  })
})

describe('signing in', () => {
  it('answers alike for a wrong name and a wrong password', async () => {
    const { people, journal } = stage()
    await people.add('alice', 'admin', password, 'api')
    const errors = await Promise.all(
      [
        ['alice', 'a wrong password'],
        ['nobody', password],
        ['alice', ''],
      ].map(([name, tried]) => people.signIn(name as string, tried as string, '::1').catch((error: unknown) => error)),
    )
    expect(new Set(errors.map(String)).size).toBe(1)
    expect(errors[0]).toMatchObject({ code: 'refused' })
    expect(journal.filter(({ kind }) => kind === 'sign-in-refused')).toHaveLength(3)
    await people.signIn('alice', password, '10.0.0.1')
    expect(journal.at(-1)).toEqual({ kind: 'signed-in', by: 'person:alice', address: '10.0.0.1', how: 'password' })
  })

  it.each(['alice', 'nobody'])('as %s is tried so often and no more, from wherever', async (name) => {
    const { people, clock } = stage()
    await people.add('alice', 'admin', password, 'api')
    const guess = (i: number) => codeOf(people.signIn(name, 'a wrong password', `10.0.0.${i}`))
    const codes: string[] = []
    for (let i = 0; i < 12; i++) codes.push(await guess(i))
    expect(codes).toEqual([...Array.from({ length: 10 }, () => 'refused'), 'limit', 'limit'])
    // The right password does not help, or it could be told from a wrong one.
    await expect(people.signIn(name, password, '10.9.9.9')).rejects.toThrow(/wait \d+ s/)
    clock.now += 91_000
    expect(await codeOf(people.signIn(name, password, '10.9.9.9'))).toBe(name === 'alice' ? 'nothing' : 'refused')
  })

  it('from one address is tried so often, whatever the names and the end of an IPv6 address', async () => {
    const { people } = stage()
    const codes: string[] = []
    for (let i = 0; i < 11; i++) codes.push(await codeOf(people.signIn(`n${i}`, 'x', `2001:db8:0:1::${i}`)))
    expect(codes.at(-1)).toBe('limit')
    expect(await codeOf(people.signIn('n0', 'x', '2001:db8:0:2::1'))).toBe('refused')
  })

  it('rightly is not counted', async () => {
    const { people } = stage()
    await people.add('alice', 'admin', password, 'api')
    const secrets = new Set<string>()
    for (let i = 0; i < 15; i++) secrets.add(await people.signIn('alice', password, '::1'))
    expect(secrets.size).toBe(15)
  })

  it('wrongly, however often, does not flood the journal', async () => {
    const { people, journal } = stage()
    for (let i = 0; i < 230; i++) await codeOf(people.signIn(`n${i}`, '', `10.0.${i}.1`))
    expect(journal).toHaveLength(200)
  })
})

describe('an API token', () => {
  let people: People
  let journal: JournalBody[]
  let clock: { now: number }
  beforeAll(async () => {
    ;({ people, journal, clock } = stage())
    await people.add('alice', 'admin', password, 'api')
    await people.add('bob', 'operator', password, 'api')
  })

  it('is shown once and kept as its hash', async () => {
    const { text, token } = await people.createToken({ role: 'viewer', title: 'dashboard' }, 'person:alice')
    expect(text).toMatch(/^bfa1_[\w-]{43}$/)
    expect(JSON.stringify([journal, people.tokens()])).not.toContain(text.slice(5))
    expect(people.bearer(text)).toMatchObject({ by: `api-token:${token.id}`, role: 'viewer', title: 'dashboard' })
    expect(replay(journal).bearer(text)).toEqual(people.bearer(text))
    for (const guess of ['', text.slice(0, -1), token.id, token.hash]) expect(people.bearer(guess)).toBeUndefined()
    await people.revokeToken(token.id, 'api')
    expect([people.bearer(text), replay(journal).bearer(text)]).toEqual([undefined, undefined])
    expect(await codeOf(people.revokeToken(token.id, 'api'))).toBe('not-found')
  })

  it('of a person never exceeds them, and goes with them', async () => {
    expect(await codeOf(people.createToken({ role: 'admin', title: 'x', person: 'bob' }, 'api'))).toBe('usage')
    expect(await codeOf(people.createToken({ role: 'viewer', title: 'x', person: 'nobody' }, 'api'))).toBe('not-found')
    const { text } = await people.createToken({ role: 'operator', title: 'x', person: 'bob' }, 'api')
    await people.setRole('bob', 'viewer', 'api')
    expect(people.bearer(text)?.role).toBe('viewer')
    await people.remove('bob', 'api')
    expect(people.bearer(text)).toBeUndefined()
    // A person of the same name later is another.
    await people.add('bob', 'operator', password, 'api')
    expect(people.bearer(text)).toBeUndefined()
  })

  it('expires', async () => {
    const expiresAt = new Date(clock.now + 1000).toISOString()
    const { text } = await people.createToken({ role: 'viewer', title: 'x', expiresAt }, 'api')
    expect(people.bearer(text)?.role).toBe('viewer')
    clock.now += 1000
    expect(people.bearer(text)).toBeUndefined()
    expect(await codeOf(people.createToken({ role: 'viewer', title: 'x', expiresAt }, 'api'))).toBe('usage')
  })

  it("of the store is the local admin's", () => {
    expect(people.bearer(apiToken)).toMatchObject({ by: 'api', role: 'admin' })
  })
})

describe('a sign-in link', () => {
  it('signs in once, as whoever made it', async () => {
    const { people, journal } = stage()
    await people.add('alice', 'admin', password, 'api')
    const alice = people.session(await people.signIn('alice', password, '::1'))
    const { secret } = await people.createLink(alice as NonNullable<typeof alice>, '/runs/x')
    const used = await people.useLink(secret, '10.0.0.1')
    expect(used?.path).toBe('/runs/x')
    expect(people.session(used?.secret as string)).toMatchObject({ by: 'person:alice', role: 'admin' })
    expect(journal.at(-1)).toMatchObject({ kind: 'signed-in', by: 'person:alice', how: 'link', address: '10.0.0.1' })
    expect(await people.useLink(secret, '10.0.0.1')).toBeUndefined()
    expect(people.session(secret)).toBeUndefined()
  })

  it('works for five minutes, and only while whoever made it is there', async () => {
    const { people, clock } = stage()
    const local = people.bearer(apiToken) as NonNullable<ReturnType<People['bearer']>>
    const late = await people.createLink(local, '/')
    clock.now += 5 * 60_000
    expect(await people.useLink(late.secret, '::1')).toBeUndefined()
    const { text, token } = await people.createToken({ role: 'admin', title: 'x' }, 'api')
    const link = await people.createLink(people.bearer(text) as typeof local, '/')
    const open = await people.createLink(people.bearer(text) as typeof local, '/')
    const session = (await people.useLink(open.secret, '::1'))?.secret as string
    expect(people.session(session)?.by).toBe(`api-token:${token.id}`)
    await people.revokeToken(token.id, 'api')
    expect([await people.useLink(link.secret, '::1'), people.session(session)]).toEqual([undefined, undefined])
  })
})

it('neither signs anybody out nor keeps anybody from signing in where the clock is set', async () => {
  const { people } = createTestPeople()
  await people.add('alice', 'admin', password, 'api')
  const session = await people.signIn('alice', password, '::1')
  expect(await codeOf(people.signIn('alice', 'a wrong password', '::1'))).toBe('refused')
  for (const hours of [-1, 24]) {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + hours * 3_600_000 })
    expect(people.session(session)?.by).toBe('person:alice')
    expect(await codeOf(people.signIn('alice', password, '::1'))).toBe('nothing')
    vi.useRealTimers()
  }
})
