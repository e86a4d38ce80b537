import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type AgentStartOptions, agentStart } from './agent.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-agent-'))
afterAll(() => rmSync(folder, { recursive: true }))
const tokenFile = join(folder, 'agent.token')
writeFileSync(tokenFile, 'secret\n', { mode: 0o600 })
const emptyFile = join(folder, 'empty.token')
writeFileSync(emptyFile, '\n')
chmodSync(emptyFile, 0o600)

const start = (options: Partial<AgentStartOptions>) =>
  agentStart({ coordinator: 'http://127.0.0.1:1', tokenFile, stateDir: folder, ...options })

describe('bitfleet agent start', () => {
  it.each<[string, Partial<AgentStartOptions>, string]>([
    ['a label that is none', { labels: ['site'] }, 'usage'],
    ['a label without a key', { labels: ['=lab'] }, 'usage'],
    ['a name that climbs out of its folder', { name: '../other' }, 'usage'],
    ['a name of control characters', { name: 'a\u001b[2J' }, 'usage'],
    ['no slots', { slots: 0 }, 'usage'],
    ['a token file that is not there', { tokenFile: join(folder, 'absent') }, 'not-found'],
    ['a token file that is empty', { tokenFile: emptyFile }, 'usage'],
    ['an address that is none', { coordinator: 'lab.example' }, 'usage'],
  ])('refuses %s', async (_, options, code) => {
    await expect(start(options)).rejects.toMatchObject({ code })
  })

  it('never repeats the token in what it says', async () => {
    await expect(start({ coordinator: 'lab.example' })).rejects.not.toThrow(/secret/)
  })
})
