import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { createClientReader } from './client-address.ts'

async function read(proxies: readonly string[], socket: object, headers: Record<string, string> = {}) {
  const readClient = createClientReader(proxies)
  const app = new Hono()
  app.get('/', (c) => c.json(readClient(c)))
  return (await app.request('/', { headers }, { incoming: { socket } })).json()
}
const forwarded = (chain: string, proto = 'https') => ({ 'X-Forwarded-For': chain, 'X-Forwarded-Proto': proto })

describe('where a request comes from', () => {
  it('is the connection, whatever a stranger says', async () => {
    expect(await read([], { remoteAddress: '203.0.113.9' }, forwarded('1.1.1.1'))).toEqual({
      ...{ address: '203.0.113.9', secure: false },
    })
    expect(await read([], { remoteAddress: '::ffff:203.0.113.9', encrypted: true })).toEqual({
      ...{ address: '203.0.113.9', secure: true },
    })
    expect(await read(['0.0.0.0/0'], {}, forwarded('1.1.1.1'))).toEqual({ address: 'unknown', secure: false })
  })

  it('is what our proxies say, up to the first that is none of ours', async () => {
    const proxies = ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1']
    const from = async (remoteAddress: string, headers: Record<string, string>) =>
      read(proxies, { remoteAddress }, headers)
    expect(await from('10.1.2.3', forwarded('1.1.1.1, 203.0.113.7, 10.9.9.9'))).toEqual({
      ...{ address: '203.0.113.7', secure: true },
    })
    expect(await from('2001:db8:1::1', forwarded('2001:4860::1', 'http, https'))).toMatchObject({ secure: true })
    expect(await from('192.0.2.1', forwarded('1.1.1.1', 'https, http'))).toEqual({ address: '1.1.1.1', secure: false })
    expect(await from('192.0.2.2', forwarded('1.1.1.1'))).toEqual({ address: '192.0.2.2', secure: false })
    for (const chain of ['', 'nonsense', '10.0.0.5, nonsense']) {
      expect(await from('10.1.2.3', forwarded(chain))).toMatchObject({ address: '10.1.2.3' })
    }
  })

  it.each(['proxy.example', '10.0.0.0/33', '10.0.0.0/x', '10.0.0.0/8/8', '2001:db8::/129', ''])(
    'is not to be told by "%s"',
    (proxy) => {
      expect(() => createClientReader([proxy])).toThrow(expect.objectContaining({ code: 'usage' }))
    },
  )
})
