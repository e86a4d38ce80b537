import { lookup } from 'node:dns/promises'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { messageOf } from '../../shared/errors.ts'
import { type Check, fail, ok, warn } from './check.ts'

const timeoutMs = 5_000

/** Where a coordinator's address points. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly secure: boolean
}

/** @returns why it is no address where it is none. */
export function parseTarget(address: string): Target | { readonly invalid: string } {
  if (!URL.canParse(address)) return { invalid: `"${address}" is no address` }
  const { protocol, hostname, port } = new URL(address)
  const secure = protocol === 'https:' || protocol === 'wss:'
  if (!secure && protocol !== 'http:' && protocol !== 'ws:')
    return { invalid: `"${address}" is neither http nor https` }
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? (secure ? 443 : 80) : Number(port), secure }
}

/** Name, reach and certificate of a coordinator; each only where the one before stood. */
export async function checkCoordinator(
  address: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Check[]> {
  const target = parseTarget(address)
  if ('invalid' in target) return [fail('coordinator', target.invalid, 'give one such as https://coordinator.lab:7575')]
  const checks = [judgeProxy(target, environment)]
  const name = await checkName(target)
  checks.push(name)
  if (name.status === 'fail') return checks
  const reach = await checkReach(target)
  checks.push(reach)
  if (reach.status !== 'fail' && target.secure) checks.push(await checkTls(target))
  return checks
}

/** Agents go straight to the coordinator: a proxy that is meant for all connections must let them. */
export function judgeProxy(target: Target, environment: Readonly<Record<string, string | undefined>>): Check {
  const names = target.secure ? ['HTTPS_PROXY', 'https_proxy'] : ['HTTP_PROXY', 'http_proxy']
  const set = [...names, 'ALL_PROXY', 'all_proxy'].find((name) => (environment[name] ?? '') !== '')
  if (set === undefined) return ok('proxy', 'none set')
  const exempt = (environment.NO_PROXY ?? environment.no_proxy ?? '')
    .split(',')
    .map((entry) => entry.trim().replace(/^\*?\./, ''))
    .some((entry) => entry !== '' && (entry === '*' || target.host === entry || target.host.endsWith(`.${entry}`)))
  if (exempt) return ok('proxy', `${set} is set, NO_PROXY exempts ${target.host}`)
  return warn(
    'proxy',
    `${set} is set and would be passed by`,
    `agents connect straight to ${target.host}: the network must allow it`,
  )
}

async function checkName({ host }: Target): Promise<Check> {
  try {
    const { address } = await bounded(lookup(host), 'no answer')
    return ok('name', address === host ? host : `${host} is ${address}`)
  } catch (error) {
    return fail(
      'name',
      `${host} does not resolve (${messageOf(error)})`,
      'see to DNS or /etc/hosts, or give an address',
    )
  }
}

async function checkReach({ host, port }: Target): Promise<Check> {
  const socket = connectTcp({ host, port })
  try {
    await bounded(new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject)), 'no answer')
    return ok('reach', `${host} port ${port} answers`)
  } catch (error) {
    return fail(
      'reach',
      `${host} port ${port}: ${messageOf(error)}`,
      'start the coordinator, or let the firewall pass the port',
    )
  } finally {
    socket.destroy()
  }
}

async function checkTls({ host, port }: Target): Promise<Check> {
  const socket = connectTls({ host, port, servername: host, rejectUnauthorized: true })
  try {
    await bounded(
      new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject)),
      'no handshake',
    )
    const { valid_to: until } = socket.getPeerCertificate()
    return ok('TLS', `${socket.getProtocol()}, certificate good until ${until}`)
  } catch (error) {
    return fail('TLS', messageOf(error), "name the lab's own authority by NODE_EXTRA_CA_CERTS, and see to the clock")
  } finally {
    socket.destroy()
  }
}

/** @throws what the work throws, or an error that says `late` after five seconds. */
async function bounded<T>(work: Promise<T>, late: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${late} within ${timeoutMs / 1000} s`)), timeoutMs)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
