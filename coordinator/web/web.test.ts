import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hostileText } from '../../test/hostile-report.ts'
import { createWebStage, passwords, type WebStage } from '../../test/web-stage.ts'

let stage: WebStage
beforeAll(async () => {
  stage = await createWebStage({ heartbeatMs: 20, proxies: ['10.0.0.0/8', '192.0.2.1'] })
})
afterAll(() => stage.close())

type Init = Omit<RequestInit, 'headers'> & { headers?: Record<string, string> }
const host = '127.0.0.1:7575'
const own = { Origin: `http://${host}` }
const send = (path: string, init: Init = {}, env: object = {}) =>
  stage.app.request(`http://${host}${path}`, { ...init, headers: { Host: host, ...init.headers } }, env)
const form = (fields: Record<string, string>, headers: Record<string, string> = own): Init => ({
  ...{ method: 'POST', body: String(new URLSearchParams(fields)) },
  headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
})
const cookieOf = (answer: Response) => (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? ''

async function signIn(name: keyof typeof passwords): Promise<(path: string, init?: Init) => Promise<Response>> {
  const answer = await send('/sign-in', form({ name, password: passwords[name] }))
  expect([answer.status, answer.headers.get('location')]).toEqual([303, '/'])
  const Cookie = cookieOf(answer)
  return async (path, init = {}) => send(path, { ...init, headers: { Cookie, ...init.headers } })
}

const pages = () => ['/', `/runs/${stage.runId}`, '/fleet', '/fleet/a-1', '/fleet/a-5', '/account']

describe('nobody', () => {
  it('sees a page, and is brought back to it after signing in', async () => {
    for (const path of [...pages(), '/audit', '/none']) {
      const answer = await send(path)
      const next = path === '/' ? '' : `?next=${encodeURIComponent(path)}`
      expect([answer.status, answer.headers.get('location')]).toEqual([303, `/sign-in${next}`])
      expect(await answer.text()).toBe('')
    }
    const asked = await send('/sign-in?next=%2Ffleet%3Fq%3Da')
    expect(await asked.text()).toContain('name="next" value="/fleet?q=a"')
    const signed = await send('/sign-in', form({ name: ' Alice ', password: passwords.alice, next: '/fleet?q=a' }))
    expect(signed.headers.get('location')).toBe('/fleet?q=a')
  })

  it.each(['//evil.example', '/\\evil.example', 'https://evil.example', '/.//evil.example', '\t//evil.example', 'x'])(
    'is led elsewhere by %j',
    async (next) => {
      const page = await (await send(`/sign-in?next=${encodeURIComponent(next)}`)).text()
      expect(page).not.toContain('evil')
      const answer = await send('/sign-in', form({ name: 'alice', password: passwords.alice, next }))
      expect(answer.headers.get('location')).toBe('/')
    },
  )

  it('is told the same for a wrong name and a wrong password, and what is typed is text', async () => {
    const answers = await Promise.all(
      ['alice', 'nobody'].map(async (name) => {
        const answer = await send('/sign-in', form({ name, password: 'wrong' }))
        return [answer.status, (await answer.text()).replaceAll(name, 'NAME'), cookieOf(answer)]
      }),
    )
    expect(answers[0]).toEqual(answers[1])
    expect(answers[0]?.[0]).toBe(403)
    const hostile = await (await send('/sign-in', form({ name: hostileText, password: 'x' }))).text()
    expect(hostile).not.toMatch(/<script(?! src="\/live\.js")|<img|<svg/)
  })

  it('is held up after ten wrong attempts', async () => {
    const statuses: number[] = []
    for (let i = 0; i < 11; i++) {
      const guess = form({ name: 'guessed', password: String(i) })
      const env = { incoming: { socket: { remoteAddress: `198.51.100.${i}` } } }
      statuses.push((await send('/sign-in', guess, env)).status)
    }
    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 403), 429])
  })

  it('is told how to make the first admin, and where there is one, not', async () => {
    expect(await (await send('/sign-in')).text()).not.toContain('bitfleet people add')
    const empty = await createWebStage({ withoutPeople: true })
    const page = await (await empty.app.request(`http://${host}/sign-in`, { headers: { Host: host } })).text()
    expect(page).toContain('bitfleet people add NAME --role admin')
    await empty.close()
  })

  it('gets script and icon, and nothing else', async () => {
    expect((await send('/live.js')).headers.get('content-type')).toContain('javascript')
    expect((await send('/icon.svg')).status).toBe(200)
    for (const path of ['/live.js/', '/LIVE.js', '/sign-in/', '/api/health/']) {
      expect([303, 401]).toContain((await send(path)).status)
    }
  })
})

describe('a role', () => {
  it('sees what it may, and is offered what it may do', async () => {
    const [alice, oscar, victor] = [await signIn('alice'), await signIn('oscar'), await signIn('victor')]
    for (const person of [alice, oscar, victor]) {
      for (const path of pages()) expect([path, (await person(path)).status]).toEqual([path, 200])
    }
    expect((await alice('/audit')).status).toBe(200)
    for (const person of [oscar, victor]) {
      const refused = await person('/audit')
      expect([refused.status, refused.headers.get('content-type')]).toEqual([403, 'text/html; charset=utf-8'])
      expect(await refused.text()).toContain('this needs the role admin')
    }
    const offers = async (person: typeof alice, path: string) =>
      [...(await (await person(path)).text()).matchAll(/<form[^>]* action="([^"]*)"/g)].map(([, action]) => action)
    const run = `/runs/${stage.runId}`
    expect(await offers(victor, run)).toEqual(['/sign-out'])
    expect(await offers(oscar, run)).toEqual(['/sign-out', `${run}/cancel`])
    expect(await offers(oscar, '/fleet/a-3')).toEqual(['/sign-out'])
    expect(await offers(alice, '/fleet/a-3')).toEqual([
      '/sign-out',
      ...['approve', 'label', 'revoke'].map((deed) => `/fleet/a-3/${deed}`),
    ])
    expect(await offers(alice, '/fleet/a-2')).toEqual([
      '/sign-out',
      ...['unlock', 'label', 'revoke'].map((deed) => `/fleet/a-2/${deed}`),
    ])
    expect(await offers(alice, '/fleet/a-4')).toEqual(['/sign-out', '/fleet/a-4/label'])
  })

  it('hears of a run for as long as it is signed in, and no longer', async () => {
    const [victor, alice] = [await signIn('victor'), await signIn('alice')]
    const events = `/api/runs/${stage.runId}/events`
    const follow = async (by: typeof victor) => ((await by(events)).body as ReadableStream<Uint8Array>).getReader()
    const [leaving, staying] = [await follow(victor), await follow(alice)]
    const heard = async (reader: typeof leaving) => new TextDecoder().decode((await reader.read()).value)
    expect(await heard(leaving)).toBe(': alive\n\n')
    await victor('/sign-out', form({}))
    let last = await leaving.read()
    while (!last.done) last = await leaving.read()
    expect((await victor(events)).status).toBe(401)
    expect(await heard(staying)).toBe(': alive\n\n')
    // One person cannot keep all others from following.
    const many = await Promise.all(Array.from({ length: 63 }, () => follow(alice)))
    const refused = await alice(events)
    expect([refused.status, await refused.text()]).toEqual([
      503,
      expect.stringContaining('64 followers of person:alice'),
    ])
    const other = await follow(await signIn('oscar'))
    expect(await heard(other)).toBe(': alive\n\n')
    for (const reader of [staying, other, ...many]) await reader.cancel()
  })

  it('sends the API of agents no more than it needs', async () => {
    const [alice, victor] = [await signIn('alice'), await signIn('victor')]
    const much = { method: 'POST', body: JSON.stringify({ labels: { a: 'x'.repeat(1 << 17) } }) }
    const init = { ...much, headers: { ...own, 'Content-Type': 'application/json' } }
    for (const path of ['/api/tokens', '/api/agents/prune', '/api/agents/a-1/labels', '/api/agents/a-1/revoke']) {
      expect([path, (await victor(path, init)).status]).toEqual([path, 403])
      expect([path, (await alice(path, init)).status]).toEqual([path, 413])
    }
  })

  it('does what it may, and nothing else', async () => {
    const [alice, oscar, victor] = [await signIn('alice'), await signIn('oscar'), await signIn('victor')]
    const cancel = `/runs/${stage.runId}/cancel`
    const deeds: [string, Record<string, string>][] = [
      ['/fleet/a-3/approve', {}],
      ['/fleet/a-3/label', { labels: 'site=lab 4\r\n\r\n rack=a=b ' }],
      ['/fleet/a-3/unlock', {}],
      ['/fleet/a-3/revoke', { reason: 'sold' }],
    ]
    for (const [path, fields] of [[cancel, {}], ...deeds] as typeof deeds) {
      expect((await victor(path, form(fields))).status).toBe(403)
    }
    for (const [path, fields] of deeds) expect((await oscar(path, form(fields))).status).toBe(403)
    expect(stage.asked).toEqual([])
    const cancelled = await oscar(cancel, form({}))
    expect([cancelled.status, cancelled.headers.get('location')]).toEqual([303, `/runs/${stage.runId}?cancelling`])
    for (const [path, fields] of deeds) {
      const answer = await alice(path, form(fields))
      expect([answer.status, answer.headers.get('location')]).toEqual([303, '/fleet/a-3'])
    }
    expect(stage.asked.splice(0)).toEqual([
      `cancel ${stage.runId} by person:oscar`,
      'approve a-3 by person:alice',
      'label a-3 by person:alice: {"site":"lab 4","rack":"a=b"}',
      'unlock a-3 by person:alice',
      'revoke a-3 by person:alice: sold',
    ])
    for (const [path, fields] of [
      ['/fleet/a-1/approve', {}],
      ['/fleet/a-1/label', { labels: 'no sign' }],
      ['/fleet/a-1/label', { labels: 'a=1\na=2' }],
      ['/fleet/a-1/label', { labels: `${'k'.repeat(80)}=1` }],
      ['/fleet/a-1/revoke', { reason: ' ' }],
    ] as typeof deeds) {
      const answer = await alice(path, form(fields))
      expect([400, 409]).toContain(answer.status)
      const page = await answer.text()
      expect(page).toContain('role="alert"')
      if (fields.labels !== undefined) expect(page).toContain(`>${fields.labels}</textarea>`)
    }
    expect((await alice('/fleet/none/approve', form({}))).status).toBe(404)
    expect((await alice('/fleet/a-1/label', form({ labels: 'x'.repeat(1 << 17) }))).status).toBe(413)
  })
})

describe('a session', () => {
  it('has a cookie that scripts and other sites do not get', async () => {
    const answer = await send('/sign-in', form({ name: 'victor', password: passwords.victor }))
    const cookie = answer.headers.get('set-cookie') ?? ''
    expect(cookie).toMatch(/^bitfleet-session-7575=[\w-]{43}; /)
    for (const part of ['HttpOnly', 'SameSite=Strict', 'Path=/', 'Max-Age=604800']) expect(cookie).toContain(part)
    expect(cookie).not.toContain('Secure')
  })

  it('is Secure behind TLS and behind a proxy of ours that says so, and not for whoever else says so', async () => {
    const from = async (socket: object, headers: Record<string, string> = {}) => {
      const body = form({ name: 'victor', password: passwords.victor })
      const answer = await send(
        '/sign-in',
        { ...body, headers: { ...body.headers, ...headers } },
        { incoming: { socket } },
      )
      return answer.headers.get('set-cookie') ?? ''
    }
    const says = { 'X-Forwarded-Proto': 'https' }
    for (const cookie of [
      await from({ remoteAddress: '203.0.113.9', encrypted: true }),
      await from({ remoteAddress: '10.1.2.3' }, says),
      await from({ remoteAddress: '::ffff:192.0.2.1' }, says),
    ]) {
      expect(cookie).toMatch(/^__Host-bitfleet-session-7575=/)
      expect(cookie).toContain('; Secure')
    }
    for (const cookie of [
      await from({ remoteAddress: '203.0.113.9' }, says),
      await from({ remoteAddress: '10.1.2.3' }),
      await from({}, says),
    ]) {
      expect(cookie).toMatch(/^bitfleet-session-7575=/)
    }
  })

  it('ends by signing out, and by signing in anew', async () => {
    const first = await send('/sign-in', form({ name: 'victor', password: passwords.victor }))
    const Cookie = cookieOf(first)
    const again = await send('/sign-in', {
      ...form({ name: 'victor', password: passwords.victor }, { ...own, Cookie }),
    })
    expect((await send('/fleet', { headers: { Cookie } })).status).toBe(303)
    const fresh = cookieOf(again)
    const out = await send('/sign-out', form({}, { ...own, Cookie: fresh }))
    expect([out.status, out.headers.get('location')]).toEqual([303, '/sign-in'])
    expect(out.headers.get('set-cookie')).toMatch(/^bitfleet-session-7575=; Max-Age=0/)
    expect((await send('/fleet', { headers: { Cookie: fresh } })).status).toBe(303)
  })

  it('reads and writes the API, as its role', async () => {
    const victor = await signIn('victor')
    expect(await (await victor('/api/me')).json()).toMatchObject({ by: 'person:victor', role: 'viewer' })
    expect((await victor('/api/runs')).status).toBe(200)
    const cancel = `/api/runs/${stage.runId}/cancel`
    expect((await victor(cancel, { method: 'POST', headers: own })).status).toBe(403)
    expect((await victor('/api/people')).status).toBe(403)
    const alice = await signIn('alice')
    expect((await alice('/api/people')).status).toBe(200)
  })

  it('comes along from a link on another site by a page in between', async () => {
    const victor = await signIn('victor')
    const cross = { 'Sec-Fetch-Site': 'cross-site' }
    const between = await send('/fleet', { headers: cross })
    expect([between.status, await between.text()]).toEqual([200, expect.stringContaining('http-equiv="refresh"')])
    expect((await send('/fleet', { headers: { 'Sec-Fetch-Site': 'same-origin' } })).status).toBe(303)
    expect(await (await victor('/fleet', { headers: cross })).text()).toContain('<h1')
  })
})

describe('a form from elsewhere', () => {
  it.each<[string, Record<string, string>]>([
    ['another origin', { Origin: 'http://evil.example' }],
    ['another port of this machine', { Origin: 'http://127.0.0.1:8000', 'Sec-Fetch-Site': 'same-site' }],
    ['an origin that hides', { Origin: 'null' }],
    ['another site, whatever it says', { ...own, 'Sec-Fetch-Site': 'cross-site' }],
    ['nowhere, with a cookie', {}],
  ])('is refused: from %s', async (_, headers) => {
    const oscar = await signIn('oscar')
    const before = stage.asked.length
    for (const path of [`/runs/${stage.runId}/cancel`, `/api/runs/${stage.runId}/cancel`, '/sign-out']) {
      expect((await oscar(path, form({}, headers))).status).toBe(403)
    }
    expect(stage.asked).toHaveLength(before)
    expect((await oscar('/fleet')).status).toBe(200)
  })

  it('cannot sign a browser in', async () => {
    const fields = { name: 'victor', password: passwords.victor }
    expect((await send('/sign-in', form(fields, { Origin: 'http://evil.example' }))).status).toBe(403)
    expect((await send('/sign-in', form(fields, { Origin: 'null' }))).status).toBe(403)
  })

  it('that is no form is not taken', async () => {
    const oscar = await signIn('oscar')
    const json = { method: 'POST', body: '{"labels":"a=1"}', headers: { ...own, 'Content-Type': 'text/plain' } }
    expect((await oscar('/account/password', json)).status).toBe(400)
  })
})

describe('an account', () => {
  it('takes another password from whoever knows the one it has', async () => {
    const own2 = await createWebStage()
    const before = stage
    stage = own2
    try {
      const [victor, other] = [await signIn('victor'), await signIn('victor')]
      const change = (current: string, password: string, again = password) =>
        victor('/account/password', form({ current, password, again }))
      for (const [answer, says] of [
        [await change('wrong', 'a new good password'), 'The password now is another'],
        [await change(passwords.victor, 'a new good password', 'x'), 'not the same'],
        [await change(passwords.victor, 'short'), 'at least 12 characters'],
      ] as const) {
        expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(says)])
      }
      expect((await change(passwords.victor, 'a new good password')).headers.get('location')).toBe('/account?changed')
      expect((await victor('/account?changed')).status).toBe(200)
      expect((await other('/account')).status).toBe(303)
      const signed = await send('/sign-in', form({ name: 'victor', password: 'a new good password' }))
      expect(signed.status).toBe(303)
    } finally {
      stage = before
      await own2.close()
    }
  })
})

describe('a sign-in link', () => {
  const create = (body: object, headers: Record<string, string>) =>
    send('/api/sign-in-links', {
      ...{ method: 'POST', body: JSON.stringify(body) },
      headers: { 'Content-Type': 'application/json', ...headers },
    })
  const bearer = { Authorization: 'Bearer the token of the API' }

  it('is made by an admin, opens once, and leads where it says', async () => {
    const { path } = (await (await create({ path: `/runs/${stage.runId}` }, bearer)).json()) as { path: string }
    expect(path).toMatch(/^\/sign-in\/[\w-]{43}$/)
    expect((await send(path, { method: 'HEAD' })).headers.get('set-cookie')).toBeNull()
    const opened = await send(path)
    expect([opened.status, opened.headers.get('location')]).toEqual([303, `/runs/${stage.runId}`])
    const page = await send(`/runs/${stage.runId}`, { headers: { Cookie: cookieOf(opened) } })
    expect(await page.text()).toContain('local admin')
    const again = await send(path)
    expect([again.status, again.headers.get('set-cookie')]).toEqual([403, null])
    expect(await again.text()).toContain('bitfleet people link')
  })

  it('is made by nobody else, and leads nowhere else', async () => {
    const { text } = await stage.people.createToken({ role: 'operator', title: 'ci' }, 'api')
    expect((await create({}, { Authorization: `Bearer ${text}` })).status).toBe(403)
    expect((await create({}, {})).status).toBe(401)
    for (const path of ['//evil.example', 'https://evil.example', '/\\evil.example']) {
      expect((await create({ path }, bearer)).status).toBe(400)
    }
  })
})

describe('the pages', () => {
  it('send a policy that allows their own style, script and forms alone', async () => {
    const alice = await signIn('alice')
    for (const path of [...pages(), '/audit', '/sign-in?x']) {
      const answer = path.startsWith('/sign-in') ? await send(path) : await alice(path)
      expect(answer.headers.get('content-security-policy')).toMatch(
        /^default-src 'none'; style-src 'sha256-[^']+' 'sha256-[^']+'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'$/,
      )
      expect(answer.headers.get('referrer-policy')).toBe('same-origin')
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(await answer.text()).not.toMatch(/<script(?! src="\/live\.js")|\son[a-z]+=["']|\sstyle=/)
    }
  })

  it('show hostile text as text', async () => {
    const alice = await signIn('alice')
    for (const path of [
      '/fleet',
      '/fleet/a-5',
      '/audit',
      `/fleet?q=${encodeURIComponent(hostileText.slice(0, 150))}`,
    ]) {
      const text = await (await alice(path)).text()
      expect(text).toContain('&lt;script&gt;window.hostile=1&lt;/script&gt;')
      expect(text).not.toMatch(/<script(?! src="\/live\.js")|<img|<svg|<\/title><\/textarea>/)
      // biome-ignore lint: control characters are the subject
      expect(text).not.toMatch(/[\0-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
    }
  })

  it('answer 404 for what is not there, saying its name as text', async () => {
    const alice = await signIn('alice')
    const name = encodeURIComponent('<script>1</script>\u202e')
    for (const path of [`/runs/${name}`, `/fleet/${name}`, `/none/${name}`]) {
      const answer = await alice(path)
      expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8'])
      const text = await answer.text()
      expect(text).not.toContain('\u202e')
      expect(text).not.toContain('<script>1')
    }
    expect(await (await alice('/api/none')).json()).toMatchObject({ error: { code: 'not-found' } })
  })

  it('answer 400 for a NUL, and for what is not UTF-8, in a path or a search', async () => {
    const alice = await signIn('alice')
    for (const path of ['/runs/%00', '/fleet/a%00b', '/runs/%ff', '/?search=%00', '/fleet?search=%ff']) {
      const answer = await alice(path)
      expect([path, answer.status, answer.headers.get('content-type')]).toEqual([path, 400, 'text/html; charset=utf-8'])
    }
  })

  it('find runs, a page at a time', async () => {
    const alice = await signIn('alice')
    stage.others.push(
      ...(Array.from({ length: 120 }, (_, i) => ({
        ...{ id: `old-${i}`, name: i % 2 ? 'odd' : 'even', state: 'failed', createdAt: '2025-01-01T00:00:00.000Z' },
        ...{ cells: 1, agents: 1 },
      })) as typeof stage.others),
    )
    const page = async (path: string) => {
      const text = await (await alice(path)).text()
      const links = [...text.matchAll(/href="([^"]*)">(Previous|Next)</g)].map(([, href]) =>
        href?.replaceAll('&amp;', '&'),
      )
      return { rows: text.match(/<th scope="row"/g)?.length ?? 0, links, text }
    }
    expect(await page('/')).toMatchObject({
      rows: 50,
      links: ['/?from=50'],
      text: expect.stringContaining('1 to 50 of 121'),
    })
    expect(await page('/?from=50')).toMatchObject({ rows: 50, links: ['/', '/?from=100'] })
    expect(await page('/?from=100')).toMatchObject({ rows: 21, links: ['/?from=50'] })
    expect(await page('/?from=1000')).toMatchObject({ rows: 0 })
    expect(await page('/?q=ODD')).toMatchObject({ rows: 50, links: ['/?q=ODD&from=50'] })
    expect(await page('/?q=nothing')).toMatchObject({ rows: 0, links: [] })
    for (const from of ['-1', 'x', '1e9', '99999999999999999999']) expect((await page(`/?from=${from}`)).rows).toBe(50)
    stage.others.splice(0)
  })

  it('find agents by what they show of them', async () => {
    const alice = await signIn('alice')
    const found = async (text: string) => {
      const page = await (await alice(`/fleet?q=${encodeURIComponent(text)}`)).text()
      return [...page.matchAll(/href="\/fleet\/([^"]*)"/g)].map(([, id]) => id)
    }
    expect(await found('RACK-')).toEqual(['a-1', 'a-2'])
    expect(await found('site=lab-3')).toEqual(['a-1', 'a-2'])
    expect(await found('h100')).toEqual(['a-1', 'a-2'])
    expect(await found('revoked')).toContain('a-4')
    expect(await found('no such thing')).toEqual([])
  })

  it('show the deeds, newest first, with and without what agents brought', async () => {
    const alice = await signIn('alice')
    const records = async (path: string) => {
      const text = await (await alice(path)).text()
      return { text, numbers: [...text.matchAll(/<td class="number">(\d+)</g)].map(([, number]) => Number(number)) }
    }
    const walk = async (from: string) => {
      const found: Awaited<ReturnType<typeof records>>[] = []
      for (let path: string | undefined = from; path !== undefined; ) {
        const page = await records(path)
        found.push(page)
        path = /href="(\/audit\?[^"]*)">Older/.exec(page.text)?.[1]?.replaceAll('&amp;', '&')
      }
      return {
        pages: found.length,
        numbers: found.flatMap(({ numbers }) => numbers),
        text: found.map((each) => each.text).join(),
      }
    }
    for (let i = 0; i < 60; i++) await signIn('victor')
    const all = await walk('/audit?all=1')
    expect(all.pages).toBeGreaterThan(1)
    expect(all.numbers).toEqual(Array.from(all.numbers, (_, i) => all.numbers.length - 1 - i))
    expect(all.text).toContain('brought repetition 0 of cell c-1')
    const deeds = await walk('/audit')
    expect(deeds.numbers).toHaveLength(all.numbers.length - 3)
    expect(deeds.text).not.toContain('brought repetition')
    for (const said of ['person:alice', 'added victor as viewer', 'submitted run']) expect(deeds.text).toContain(said)
    expect((await records('/audit?before=0')).numbers).toEqual([])
  })
})
