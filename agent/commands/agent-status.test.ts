import { describe, expect, it } from 'vitest'
import type { AgentStatus } from '../control/messages.ts'
import { formatStatus } from './agent-status.ts'

const status: AgentStatus = {
  ...{ pid: 12, startedAt: '2030-01-01T00:00:00Z', id: 'a-1', fingerprint: 'ab'.repeat(32), name: 'lab' },
  ...{ labels: { site: 'lab-3' }, software: 'bitfleet 1', coordinator: 'http://lab:7575/' },
  connection: { state: 'connected', since: '2030-01-01T00:00:01Z' },
  ...{ draining: false, slots: 2, jobs: { running: 1, waiting: 3, unwritten: 0 } },
  spool: { records: 4, bytes: 2048, quotaRecords: 10, quotaBytes: 2 ** 30, damaged: 0, refused: 0 },
  backends: [
    { id: 'js', status: 'ready', version: '20' },
    { id: 'blis', status: 'unavailable' },
  ],
}

describe('bitfleet agent status', () => {
  it('says how the agent is, a fact a line', () => {
    expect(
      formatStatus(status)
        .split('\n')
        .map((line) => line.trimEnd()),
    ).toEqual([
      'agent lab (a-1): connected to http://lab:7575/ since 2030-01-01T00:00:01Z',
      `  key        ${'ab'.repeat(32)}`,
      '  process    12, since 2030-01-01T00:00:00Z, bitfleet 1',
      '  labels     site=lab-3',
      '  jobs       1 running, 3 waiting; 2 at a time',
      '  spool      4 results, 2.0 KiB of 1.0 GiB',
      '  backends   js 20',
      '  not here   blis',
      '',
    ])
  })

  it('says what is wrong, and obeys no word that came from elsewhere', () => {
    const evil = '\u001b[2Jx\n  jobs       9 running\u202e'
    const text = formatStatus({
      ...status,
      ...{ name: evil, labels: { [evil]: evil }, draining: true },
      connection: { state: 'disconnected', since: 'then', reason: evil },
      jobs: { running: 0, waiting: 0, unwritten: 2, refusing: evil },
      spool: { ...status.spool, damaged: 1, refused: 2 },
    })
    expect(text).toMatch(/not connected .* since then: /)
    expect(text).toMatch(/unwritten {2}2 results/)
    expect(text).toMatch(/set aside {2}1 damaged, 2 refused/)
    expect(text).toMatch(/draining/)
    // biome-ignore lint: control characters are the subject
    expect(text.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u202e]/)
    expect(text.split('\n').filter((line) => line.startsWith('  jobs'))).toEqual([
      '  jobs       0 running, 0 waiting; 2 at a time',
    ])
  })
})
