import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type CertificateFiles, lacksOpenssl, makeAuthority, makeCertificate } from '../../test/certificates.ts'
import { startProxy } from '../../test/proxies.ts'
import { createWebSocketServer, connectWebSocket } from '../transports/websocket.ts'
import { createNetwork, createPinnedNetwork, type Network } from './network.ts'
import type { NetworkSettings } from './settings.ts'

const skip = lacksOpenssl('TLS and proxies')

describe.skipIf(skip)('reaching others', () => {
  let folder: string
  let lab: CertificateFiles
  let other: CertificateFiles
  let certificates: Record<'good' | 'expired' | 'named', CertificateFiles>
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'bitfleet-network-'))
    lab = makeAuthority(folder, 'lab-authority')
    other = makeAuthority(folder, 'other-authority')
    certificates = {
      good: makeCertificate(folder, lab, 'good', 'DNS:lab.test,IP:127.0.0.1'),
      expired: makeCertificate(folder, lab, 'expired', 'DNS:lab.test,IP:127.0.0.1', -1),
      named: makeCertificate(folder, lab, 'named', 'DNS:lab.test,DNS:other.lab.test'),
    }
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const opened: (() => void)[] = []
  afterEach(() => {
    for (const close of opened.splice(0).reverse()) close()
  })
  const listening = async (server: TcpServer) => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    opened.push(() => server.close())
    return (server.address() as AddressInfo).port
  }
  const pem = ({ cert, key }: CertificateFiles) => ({ cert: readFileSync(cert), key: readFileSync(key) })

  /** A server of lines, with TLS where it has a certificate. */
  const serve = async (certificate?: CertificateFiles) => {
    const server = certificate ? createSecureServer(pem(certificate)) : createServer()
    const lines = createWebSocketServer()
    lines.attach(server, '/line', (line) => void line.send({ hello: true }).catch(() => {}))
    const port = await listening(server)
    opened.push(() => lines.close())
    return port
  }
  const greeting = async (url: string, network: Network) => {
    const line = await connectWebSocket(url, { network })
    opened.push(() => line.close())
    for await (const { message } of line.frames) return message
  }
  const network = (settings: NetworkSettings = {}) => createNetwork(settings)
  const proxied = (port: number, settings: NetworkSettings = {}, credentials = '') => {
    const setting = { variable: 'HTTPS_PROXY', value: `http://${credentials}127.0.0.1:${port}` }
    return network({ httpProxy: setting, httpsProxy: setting, ...settings })
  }
  const problem = (message: RegExp) => ({ code: 'unavailable', message: expect.stringMatching(message) })

  describe('over TLS', () => {
    it('trusts the lab’s authority when it is told to', async () => {
      const port = await serve(certificates.good)
      expect(await greeting(`https://127.0.0.1:${port}/line`, network({ caFile: lab.cert }))).toEqual({ hello: true })
    })

    it('trusts what the system and NODE_EXTRA_CA_CERTS name besides', async () => {
      const port = await serve(certificates.good)
      for (const settings of [
        { systemCaFile: lab.cert, caFile: other.cert },
        { extraCaFile: lab.cert, caFile: other.cert },
        { systemCaFile: '/nowhere', extraCaFile: lab.cert },
      ]) {
        expect(await greeting(`https://127.0.0.1:${port}/line`, network(settings))).toEqual({ hello: true })
      }
    })

    it('reads the authority’s file again, and keeps the last that was good', async () => {
      const port = await serve(certificates.good)
      const caFile = join(folder, 'renewed.pem')
      writeFileSync(caFile, readFileSync(other.cert))
      const reaching = network({ caFile })
      await expect(greeting(`https://127.0.0.1:${port}/line`, reaching)).rejects.toMatchObject(problem(/does not know/))
      writeFileSync(caFile, Buffer.concat([readFileSync(other.cert), readFileSync(lab.cert)]))
      expect(await greeting(`https://127.0.0.1:${port}/line`, reaching)).toEqual({ hello: true })
      rmSync(caFile)
      expect(await greeting(`https://127.0.0.1:${port}/line`, reaching)).toEqual({ hello: true })
    })

    it('names an authority it does not know, and how to make it known', async () => {
      const port = await serve(certificates.good)
      const message = new RegExp(
        `certificate of 127\\.0\\.0\\.1:${port} is signed by "lab-authority", .*--ca FILE or BITFLEET_CA_FILE`,
      )
      await expect(greeting(`https://127.0.0.1:${port}/line`, network())).rejects.toMatchObject(problem(message))
      await expect(greeting(`https://127.0.0.1:${port}/line`, network({ caFile: other.cert }))).rejects.toMatchObject(
        problem(message),
      )
    })

    it('says when a certificate has expired, and until when it was good', async () => {
      const port = await serve(certificates.expired)
      await expect(greeting(`wss://127.0.0.1:${port}/line`, network({ caFile: lab.cert }))).rejects.toMatchObject(
        problem(/has expired \(it was good until .* GMT\); renew it/),
      )
    })

    it('says which names a certificate is for', async () => {
      const port = await serve(certificates.named)
      await expect(greeting(`https://127.0.0.1:${port}/line`, network({ caFile: lab.cert }))).rejects.toMatchObject(
        problem(/is for lab\.test, other\.lab\.test alone, not for 127\.0\.0\.1/),
      )
    })

    it('tells a port without TLS from one with', async () => {
      const [plain, secure] = [await serve(), await serve(certificates.good)]
      await expect(greeting(`https://127.0.0.1:${plain}/line`, network())).rejects.toMatchObject(
        problem(/answers without TLS; give its address with http:\/\//),
      )
      // Whether it is trusted or not.
      for (const settings of [{}, { caFile: lab.cert }]) {
        await expect(greeting(`http://127.0.0.1:${secure}/line`, network(settings))).rejects.toMatchObject(
          problem(/speaks TLS, and was spoken to without; give its address with https:\/\//),
        )
      }
    })

    it('refuses a file that holds no certificate', () => {
      const empty = join(folder, 'empty.pem')
      writeFileSync(empty, 'nothing')
      const broken = join(folder, 'broken.pem')
      writeFileSync(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
      for (const caFile of [empty, broken, join(folder, 'nowhere.pem')]) {
        expect(() => network({ caFile })).toThrow(expect.objectContaining({ code: 'usage' }))
      }
    })

    it('pins a certificate: that one alone, under its own names alone', async () => {
      const port = await serve(certificates.named)
      const pinned = (certificate: CertificateFiles) =>
        createPinnedNetwork(readFileSync(certificate.cert, 'utf8'), '127.0.0.1')
      expect(await greeting(`https://lab.test:${port}/line`, pinned(certificates.named))).toEqual({ hello: true })
      await expect(greeting(`https://127.0.0.1:${port}/line`, pinned(certificates.named))).rejects.toMatchObject(
        problem(/not for 127/),
      )
      // Of the same authority, and for the same name: not the one.
      await expect(greeting(`https://lab.test:${port}/line`, pinned(certificates.good))).rejects.toMatchObject(
        problem(/does not know/),
      )
    })
  })

  describe('through a proxy', () => {
    it.each([
      ['http', 'without TLS'],
      ['https', 'with TLS'],
    ])('asks it by CONNECT (%s)', async (scheme) => {
      const port = await serve(scheme === 'https' ? certificates.named : undefined)
      const proxy = await startProxy()
      opened.push(() => proxy.close())
      const reaching = proxied(proxy.port, { caFile: lab.cert })
      expect(await greeting(`${scheme}://lab.test:${port}/line`, reaching)).toEqual({ hello: true })
      expect(proxy.asked).toEqual([`lab.test:${port}`])
    })

    it('speaks TLS with the proxy itself where its address says so', async () => {
      const port = await serve(certificates.named)
      const proxy = await startProxy({
        tls: { cert: `${readFileSync(certificates.good.cert)}`, key: `${readFileSync(certificates.good.key)}` },
      })
      opened.push(() => proxy.close())
      const httpsProxy = { variable: 'HTTPS_PROXY', value: `https://127.0.0.1:${proxy.port}` }
      expect(await greeting(`https://lab.test:${port}/line`, network({ httpsProxy, caFile: lab.cert }))).toEqual({
        hello: true,
      })
      await expect(greeting(`https://lab.test:${port}/line`, network({ httpsProxy }))).rejects.toMatchObject(
        problem(/certificate of 127\.0\.0\.1:\d+ is signed by "lab-authority"/),
      )
    })

    it('gives it credentials, and nobody else', async () => {
      const port = await serve()
      const proxy = await startProxy({ credentials: 'me:hunter2' })
      opened.push(() => proxy.close())
      const url = `http://lab.test:${port}/line`
      expect(await greeting(url, proxied(proxy.port, {}, 'me:hunter2@'))).toEqual({ hello: true })
      await expect(greeting(url, proxied(proxy.port))).rejects.toMatchObject(
        problem(/wants credentials; set HTTPS_PROXY/),
      )
      const wrong = await greeting(url, proxied(proxy.port, {}, 'me:wrong2@')).catch((error: unknown) => error)
      expect(wrong).toMatchObject(problem(/does not take the credentials/))
      expect(JSON.stringify(wrong, ['message', 'stack', 'cause'])).not.toContain('wrong2')
    })

    it('says which proxy does not let it through, and what to do', async () => {
      const refusing = await startProxy({ refuses: 403 })
      const closed = await startProxy()
      closed.close()
      opened.push(() => refusing.close())
      await expect(greeting('https://lab.test/line', proxied(refusing.port))).rejects.toMatchObject(
        problem(new RegExp(`proxy 127\\.0\\.0\\.1:${refusing.port} answered 403 to CONNECT lab\\.test:443.*NO_PROXY`)),
      )
      await expect(greeting('https://lab.test/line', proxied(closed.port))).rejects.toMatchObject(
        problem(new RegExp(`127\\.0\\.0\\.1:${closed.port} cannot be reached: nobody listens`)),
      )
      // What listens there is no proxy.
      const port = await serve()
      await expect(greeting('https://lab.test/line', proxied(port))).rejects.toMatchObject(problem(/proxy 127/))
    })

    it('is not asked for this machine, nor for what is exempt', async () => {
      const port = await serve()
      const proxy = await startProxy({ refuses: 403 })
      opened.push(() => proxy.close())
      expect(await greeting(`http://127.0.0.1:${port}/line`, proxied(proxy.port))).toEqual({ hello: true })
      expect(await greeting(`http://localhost:${port}/line`, proxied(proxy.port))).toEqual({ hello: true })
      expect(proxy.asked).toEqual([])
    })

    it('tells a TLS port that was spoken to without TLS', async () => {
      const port = await serve(certificates.named)
      const proxy = await startProxy()
      opened.push(() => proxy.close())
      await expect(greeting(`http://lab.test:${port}/line`, proxied(proxy.port))).rejects.toMatchObject(
        problem(/speaks TLS, and was spoken to without/),
      )
    })

    it('notices a peer that goes silent behind it', async () => {
      const port = await serve(certificates.named)
      const proxy = await startProxy()
      opened.push(() => proxy.close())
      const line = await connectWebSocket(`https://lab.test:${port}/line`, {
        network: proxied(proxy.port, { caFile: lab.cert }),
        heartbeatMs: 30,
      })
      // Alive for many heartbeats, as the bytes that TLS and the proxy pass on count.
      await new Promise((resolve) => setTimeout(resolve, 500))
      await line.send({ still: 'here' })
      proxy.close()
      expect(await line.closed).not.toBe('')
    })
  })
})
