import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { agentSchema, createdTokenSchema } from '../../coordinator/api/schemas.ts'
import { connectCoordinator } from '../../coordinator/client/client.ts'
import { sending } from '../../coordinator/client/http.ts'
import { type Coordinator, startCoordinator } from '../../coordinator/server.ts'
import { lacksOpenssl, makeAuthority, makeCertificate } from '../../test/certificates.ts'
import { readEnrolment } from '../enrolment/enrolment-file.ts'
import { agentDrain } from './agent-drain.ts'
import { agentEnroll, agentStart } from './agent.ts'

const skip = lacksOpenssl('an agent that remembers its authority')
const folder = mkdtempSync(join(tmpdir(), 'bitfleet-agent-ca-'))
let coordinator: Coordinator | undefined
afterAll(async () => {
  await coordinator?.stop()
  rmSync(folder, { recursive: true })
}, 60_000)

describe.skipIf(skip)('an agent that enrolled with --ca and a token file', () => {
  it('starts without either from then on', async () => {
    const authority = makeAuthority(folder, 'lab-authority')
    const { cert, key } = makeCertificate(folder, authority, 'served', 'IP:127.0.0.1', 30)
    const storeDir = join(folder, 'store')
    coordinator = await startCoordinator({
      ...{ storeDir, host: '127.0.0.1', port: 0, tls: { certFile: cert, keyFile: key }, log: () => {} },
    })
    const client = await connectCoordinator({ storeDir })
    const { token } = await client.read('/api/tokens', createdTokenSchema, sending('POST', {}))
    const tokenFile = join(folder, 'token')
    writeFileSync(tokenFile, token, { mode: 0o600 })
    const stateDir = join(folder, 'state')
    vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    await expect(agentEnroll(coordinator.url, { tokenFile, stateDir })).rejects.toThrow(
      /which this machine does not know/,
    )
    // Relative to where it is given, and found again from anywhere.
    const ca = relative(process.cwd(), authority.cert)
    expect(await agentEnroll(coordinator.url, { tokenFile, stateDir, ca })).toBe(0)
    expect(readEnrolment(join(stateDir, 'agents', 'default'))?.caFile).toBe(authority.cert)
    rmSync(tokenFile)

    const running = agentStart({ stateDir, tokenFile })
    await vi.waitFor(async () => expect(await client.listAgents()).toHaveLength(1), { timeout: 60_000, interval: 200 })
    expect(await agentDrain({ stateDir, wait: true })).toBe(0)
    expect(await running).toBe(0)

    // Forgotten, as by a store restored from an older copy, it enrols again with another token, and keeps its key.
    const fleet = async () => client.read('/api/agents', z.object({ agents: z.array(agentSchema) }))
    const id = (await fleet()).agents[0]?.id as string
    await client.request(`/api/agents/${id}/revoke`, sending('POST', { reason: 'by mistake' }))
    await client.request('/api/agents/prune', sending('POST', {}))
    expect((await fleet()).agents).toEqual([])
    await expect(agentStart({ stateDir })).rejects.toThrow(/`bitfleet agent enroll` with a token/)
    const another = await client.read('/api/tokens', createdTokenSchema, sending('POST', {}))
    writeFileSync(tokenFile, another.token, { mode: 0o600 })
    for (let i = 0; i < 2; i++) expect(await agentEnroll(coordinator.url, { tokenFile, stateDir })).toBe(0)
    expect((await fleet()).agents).toMatchObject([{ id, standing: 'enrolled' }])

    // What is given now counts, and is kept.
    const other = makeAuthority(folder, 'another')
    const mistaken = agentStart({ stateDir, ca: other.cert })
    await vi.waitFor(() => expect(said.mock.calls.join('\n')).toMatch(/which this machine does not know/), {
      ...{ timeout: 60_000, interval: 200 },
    })
    await vi.waitFor(async () => expect(await agentDrain({ stateDir })).toBe(0), { timeout: 10_000 })
    await mistaken
    expect(readEnrolment(join(stateDir, 'agents', 'default'))?.caFile).toBe(other.cert)
    vi.restoreAllMocks()
  }, 200_000)
})
