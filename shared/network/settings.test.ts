import { describe, expect, it } from 'vitest'
import { isLoopback, parseAddress, targetOf } from './address.ts'
import { createNetwork } from './network.ts'
import { parseProxy } from './proxy.ts'
import { readNetworkSettings, withAuthority } from './settings.ts'

describe('readNetworkSettings', () => {
  const proxies = (environment: Record<string, string>) => {
    const { httpProxy, httpsProxy } = readNetworkSettings(environment)
    return [httpProxy?.value, httpsProxy?.value]
  }

  it.each([
    [{}, [undefined, undefined]],
    [{ HTTPS_PROXY: 'http://a' }, [undefined, 'http://a']],
    [{ http_proxy: 'http://a', HTTPS_PROXY: 'http://b' }, ['http://a', 'http://b']],
    [{ https_proxy: 'http://a', HTTPS_PROXY: 'http://b' }, [undefined, 'http://a']],
    [{ https_proxy: '', HTTPS_PROXY: 'http://b' }, [undefined, undefined]],
    [{ ALL_PROXY: 'http://a', HTTPS_PROXY: 'http://b' }, ['http://a', 'http://b']],
    [{ all_proxy: 'http://a' }, ['http://a', 'http://a']],
  ])('reads %o', (environment, expected) => {
    expect(proxies(environment as Record<string, string>)).toEqual(expected)
  })

  it('takes a person’s authority over the environment’s', () => {
    const settings = readNetworkSettings({ BITFLEET_CA_FILE: '/lab.pem', SSL_CERT_FILE: '', no_proxy: 'a' })
    expect(settings).toEqual({ caFile: '/lab.pem', noProxy: 'a' })
    expect(withAuthority(settings, '/other.pem').caFile).toBe('/other.pem')
    expect(withAuthority(settings, undefined).caFile).toBe('/lab.pem')
  })
})

describe('parseProxy', () => {
  it('keeps credentials apart from what messages show', () => {
    const proxy = parseProxy('http://me%40lab:p%25ss%3A@proxy.lab:3128/', 'HTTPS_PROXY')
    expect(proxy).toEqual({
      ...{ host: 'proxy.lab', port: 3128, secure: false, title: 'proxy.lab:3128' },
      authorization: `Basic ${Buffer.from('me@lab:p%ss:').toString('base64')}`,
    })
  })

  it.each([
    ['proxy.lab:3128', { host: 'proxy.lab', port: 3128, secure: false }],
    ['https://proxy.lab', { host: 'proxy.lab', port: 443, secure: true }],
    ['http://[::1]:8080', { host: '::1', port: 8080, title: '[::1]:8080' }],
  ])('reads %s', (value, proxy) => {
    expect(parseProxy(value, 'HTTP_PROXY')).toMatchObject(proxy)
  })

  it.each(['socks5://me:hunter2@proxy.lab', 'http://me:hunter2@', 'http://me:%hunter2@proxy.lab'])(
    'refuses %s without repeating it',
    (value) => {
      expect(() => parseProxy(value, 'ALL_PROXY')).toThrow(
        expect.objectContaining({ code: 'usage', message: expect.stringMatching(/^(?!.*hunter2).*ALL_PROXY/) }),
      )
    },
  )
})

describe('proxyFor', () => {
  const network = (environment: Record<string, string>) => createNetwork(readNetworkSettings(environment))
  const titleFor = (environment: Record<string, string>, address: string) =>
    network(environment).proxyFor(targetOf(new URL(address)))?.title

  it('goes by the scheme, and never for this machine', () => {
    const environment = { HTTP_PROXY: 'http://plain:1', HTTPS_PROXY: 'http://secure:2' }
    expect(titleFor(environment, 'http://lab.example')).toBe('plain:1')
    expect(titleFor(environment, 'wss://lab.example')).toBe('secure:2')
    for (const host of ['localhost', '127.0.0.1', '127.8.0.1', '[::1]', 'a.localhost', '[::ffff:127.0.0.1]']) {
      expect([host, titleFor(environment, `https://${host}`)]).toEqual([host, undefined])
    }
  })

  it.each([
    ['lab.example', 'https://lab.example', true],
    ['lab.example', 'https://a.lab.example', true],
    ['lab.example', 'https://notlab.example', false],
    ['.lab.example', 'https://a.lab.example', true],
    ['.lab.example', 'https://lab.example', true],
    ['*.lab.example', 'https://a.lab.example', true],
    ['LAB.example', 'https://lab.EXAMPLE', true],
    ['other, lab.example', 'https://lab.example', true],
    ['other lab.example', 'https://lab.example', true],
    ['*', 'https://lab.example', true],
    ['', 'https://lab.example', false],
    ['.', 'https://lab.example', false],
    ['lab.example:7575', 'https://lab.example:7575', true],
    ['lab.example:7575', 'https://lab.example', false],
    ['lab.example:443', 'https://lab.example', true],
    ['10.1.2.3', 'https://10.1.2.3:7575', true],
    ['10.1.2.3', 'https://10.1.2.4:7575', false],
    ['10.0.0.0/8', 'https://10.200.2.4:7575', true],
    ['10.0.0.0/8', 'https://11.0.0.1', false],
    ['10.0.0.0/33', 'https://10.0.0.1', false],
    ['10.0.0.0/8', 'https://ten.lab.example', false],
    ['fd00::/8', 'https://[fd00::1]:7575', true],
    ['[fd00::1]:7575', 'https://[fd00::1]:7575', true],
    ['[fd00::1]:7575', 'https://[fd00::1]:7576', false],
    ['fd00::1', 'https://[fd00:0::1]', true],
  ])('NO_PROXY=%s exempts %s: %s', (noProxy, address, exempt) => {
    const environment = { HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: noProxy }
    expect(titleFor(environment, address) === undefined).toBe(exempt)
  })
})

describe('addresses', () => {
  it('know this machine', () => {
    expect(['localhost', 'LOCALHOST.', '127.0.0.1', '::1', '::ffff:127.0.0.1'].every(isLoopback)).toBe(true)
    expect(['local', '128.0.0.1', '::2', 'localhost.lab', '127.evil.example'].some(isLoopback)).toBe(false)
  })

  it('of coordinators hold no password', () => {
    expect(parseAddress('https://lab.example/bitfleet').pathname).toBe('/bitfleet')
    for (const text of ['https://me:hunter2@lab.example', 'https://hunter2@lab.example']) {
      expect(() => parseAddress(text)).toThrow(
        expect.objectContaining({ message: expect.not.stringMatching('hunter2') }),
      )
    }
    for (const text of ['lab.example', 'ftp://lab.example', '']) {
      expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'usage' }))
    }
  })
})
