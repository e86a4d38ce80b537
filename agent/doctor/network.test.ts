import { createServer, type Server } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkCoordinator, judgeProxy, parseTarget } from './network.ts'

describe('parseTarget', () => {
  it.each([
    ['http://coordinator.lab:7575', { host: 'coordinator.lab', port: 7575, secure: false }],
    ['wss://coordinator.lab/bitfleet', { host: 'coordinator.lab', port: 443, secure: true }],
    ['http://[::1]:8080/', { host: '::1', port: 8080, secure: false }],
  ])('reads %s', (address, target) => {
    expect(parseTarget(address)).toEqual(target)
  })

  it.each(['coordinator', 'ftp://coordinator.lab', ''])('refuses %s', (address) => {
    expect(parseTarget(address)).toHaveProperty('invalid')
  })
})

describe('judgeProxy', () => {
  const target = { host: 'coordinator.lab', port: 443, secure: true }
  it.each([
    [{}, 'ok'],
    [{ HTTPS_PROXY: 'http://proxy:3128' }, 'warn'],
    [{ https_proxy: 'http://proxy:3128', NO_PROXY: 'localhost,.lab' }, 'ok'],
    [{ HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: '*' }, 'ok'],
    [{ HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: 'notcoordinator.lab' }, 'warn'],
    [{ HTTP_PROXY: 'http://proxy:3128' }, 'ok'],
  ])('of %o', (environment, status) => {
    expect(judgeProxy(target, environment).status).toBe(status)
  })
})

describe('checkCoordinator', () => {
  let server: Server
  let port: number
  beforeAll(async () => {
    server = createServer((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end('this is no TLS\r\n'),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => new Promise((resolve) => server.close(resolve)))

  const outline = async (address: string) =>
    (await checkCoordinator(address, {})).map(({ name, status }) => `${name} ${status}`)

  it('reaches one that listens', async () => {
    expect(await outline(`http://127.0.0.1:${port}`)).toEqual(['proxy ok', 'name ok', 'reach ok'])
  })

  it('finds that it does not speak TLS', async () => {
    expect(await outline(`https://127.0.0.1:${port}`)).toEqual(['proxy ok', 'name ok', 'reach ok', 'TLS fail'])
  })

  it('goes no further than what stands', async () => {
    expect(await outline('https://127.0.0.1:1')).toEqual(['proxy ok', 'name ok', 'reach fail'])
    expect(await outline('https://coordinator.invalid')).toEqual(['proxy ok', 'name fail'])
    expect(await outline('nonsense')).toEqual(['coordinator fail'])
  })
})
