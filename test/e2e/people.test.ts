import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bitfleet, cleanUp, end, folder, start, until } from './bitfleet.ts'

// From a coordinator that nobody can sign in at to people with roles and programs with tokens, all by the command line.

let store: string
let url: string
let said = ''
let coordinator: ChildProcess
const ask = (argv: readonly string[], input?: string) =>
  bitfleet([...argv, '--store', store], input === undefined ? {} : { input })

beforeAll(async () => {
  store = join(folder(), 'store')
  coordinator = start(['coordinator', '--store', store, '--port', '0'])
  coordinator.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await until('the coordinator', () => existsSync(join(store, 'coordinator.json')))
  url = (JSON.parse(readFileSync(join(store, 'coordinator.json'), 'utf8')) as { url: string }).url
  await until('what it says', () => said.includes('first admin'))
})
afterAll(async () => {
  await end(coordinator)
  cleanUp()
})

const signIn = (name: string, password: string) =>
  fetch(`${url}/sign-in`, {
    ...{ method: 'POST', redirect: 'manual', body: new URLSearchParams({ name, password }) },
    headers: { Origin: url },
  })

describe('people by the command line', () => {
  it('begin with the command that the coordinator prints', async () => {
    expect(said).toContain(`bitfleet people add NAME --role admin --store ${store}\n`)
    const added = await ask(['people', 'add', 'alice', '--role', 'admin'], 'correct horse battery\n')
    expect([added.code, added.stdout]).toEqual([0, `alice may sign in at ${url} as admin\n`])
    expect((await signIn('alice', 'correct horse battery')).status).toBe(303)
    expect((await signIn('alice', 'correct horse')).status).toBe(403)
  })

  it('are listed, changed and removed', async () => {
    await ask(['people', 'add', 'bob', '--role', 'viewer'], 'another long password')
    expect((await ask(['people', 'role', 'bob', 'operator'])).code).toBe(0)
    expect((await ask(['people', 'password', 'bob'], 'a third long password\n')).code).toBe(0)
    expect((await signIn('bob', 'a third long password')).status).toBe(303)
    const listed = await ask(['people', 'list'])
    expect(listed.stdout).toMatch(/^alice {2}admin {5}since .*\nbob {4}operator {2}since .*\n$/)
    expect((await ask(['people', 'remove', 'bob'])).code).toBe(0)
    const json = JSON.parse((await ask(['people', 'list', '--json'])).stdout) as { name: string }[]
    expect(json.map(({ name }) => name)).toEqual(['alice'])
  })

  it.each<[string, string[], string, RegExp]>([
    ['a short password', ['people', 'add', 'carol', '--role', 'viewer'], 'short\n', /at least 12 characters/],
    ['no password', ['people', 'add', 'carol', '--role', 'viewer'], '', /no password/],
    ['no such role', ['people', 'add', 'carol', '--role', 'root'], 'correct horse battery', /viewer, operator, admin/],
    [
      'a name of a terminal',
      ['people', 'add', '\u001b[31mx', '--role', 'viewer'],
      'correct horse battery',
      /lower-case/,
    ],
    ['somebody who is there', ['people', 'add', 'alice', '--role', 'viewer'], 'correct horse battery', /already/],
    ['nobody', ['people', 'role', 'zed', 'admin'], '', /nobody of the name zed/],
    ['hidden characters', ['people', 'role', '\u001b[31mx\u202e', 'admin'], '', /an invisible character/],
    ['the only admin', ['people', 'remove', 'alice'], '', /only admin/],
  ])('say what is wrong: %s', async (_, argv, input, wrong) => {
    const { code, stdout, stderr } = await ask(argv, input)
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringMatching(wrong)])
    expect(stderr).not.toMatch(/[\u001b\u202e]/)
  })

  it('make a link that signs in once', async () => {
    const { stdout } = await ask(['people', 'link', '--path', '/fleet'])
    const opened = await fetch(stdout.trim(), { redirect: 'manual' })
    expect([opened.status, opened.headers.get('location')]).toEqual([303, '/fleet'])
    expect((await fetch(stdout.trim(), { redirect: 'manual' })).status).toBe(403)
  })
})

describe('API tokens by the command line', () => {
  it('are printed once, do what their role may, and are revoked', async () => {
    const made = await ask([
      'api-token',
      'create',
      '--role',
      'viewer',
      '--title',
      '\u001b[31mdash=board',
      '--days',
      '30',
    ])
    expect(made.stdout).toMatch(/^bfa1_[\w-]{43}\n$/)
    const file = join(store, 'viewer.token')
    writeFileSync(file, made.stdout, { mode: 0o600 })
    const plan = join(store, 'plan.yaml')
    writeFileSync(plan, 'name: x\nworkloads:\n  - reduce.sum: { dtype: f32, n: 8 }\nfactors: { backend: [js] }\n')
    const run = await ask(['run', plan, '--token-file', file])
    expect([run.code, run.stderr]).toEqual([2, expect.stringContaining('needs the role operator')])
    const listed = await ask(['api-token', 'list'])
    expect(listed.stdout).toMatch(/^t-[0-9a-f]{12} {2}viewer {4}\(a service\) .* until .* ␛\[31mdash=board\n$/)
    const id = listed.stdout.slice(0, 14)
    expect((await ask(['api-token', 'revoke', id])).code).toBe(0)
    expect((await ask(['run', plan, '--token-file', file])).stderr).toContain('was revoked')
    expect((await ask(['api-token', 'revoke', id])).code).toBe(2)
  })

  it('and people stand in the audit, and no secret does', async () => {
    const { stdout } = await ask(['audit'])
    for (const deed of [
      /api +added alice as admin/,
      /person:alice +signed in by password from 127\.0\.0\.1/,
      /coordinator +refused to sign in "alice"/,
      /api +removed bob/,
      /api +made API token t-.*viewer, "␛\[31mdash=board", until/,
      /api +revoked API token t-/,
    ]) {
      expect(stdout).toMatch(deed)
    }
    const journal = readFileSync(join(store, 'journal', 'journal.jsonl'), 'utf8')
    expect(journal).not.toMatch(/correct horse|third long|bfa1_/)
    expect((await ask(['fsck'])).code).toBe(0)
  })
})

const script = spawnSync('script', ['--version']).status === 0

it.skipIf(!script)('a password typed on a terminal is not shown', async () => {
  const main = resolve(import.meta.dirname, '../../dist/main.js')
  const command = `${process.execPath} ${main} people add dora --role viewer --store ${store}`
  const terminal = spawn('script', ['-qec', command, '/dev/null'])
  let shown = ''
  terminal.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()))
  for (const prompt of ['Password for dora: ', 'Again: ']) {
    await until(prompt, () => shown.includes(prompt))
    terminal.stdin.write('typed on a terminal\r')
  }
  await until('the end', () => terminal.exitCode !== null)
  expect(shown).toContain('dora may sign in')
  expect(shown).not.toContain('typed on')
})
