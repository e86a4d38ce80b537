import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { X509Certificate } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type CertificateFiles, lacksOpenssl, makeAuthority, makeCertificate } from '../test/certificates.ts'
import { createFakeAgent, fakeKey } from '../test/fake-agent.ts'
import { startProxy, startReverseProxy } from '../test/proxies.ts'
import { agentRecord } from '../test/scheduler-harness.ts'
import { enrolOverLine } from '../agent/enrolment/enrol.ts'
import { parseToken } from '../shared/enrolment.ts'
import { agentIdOf } from '../shared/keys.ts'
import { agentEndpoint } from '../shared/messages.ts'
import { createNetwork, createPinnedNetwork } from '../shared/network/network.ts'
import type { Connection } from '../shared/transports/transport.ts'
import { connectWebSocket } from '../shared/transports/websocket.ts'
import { createdTokenSchema } from './api/schemas.ts'
import { nameIn, readServedCertificate } from './certificate.ts'
import { connectCoordinator } from './client/client.ts'
import { sending } from './client/http.ts'
import { type Coordinator, startCoordinator } from './server.ts'

const skip = lacksOpenssl('a coordinator over TLS')

/** An agent that enrols over a way of its own, and comes in. @returns its id, too */
async function comeIn(name: string, storeDir: string, connect: () => Promise<Connection>) {
  const key = fakeKey(name)
  const { token } = await (await connectCoordinator({ storeDir })).read(
    '/api/tokens',
    createdTokenSchema,
    sending('POST', {}),
  )
  await enrolOverLine(await connect(), { key, token: parseToken(token), name, labels: {} })
  const id = agentIdOf(key.publicKey)
  const agent = createFakeAgent(await connect(), { ...agentRecord(name), id, name }, key)
  await agent.comeIn()
  return agent
}

describe.skipIf(skip)('a coordinator over TLS', () => {
  let folder: string
  let storeDir: string
  let authority: CertificateFiles
  let first: CertificateFiles
  let second: CertificateFiles
  let coordinator: Coordinator
  const served = () => ({ certFile: join(folder, 'served.pem'), keyFile: join(folder, 'served.key') })
  const install = ({ cert, key }: CertificateFiles) => {
    copyFileSync(cert, served().certFile)
    copyFileSync(key, served().keyFile)
    chmodSync(served().keyFile, 0o640)
  }
  const log: string[] = []
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bitfleet-tls-'))
    storeDir = join(folder, 'store')
    authority = makeAuthority(folder, 'lab-authority')
    first = makeCertificate(folder, authority, 'first', 'DNS:coordinator.lab.test', 30)
    second = makeCertificate(folder, authority, 'second', 'DNS:coordinator.lab.test', 30)
    install(first)
    coordinator = await startCoordinator({
      ...{ storeDir, host: '127.0.0.1', port: 0, tls: served() },
      log: (line) => log.push(line),
    })
  }, 120_000)
  afterAll(async () => {
    await coordinator.stop()
    rmSync(folder, { recursive: true })
  }, 60_000)
  const port = () => Number(new URL(coordinator.url).port)
  const address = () => JSON.parse(readFileSync(join(storeDir, 'coordinator.json'), 'utf8')) as Record<string, string>

  it('is found and trusted by clients on its machine, under the name of its certificate', async () => {
    expect(coordinator.url).toBe(`https://coordinator.lab.test:${port()}`)
    expect(address()).toMatchObject({ url: coordinator.url, at: '127.0.0.1' })
    const client = await connectCoordinator({ storeDir })
    expect(await client.listAgents()).toEqual([])
    // A write, with the token beside the address.
    await expect(client.cancelRun('none')).rejects.toMatchObject({ code: 'not-found' })
    expect(log.join('\n')).not.toMatch(/certificate/)
  })

  it('is not trusted under another address without its authority', async () => {
    const client = await connectCoordinator({ storeDir, url: `https://127.0.0.1:${port()}` })
    await expect(client.listAgents()).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/signed by "lab-authority"/),
    })
    const plain = await connectCoordinator({ storeDir, url: `http://127.0.0.1:${port()}` })
    await expect(plain.listAgents()).rejects.toThrow(/speaks TLS, and was spoken to without; .*https:/)
  })

  it('is reached by agents and clients elsewhere: through a proxy, trusting the authority', async () => {
    const proxy = await startProxy({ credentials: 'me:secret' })
    const httpsProxy = { variable: 'HTTPS_PROXY', value: `http://me:secret@127.0.0.1:${proxy.port}` }
    const network = createNetwork({ caFile: authority.cert, httpsProxy })
    const { line } = await comeIn('far', storeDir, () => connectWebSocket(coordinator.url + agentEndpoint, { network }))

    const environment = { HTTPS_PROXY: process.env.HTTPS_PROXY, BITFLEET_CA_FILE: process.env.BITFLEET_CA_FILE }
    Object.assign(process.env, { HTTPS_PROXY: httpsProxy.value, BITFLEET_CA_FILE: authority.cert })
    try {
      const client = await connectCoordinator({
        ...{ url: coordinator.url, storeDir: join(folder, 'elsewhere') },
        tokenFile: coordinator.apiTokenFile,
      })
      expect((await client.listAgents()).map(({ name }) => name)).toEqual(['far'])
    } finally {
      for (const [name, value] of Object.entries(environment)) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
    }
    expect(proxy.asked.length).toBeGreaterThanOrEqual(2)
    line.close()
    await line.closed
    proxy.close()
  })

  it('shows a renewed certificate to those who come, and drops nobody', async () => {
    const before = await connectCoordinator({ storeDir })
    await before.listAgents()
    const pinned = address().certificate as string
    expect(new X509Certificate(pinned).fingerprint256).toBe(
      new X509Certificate(readFileSync(first.cert)).fingerprint256,
    )
    const proxy = await startProxy()
    const reaching = createNetwork({
      caFile: authority.cert,
      httpsProxy: { variable: 'HTTPS_PROXY', value: `http://127.0.0.1:${proxy.port}` },
    })
    const agent = await comeIn('steady', storeDir, () =>
      connectWebSocket(coordinator.url + agentEndpoint, { network: reaching }),
    )
    const { line } = agent

    install(second)
    await coordinator.reload()
    expect(log.at(-1)).toMatch(/again/)
    expect(new X509Certificate(address().certificate as string).fingerprint256).toBe(
      new X509Certificate(readFileSync(second.cert)).fingerprint256,
    )
    // A client that starts now trusts the new one alone; one that trusts the old one alone is not served.
    expect((await (await connectCoordinator({ storeDir })).listAgents()).map(({ name }) => name)).toEqual(['steady'])
    await agent.send({ type: 'missing', digest: `sha256:${'0'.repeat(64)}`, reason: 'still here' })

    // A broken file changes nothing.
    copyFileSync(first.cert, served().certFile)
    await coordinator.reload()
    expect(log.at(-1)).toMatch(/old certificate stays in force: the key in .* is not that of the first certificate/)
    expect((await (await connectCoordinator({ storeDir })).listAgents()).map(({ name }) => name)).toEqual(['steady'])
    install(second)
    line.close()
    await line.closed
    proxy.close()
  })

  it('is not held up by strangers that connect and say nothing', async () => {
    const pinned = createPinnedNetwork(address().certificate as string, '127.0.0.1')
    const { line } = await comeIn('enrolled', storeDir, () =>
      connectWebSocket(coordinator.url + agentEndpoint, { network: pinned }),
    )
    const mute: Socket[] = []
    for (let i = 0; i < 1200; i++) {
      const socket = connect(port(), '127.0.0.1')
      socket.on('error', () => {})
      mute.push(socket)
      await new Promise((resolve) => socket.once('connect', resolve))
    }
    expect((await (await connectCoordinator({ storeDir })).listAgents()).map(({ name }) => name)).toEqual(['enrolled'])
    // The oldest had to go.
    for (const socket of mute.slice(0, 100)) {
      socket.resume()
      if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
    }
    for (const socket of mute) socket.destroy()
    line.close()
    await line.closed
  })

  it('takes no certificate that cannot serve, and warns of one that will trouble', () => {
    const warnings: string[] = []
    const read = (certFile: string, keyFile: string) =>
      readServedCertificate({ certFile, keyFile }, (message) => warnings.push(message))
    expect(() => read(first.cert, second.key)).toThrow(/is not that of the first certificate/)
    expect(() => read(first.key, first.key)).toThrow(/holds no certificate/)
    expect(() => read(first.cert, first.cert)).toThrow(/holds no private key/)
    expect(() => read(join(folder, 'nowhere'), first.key)).toThrow(/--tls-cert cannot be read/)
    const old = makeCertificate(folder, authority, 'old', 'DNS:coordinator.lab.test', -1)
    chmodSync(old.key, 0o644)
    read(old.cert, old.key)
    expect(warnings.join('\n')).toMatch(/has expired: it is good until .* GMT/)
    expect(warnings.join('\n')).toMatch(/can be read by everybody/)
  })

  it('is called by a name that its certificate is for', () => {
    const leaf = (names: string, name: string) =>
      new X509Certificate(readFileSync(makeCertificate(folder, authority, name, names).cert))
    const both = leaf('DNS:localhost,IP:127.0.0.1,DNS:a.lab.test,DNS:b.lab.test', 'both')
    expect([nameIn(both, '127.0.0.1', true), nameIn(both, '127.0.0.1', false)]).toEqual(['127.0.0.1', 'a.lab.test'])
    const wild = leaf('DNS:*.lab.test', 'wild')
    expect(nameIn(wild, '127.0.0.1', false)).toMatch(/^[^*]+\.lab\.test$/)
    expect(nameIn(leaf('DNS:localhost', 'local'), '127.0.0.1', true)).toBe('localhost')
    expect(nameIn(leaf('IP:10.1.2.3', 'ip'), '127.0.0.1', false)).toBe('10.1.2.3')
  })
})

describe('a coordinator that is reached through others', () => {
  let storeDir: string
  let coordinator: Coordinator
  beforeAll(async () => {
    storeDir = mkdtempSync(join(tmpdir(), 'bitfleet-behind-'))
    coordinator = await startCoordinator({ storeDir, host: '127.0.0.1', port: 0, log: () => {} })
  }, 120_000)
  afterAll(async () => {
    await coordinator.stop()
    rmSync(storeDir, { recursive: true })
  }, 60_000)

  const opened: (() => void)[] = []
  afterEach(() => {
    for (const close of opened.splice(0)) close()
  })

  it('ends a request whose headers never end', async () => {
    const socket = connect(Number(new URL(coordinator.url).port), '127.0.0.1')
    opened.push(() => socket.destroy())
    socket.on('error', () => {}).write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n')
    const drip = setInterval(() => socket.write('X-Slow: 1\r\n'), 500)
    let answer = ''
    socket.on('data', (data) => (answer += data.toString()))
    await new Promise((resolve) => socket.once('close', resolve))
    clearInterval(drip)
    expect(answer).toMatch(/^HTTP\/1\.1 408/)
  })

  it('serves agents and clients under the path that the proxy takes off', async () => {
    const proxy = await startReverseProxy('/bitfleet', Number(new URL(coordinator.url).port))
    for (const url of [`http://127.0.0.1:${proxy.port}/bitfleet`, `http://127.0.0.1:${proxy.port}/bitfleet/`]) {
      const agent = await comeIn(`behind-${url.length}`, storeDir, () =>
        connectWebSocket(`${url.replace(/\/$/, '')}${agentEndpoint}`),
      )
      const { line } = agent
      const client = await connectCoordinator({ url, tokenFile: coordinator.apiTokenFile })
      expect((await client.listAgents()).map(({ name }) => name)).toEqual([`behind-${url.length}`])
      const plan = 'name: x\nworkloads:\n  - reduce.sum: { dtype: f32, n: 4 }\nfactors: { backend: [js] }\n'
      const run = await client.submitRun({ plan, inputs: [], payloads: new Map() })
      expect((await client.getRun(run)).id).toBe(run)
      await client.cancelRun(run)
      // The stream of its events comes through, too.
      agent.work(() => ({ execution: {} as never }))
      for await (const event of client.watchRun(run)) {
        expect(event.type).toBeDefined()
        break
      }
      line.close()
      await line.closed
    }
    await expect(connectWebSocket(`http://127.0.0.1:${proxy.port}${agentEndpoint}`)).rejects.toThrow(
      /404.*the path that the coordinator is served under/,
    )
    const lost = await connectCoordinator({
      url: `http://127.0.0.1:${proxy.port}`,
      tokenFile: coordinator.apiTokenFile,
    })
    await expect(lost.listAgents()).rejects.toThrow(/is it a Bitfleet coordinator/)
    proxy.close()
  })
})
