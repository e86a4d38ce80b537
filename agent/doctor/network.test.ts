import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startProxy } from '../../test/proxies.ts'
import { agentEndpoint } from '../../shared/messages.ts'
import { createNetwork } from '../../shared/network/network.ts'
import { createWebSocketServer } from '../../shared/transports/websocket.ts'
import { checkCoordinator, judgeCertificate, judgeClock } from './network.ts'

describe('judgeClock', () => {
  const at = Date.parse('2026-03-01T12:00:00Z')
  const date = (ms: number) => new Date(ms).toUTCString()
  it.each([
    [date(at), at, at + 200, 'ok', /with the coordinator/],
    // The answer took a minute: nothing is known of the seconds.
    [date(at + 40_000), at, at + 60_000, 'ok', /to 30\.5 s/],
    [date(at + 10_000), at, at + 200, 'ok', /10 s behind/],
    [date(at + 3_600_000), at, at + 200, 'warn', /3600 s behind/],
    [date(at - 3_600_000), at, at + 200, 'warn', /3600 s ahead of/],
    [undefined, at, at + 200, 'warn', /no date/],
    ['yesterday', at, at + 200, 'warn', /no date/],
  ])('of %s', (said, before, after, status, fact) => {
    expect(judgeClock(said, before, after)).toMatchObject({ status, fact: expect.stringMatching(fact) })
  })
})

describe('judgeCertificate', () => {
  it('warns before it expires', () => {
    const now = Date.parse('2026-03-01T12:00:00Z')
    expect(judgeCertificate('TLSv1.3', 'Apr 1 00:00:00 2026 GMT', now).status).toBe('ok')
    expect(judgeCertificate('TLSv1.3', 'Mar 4 12:00:00 2026 GMT', now)).toMatchObject({
      status: 'warn',
      fact: 'TLSv1.3, certificate good until Mar 4 12:00:00 2026 GMT, 3 days from now',
    })
  })
})

describe('checkCoordinator', () => {
  let noTls: Server
  let port: number
  beforeAll(async () => {
    noTls = createServer((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end('this is no TLS\r\n'),
    )
    await new Promise<void>((resolve) => noTls.listen(0, '127.0.0.1', resolve))
    port = (noTls.address() as AddressInfo).port
  })
  afterAll(() => new Promise((resolve) => noTls.close(resolve)))
  const opened: (() => void)[] = []
  afterEach(() => {
    for (const close of opened.splice(0)) close()
  })

  const outline = async (address: string, network = createNetwork()) =>
    (await checkCoordinator(address, network)).map(({ name, status }) => `${name} ${status}`)

  async function coordinator(prefix = '') {
    const server = createHttpServer((_, response) => response.writeHead(401).end())
    const lines = createWebSocketServer()
    lines.attach(server, prefix + agentEndpoint, () => {})
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    opened.push(() => server.close(), lines.close)
    return (server.address() as AddressInfo).port
  }
  const whole = ['proxy ok', 'name ok', 'reach ok', 'clock offset ok', 'line ok']

  it('opens a line as an agent would', async () => {
    expect(await outline(`http://127.0.0.1:${await coordinator()}`)).toEqual(whole)
    expect(await outline(`http://127.0.0.1:${await coordinator('/bitfleet')}/bitfleet/`)).toEqual(whole)
  })

  it('goes through the proxy that agents would go through', async () => {
    const proxy = await startProxy()
    opened.push(() => proxy.close())
    const httpProxy = { variable: 'HTTP_PROXY', value: `http://me:hunter2@127.0.0.1:${proxy.port}` }
    const checks = await checkCoordinator(`http://lab.test:${await coordinator()}`, createNetwork({ httpProxy }))
    expect(checks.map(({ name, status }) => `${name} ${status}`)).toEqual(whole)
    expect(checks[0]?.fact).toBe(`127.0.0.1:${proxy.port} is asked for lab.test`)
    expect(JSON.stringify(checks)).not.toContain('hunter2')
    const refusing = await startProxy({ refuses: 403 })
    opened.push(() => refusing.close())
    const closed = createNetwork({ httpProxy: { ...httpProxy, value: `127.0.0.1:${refusing.port}` } })
    expect(await outline('http://lab.test', closed)).toEqual(['proxy ok', 'name ok', 'reach fail'])
  })

  it('finds where WebSocket does not come through', async () => {
    const server = createHttpServer((_, response) => response.writeHead(200).end())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    opened.push(() => server.close())
    expect(await outline(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)).toEqual([
      ...whole.slice(0, -1),
      'line fail',
    ])
  })

  it('finds that it does not speak TLS, and says what to do', async () => {
    const checks = await checkCoordinator(`https://127.0.0.1:${port}`, createNetwork())
    expect(checks.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'proxy ok',
      'name ok',
      'reach ok',
      'TLS fail',
    ])
    expect(checks.at(-1)).toEqual({
      ...{ name: 'TLS', status: 'fail', fact: `127.0.0.1:${port} answers without TLS` },
      remedy: 'give its address with http://, or have it serve TLS',
    })
  })

  it('goes no further than what stands', async () => {
    expect(await outline('https://127.0.0.1:1')).toEqual(['proxy ok', 'name ok', 'reach fail'])
    expect(await outline('https://coordinator.invalid')).toEqual(['proxy ok', 'name fail'])
    expect(await outline('nonsense')).toEqual(['coordinator fail'])
    expect(await outline('ftp://coordinator.lab')).toEqual(['coordinator fail'])
  })
})
