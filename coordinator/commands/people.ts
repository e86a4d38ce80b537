import { z } from 'zod'
import { BitfleetError } from '../../shared/errors.ts'
import { connectCoordinator } from '../client/client.ts'
import { createPeopleClient, type ListedPerson } from '../client/people.ts'
import { type Role, roles } from '../people/index.ts'
import { visibleLine } from '../../shared/visible.ts'
import { connectionOptions, type RunOptions } from './find-report.ts'
import { readPassword } from './read-password.ts'

export interface PeopleOptions extends RunOptions {
  readonly json?: boolean
}

const connect = async (options: RunOptions) => createPeopleClient(await connectCoordinator(connectionOptions(options)))

/** `bitfleet people add NAME --role ROLE`: the password comes from standard input, or is asked on a terminal. */
export async function peopleAdd(name: string, { role, ...options }: PeopleOptions & { role: string }): Promise<number> {
  const wanted = parseRole(role)
  const people = await connect(options)
  const person = await people.add(name, wanted, await readPassword(`Password for ${visibleLine(name)}`))
  say(options, person, `${person.name} may sign in at ${people.url} as ${person.role}\n`)
  return 0
}

/** `bitfleet people list` */
export async function peopleList(options: PeopleOptions): Promise<number> {
  const list = await (await connect(options)).list()
  say(options, list, table(list))
  if (!options.json && !list.some(({ role }) => role === 'admin')) {
    process.stderr.write('There is no admin; `bitfleet people add NAME --role admin` makes one\n')
  }
  return 0
}

/** `bitfleet people role NAME ROLE` */
export async function peopleRole(name: string, role: string, options: PeopleOptions): Promise<number> {
  const wanted = parseRole(role)
  const person = await (await connect(options)).change(name, { role: wanted })
  say(options, person, `${person.name} is ${person.role}\n`)
  return 0
}

/** `bitfleet people password NAME` */
export async function peoplePassword(name: string, options: PeopleOptions): Promise<number> {
  const people = await connect(options)
  const password = await readPassword(`New password for ${visibleLine(name)}`)
  const person = await people.change(name, { password })
  say(options, person, `${person.name} has another password, and is signed out everywhere\n`)
  return 0
}

/** `bitfleet people remove NAME` */
export async function peopleRemove(name: string, options: PeopleOptions): Promise<number> {
  await (await connect(options)).remove(name)
  say(options, { removed: name }, `${visibleLine(name)} is removed, with sessions and API tokens\n`)
  return 0
}

/** `bitfleet people link`: an address that signs in whoever opens it first, as whoever holds the token. */
export async function peopleLink(options: PeopleOptions & { path: string }): Promise<number> {
  const { url, expiresAt } = await (await connect(options)).createLink(options.path)
  say(options, { url, expiresAt }, `${url}\n`)
  if (!options.json) process.stderr.write(`It works once, until ${expiresAt}\n`)
  return 0
}

export interface ApiTokenCreateOptions extends PeopleOptions {
  readonly role: string
  readonly title: string
  readonly person?: string
  readonly days?: number
}

/** `bitfleet api-token create`: the token goes to standard output, this once. */
export async function apiTokenCreate(options: ApiTokenCreateOptions): Promise<number> {
  const { title, person, days } = options
  const role = parseRole(options.role)
  const expiresAt = days === undefined ? undefined : new Date(Date.now() + days * 86_400_000).toISOString()
  const created = await (await connect(options)).createToken({ role, title, person, expiresAt })
  say(options, created, `${created.token}\n`)
  if (!options.json) {
    process.stderr.write(
      `API token ${created.id}, ${created.role}; it is shown this once. Keep it in a file that its user alone can read\n`,
    )
  }
  return 0
}

/** `bitfleet api-token list` */
export async function apiTokenList(options: PeopleOptions): Promise<number> {
  const tokens = await (await connect(options)).tokens()
  say(
    options,
    tokens,
    tokens
      .map(({ id, role, person, title, expiresAt }) => {
        const until = expiresAt === undefined ? 'without end' : `until ${expiresAt}`
        return `${id}  ${role.padEnd(8)}  ${(person ?? '(a service)').padEnd(16)}  ${until}  ${visibleLine(title)}\n`
      })
      .join(''),
  )
  return 0
}

/** `bitfleet api-token revoke ID` */
export async function apiTokenRevoke(id: string, options: PeopleOptions): Promise<number> {
  await (await connect(options)).revokeToken(id)
  say(options, { revoked: id }, `${visibleLine(id)} is revoked\n`)
  return 0
}

function say(options: PeopleOptions, value: unknown, text: string): void {
  process.stdout.write(options.json ? `${JSON.stringify(value)}\n` : text)
}

function table(list: readonly ListedPerson[]): string {
  const width = Math.max(0, ...list.map(({ name }) => name.length))
  return list
    .map(({ name, role, createdAt }) => `${visibleLine(name).padEnd(width)}  ${role.padEnd(8)}  since ${createdAt}\n`)
    .join('')
}

function parseRole(text: string): Role {
  const role = z.enum(roles).safeParse(text).data
  if (role) return role
  throw new BitfleetError('usage', `"${visibleLine(text)}" is no role; there are ${roles.join(', ')}`)
}
