import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createApi } from '../coordinator/api/index.ts'
import type { GuardOptions } from '../coordinator/api/guards.ts'
import type { People } from '../coordinator/people/index.ts'
import type { Report } from '../coordinator/report/format.ts'
import type { RunEvent, RunProgress } from '../coordinator/scheduler/index.ts'
import type { Fleet, FleetMember } from '../coordinator/fleet.ts'
import type { Services } from '../coordinator/services.ts'
import { journalPath, type RunSummary, type Store } from '../coordinator/store/index.ts'
import { openJournal } from '../coordinator/store/journal.ts'
import { createWeb } from '../coordinator/web/index.tsx'
import type { BackendDescription } from '../shared/backend-description.ts'
import { BitfleetError } from '../shared/errors.ts'
import { hostileText } from './hostile-report.ts'
import { createTestPeople } from './people.ts'
import { sampleReport, sampleRun } from './sample-report.ts'
import { syntheticAgent } from './synthetic-run.ts'

export const passwords = {
  alice: 'the admin has a password',
  oscar: 'the operator has one too',
  victor: 'the viewer has another one',
} as const

/** A coordinator's API and pages over made-up services: one run that goes as far as a test says, a fleet of all kinds. */
export interface WebStage {
  readonly app: ReturnType<typeof createApi>
  readonly people: People
  readonly runId: string
  readonly report: Report
  /** What was asked of fleet and scheduler: `approve a-3 by person:alice`. */
  readonly asked: string[]
  readonly members: FleetMember[]
  /** More runs than a page has, oldest last. */
  readonly others: RunSummary[]
  advance(count: number): void
  finish(): void
  close(): Promise<void>
}

const ready = (id: string, title: string, version: string): BackendDescription => ({
  ...{ id, title, version, status: 'ready', kernels: [], knobs: [] },
})
const away = (id: string, title: string, reason: string, add?: string): BackendDescription => ({
  ...{ id, title, status: 'unavailable', reason, kernels: [], knobs: [] },
  ...(add === undefined ? {} : { add }),
})

const backends = [
  ready('js', 'JavaScript, every rounding written out', '20.19.5'),
  ready('openblas', 'OpenBLAS', '0.3.21'),
  away('blis', 'BLIS', 'libblis.so.4 is not installed', 'apt-get install libblis4-pthread'),
  away('tfjs-webgpu', 'TensorFlow.js on WebGPU', 'Dawn finds no adapter: Mesa 22 gives it none, 25 does'),
]

function fleetMembers(): FleetMember[] {
  const flags = Object.fromEntries(['avx2', 'avx512f', 'fma'].map((flag) => [`cpu.flags.${flag}`, 'yes']))
  const gpu = { id: 'gpu0', kind: 'gpu', title: 'NVIDIA H100 80GB HBM3' } as const
  const one = syntheticAgent('a-1', { ...flags, 'cpu.microcode': '0x2b000603', kernel: '6.1.0-26-amd64' }, 'rack-1')
  const known = { ...one, labels: { site: 'lab-3', rack: '1' }, backends, devices: [...one.devices, gpu] }
  const hostile = syntheticAgent('a-5', { [hostileText]: hostileText, 'cpu.brand': hostileText }, hostileText)
  return [
    {
      ...{ id: 'a-1', name: 'rack-1', standing: 'enrolled', labels: known.labels, connected: true, record: known },
      ...{ enrolledAt: '2026-01-02T03:04:05.678Z', lastSeen: '2026-02-03T04:05:06.789Z' },
    },
    {
      ...{ id: 'a-2', name: 'rack-2', standing: 'locked', labels: { site: 'lab-3' }, connected: false },
      reason:
        'its state folder was copied: connection 7 continues from another place than connection 9, the last one taken',
      ...{ enrolledAt: '2026-01-02T03:05:05.678Z', lastSeen: '2026-02-01T00:00:00.000Z' },
      record: { ...known, id: 'a-2', name: 'rack-2' },
    },
    {
      ...{ id: 'a-3', name: 'newcomer', standing: 'pending', labels: {}, connected: false },
      enrolledAt: '2026-02-02T03:05:05.678Z',
    },
    {
      ...{ id: 'a-4', name: 'old-gpu', standing: 'revoked', reason: 'left the lab', labels: {}, connected: false },
      enrolledAt: '2025-01-02T03:05:05.678Z',
    },
    {
      ...{ id: 'a-5', name: hostileText, standing: 'locked', reason: hostileText, connected: false },
      enrolledAt: '2026-02-02T03:05:05.678Z',
      labels: { [hostileText]: hostileText },
      record: {
        ...hostile,
        attributes: { [hostileText]: hostileText },
        devices: [{ id: hostileText, kind: 'gpu', title: hostileText }],
        software: hostileText,
        backends: [
          ready(hostileText, hostileText, hostileText),
          away(hostileText, hostileText, hostileText, hostileText),
        ],
      },
    },
  ]
}

export interface WebStageOptions extends Partial<GuardOptions> {
  /** Nobody was added yet. */
  readonly withoutPeople?: boolean
  readonly heartbeatMs?: number
}

export async function createWebStage({ withoutPeople, ...options }: WebStageOptions = {}): Promise<WebStage> {
  const data = sampleRun().data()
  const report = sampleReport()
  const dir = await mkdtemp(join(tmpdir(), 'bitfleet-web-'))
  await mkdir(dirname(journalPath(dir)))
  const journal = await openJournal(journalPath(dir))
  const append = async (body: Parameters<typeof journal.append>[0]) => void (await journal.append(body))
  const { people } = createTestPeople({ append })
  for (const [i, role] of (['admin', 'operator', 'viewer'] as const).entries()) {
    if (withoutPeople) break
    const [name, password] = Object.entries(passwords)[i] as [string, string]
    await people.add(name, role, password, 'api')
  }
  await append({ kind: 'run', by: 'person:oscar', run: data.run.id, record: `sha256:${'0'.repeat(64)}` })
  const brought = { run: data.run.id, cell: 'c-1', attempt: 1, record: `sha256:${'0'.repeat(64)}` } as const
  for (let i = 0; i < 3; i++) await append({ kind: 'execution', by: 'agent:a-1', repetition: i, ...brought })
  await append({ kind: 'audit', by: `agent:${hostileText}`, action: 'said', subject: hostileText, detail: hostileText })

  let ended = 0
  let finished: Report | undefined
  let wake = () => {}
  const asked: string[] = []
  const others: RunSummary[] = []
  const members = fleetMembers()
  const progress = (): RunProgress => ({
    run: { ...data.run, state: 'running' },
    counts: { total: 20, waiting: 19 - ended, running: 1, ended: { completed: ended } },
    cells: data.cells
      .slice(0, 10)
      .map((cell, i) => ({ cell, executions: i < ended / 2 ? ['completed', 'completed'] : ['waiting', 'waiting'] })),
  })
  const known = (id: string) => {
    if (id !== data.run.id) throw new BitfleetError('not-found', `there is no run "${id}"`)
  }
  const summaries = (): RunSummary[] => [
    {
      ...{ id: data.run.id, name: data.run.name, state: finished ? 'done' : 'running' },
      ...{ createdAt: data.run.createdAt, cells: 10, agents: 2 },
    },
    ...others,
  ]
  const store: Pick<Store, 'dir' | 'listRuns' | 'findRuns' | 'listAgents' | 'loadReport'> = {
    dir,
    listRuns: async () => summaries(),
    async findRuns({ text = '', offset = 0, limit }) {
      const found = summaries().filter(({ name, id }) => `${name} ${id}`.toLowerCase().includes(text.toLowerCase()))
      return { runs: found.slice(offset, offset + limit), total: found.length }
    },
    listAgents: async () => [...data.run.agents],
    async loadReport(id) {
      if (others.some((run) => run.id === id)) return undefined
      known(id)
      return finished
    },
  }
  const scheduler: Pick<Services['scheduler'], 'agents' | 'progress' | 'cancel' | 'follow'> = {
    agents: () => members.flatMap(({ connected, record }) => (connected && record ? [record] : [])),
    async progress(id) {
      known(id)
      return progress()
    },
    async cancel(id, by) {
      known(id)
      if (finished) throw new BitfleetError('conflict', `run ${id} has ended already: it is done`)
      asked.push(`cancel ${id} by ${by}`)
    },
    async *follow(id, _after, signal): AsyncGenerator<RunEvent> {
      known(id)
      for (let number = 1; ; number++) {
        await new Promise<void>((resolve) => {
          wake = resolve
          signal?.addEventListener('abort', () => resolve())
        })
        if (signal?.aborted) return
        if (finished) {
          yield { id: number, type: 'state', state: 'done' }
          return
        }
        yield { id: number, type: 'progress', ...progress().counts }
      }
    },
  }
  const change = (id: string, changes: Partial<FleetMember>) => {
    const at = members.findIndex((member) => member.id === id)
    if (at === -1) throw new BitfleetError('not-found', `there is no agent ${id}`)
    members[at] = { ...(members[at] as FleetMember), ...changes }
  }
  const fleet: Pick<Fleet, 'list' | 'approve' | 'unlock' | 'revoke' | 'label'> = {
    list: async () => members,
    async approve(id, by) {
      asked.push(`approve ${id} by ${by}`)
      if (members.find((member) => member.id === id)?.standing !== 'pending') {
        throw new BitfleetError('conflict', `agent ${id} does not wait for approval`)
      }
      change(id, { standing: 'enrolled' })
    },
    async unlock(id, by) {
      asked.push(`unlock ${id} by ${by}`)
      change(id, { standing: 'enrolled' })
    },
    async revoke(id, reason, by) {
      asked.push(`revoke ${id} by ${by}: ${reason}`)
      change(id, { standing: 'revoked', reason, connected: false })
    },
    async label(id, labels, by) {
      asked.push(`label ${id} by ${by}: ${JSON.stringify(labels)}`)
      change(id, { labels })
    },
  }
  // The API and the pages ask nothing of the services here beyond what stands above.
  const services = { store, scheduler, fleet, people, software: 'bitfleet 0.1.0' } as unknown as Services
  const app = createApi(services, { loopback: true, hosts: [], heartbeatMs: 1000, ...options })
  app.route('/', createWeb(services))
  return {
    ...{ app, people, report, asked, members, others, runId: data.run.id },
    advance(count) {
      ended = count
      wake()
    },
    finish() {
      finished = report
      wake()
    },
    async close() {
      await journal.close()
      await rm(dir, { recursive: true })
    },
  }
}
