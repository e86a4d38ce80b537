import { lookup } from 'node:dns/promises'
import { request } from 'node:http'
import { isIP, type Socket } from 'node:net'
import { isBitfleetError, messageOf } from '../../shared/errors.ts'
import { agentEndpoint } from '../../shared/messages.ts'
import { below, hostAndPort, parseAddress, type Target, targetOf } from '../../shared/network/address.ts'
import { openTcp, openTunnel, startTls } from '../../shared/network/connect.ts'
import { explainHangUp, type Network } from '../../shared/network/network.ts'
import type { Proxy } from '../../shared/network/proxy.ts'
import { connectWebSocket } from '../../shared/transports/websocket.ts'
import { type Check, fail, ok, warn } from './check.ts'

const answerMs = 10_000
const renewDays = 14
/** Clocks this far apart make certificates and one-time tokens look expired, or not yet valid. */
const farClocksMs = 30_000

/**
 * Proxy, name, reach, certificate and clock of a coordinator, and a line as an agent's; each only where the one before
 * stood, on the way that an agent takes.
 */
export async function checkCoordinator(address: string, network: Network): Promise<Check[]> {
  let url: URL
  try {
    url = parseAddress(address)
  } catch (error) {
    return [problem('coordinator', error)]
  }
  const checks: Check[] = []
  let stands = true
  const check = async (work: () => Promise<Check> | Check) => {
    if (!stands) return
    const done = await work()
    checks.push(done)
    stands = done.status !== 'fail'
  }
  const target = targetOf(url)
  const proxy = network.proxyFor(target)
  let socket: Socket | undefined
  await check(() => ok('proxy', proxy === undefined ? 'none on the way' : `${proxy.title} is asked for ${target.host}`))
  await check(() => checkName(proxy ?? target))
  await check(async () => {
    const reached = await checkReach(target, proxy, network)
    socket = reached.socket
    return reached.check
  })
  if (target.secure) {
    await check(async () => {
      const secured = await checkTls(socket as Socket, target, network)
      socket = secured.socket
      return secured.check
    })
  }
  await check(() => checkAnswer(socket as Socket, url, network))
  socket?.destroy()
  await check(() => checkLine(url, network))
  return checks
}

async function checkName({ host }: Target): Promise<Check> {
  if (isIP(host) !== 0) return ok('name', `${host} is an address`)
  try {
    const { address } = await inTime(lookup(host))
    return ok('name', `${host} is ${address}`)
  } catch (error) {
    return fail(
      'name',
      `${host} does not resolve (${messageOf(error)})`,
      'see to DNS or /etc/hosts, or give an address',
    )
  }
}

interface Reached {
  readonly check: Check
  readonly socket?: Socket
}

async function checkReach(target: Target, proxy: Proxy | undefined, network: Network): Promise<Reached> {
  const where = hostAndPort(target)
  try {
    if (proxy === undefined) return { socket: await openTcp(target), check: ok('reach', `${where} answers`) }
    const socket = await openTunnel(proxy, target, () => network.secureContext())
    return { socket, check: ok('reach', `${proxy.title} passes on to ${where}`) }
  } catch (error) {
    return { check: problem('reach', error) }
  }
}

async function checkTls(raw: Socket, target: Target, network: Network): Promise<Reached> {
  try {
    const socket = await startTls(raw, target, network.secureContext())
    return { socket, check: judgeCertificate(socket.getProtocol(), socket.getPeerCertificate().valid_to, Date.now()) }
  } catch (error) {
    return { check: problem('TLS', error) }
  }
}

export function judgeCertificate(protocol: string | null, validTo: string, now: number): Check {
  const leftDays = (Date.parse(validTo) - now) / 86_400_000
  const fact = `${protocol ?? 'TLS'}, certificate good until ${validTo}`
  if (leftDays >= renewDays) return ok('TLS', fact)
  return warn('TLS', `${fact}, ${Math.floor(leftDays)} days from now`, 'have it renewed before agents lose their lines')
}

/** Whether HTTP answers, and what its clock says. Any answer has a date; which one it is, the line tells. */
async function checkAnswer(socket: Socket, url: URL, network: Network): Promise<Check> {
  const before = Date.now()
  try {
    const date = await inTime(askDate(socket, below(url, '/api/health')))
    return judgeClock(date, before, Date.now())
  } catch (error) {
    return problem('clock offset', (await explainHangUp(network, url, error)) ?? error)
  }
}

function askDate(socket: Socket, url: URL): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    request({ path: url.pathname, headers: { Host: url.host, Connection: 'close' }, createConnection: () => socket })
      .once('response', (response) => {
        response.resume()
        resolve(response.headers.date)
      })
      .once('error', reject)
      .end()
  })
}

/** @param date the answer's `Date`, of whole seconds. @param before,after when it was asked for and came, ms */
export function judgeClock(date: string | undefined, before: number, after: number): Check {
  const theirs = Date.parse(date ?? '')
  if (Number.isNaN(theirs)) {
    return warn('clock offset', 'the coordinator’s answer has no date', 'compare `date -u` on both machines')
  }
  // Between the cut of its seconds and the time its answer took, this much is not known.
  const offsetMs = theirs + 500 - (before + after) / 2
  const unsureMs = 500 + (after - before) / 2
  const seconds = (Math.abs(offsetMs) / 1000).toFixed(0)
  if (Math.abs(offsetMs) <= unsureMs)
    return ok('clock offset', `with the coordinator’s, to ${(unsureMs / 1000).toFixed(1)} s`)
  const fact = `${seconds} s ${offsetMs > 0 ? 'behind' : 'ahead of'} the coordinator’s`
  if (Math.abs(offsetMs) < farClocksMs) return ok('clock offset', fact)
  return warn('clock offset', fact, 'let NTP set both: certificates and tokens have dates')
}

/** An agent's line, opened and closed: whatever stands between must let WebSocket through. */
async function checkLine(url: URL, network: Network): Promise<Check> {
  try {
    const line = await connectWebSocket(below(url, agentEndpoint).href, { network })
    line.close('bitfleet doctor looked whether it opens')
    await line.closed
    return ok('line', 'a WebSocket opens')
  } catch (error) {
    return problem('line', error)
  }
}

/** What our own errors say ends with what to do, after a semicolon. */
function problem(name: string, error: unknown): Check {
  const text = messageOf(error)
  const cut = isBitfleetError(error) ? text.lastIndexOf('; ') : -1
  if (cut === -1) return fail(name, text, 'see to the network between this machine and the coordinator')
  return fail(name, text.slice(0, cut), text.slice(cut + 2))
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${answerMs / 1000} s`)), answerMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
