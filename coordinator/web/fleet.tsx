import type { BackendDescription } from '../../shared/backend-description.ts'
import type { Identity } from '../people/index.ts'
import { visibleLine } from '../../shared/visible.ts'
import { grouped, plural } from '../report/wording.ts'
import type { FleetMember } from '../fleet.ts'
import { Page } from './page.tsx'
import { addressOf, Labels, Moment, Pager, State } from './parts.tsx'

export interface FleetProps {
  readonly identity: Identity
  /** Those to show. */
  readonly members: readonly FleetMember[]
  /** All that were found. */
  readonly total: number
  readonly connected: number
  readonly offset: number
  readonly pageSize: number
  readonly text: string
}

const refreshSeconds = 5

export function FleetPage({ identity, members, total, connected, offset, pageSize, text }: FleetProps) {
  return (
    <Page title="Fleet" identity={identity} section="fleet">
      <section aria-labelledby="fleet-title">
        <div class="wide">
          <h1 id="fleet-title">Fleet</h1>
          <form class="search" role="search" method="get" action="/fleet">
            <label>
              Name, id, label, processor, backend or standing
              <input type="search" name="q" value={text} maxlength={200} />
            </label>
            <button class="plain">Search</button>
            {text === '' ? null : <a href="/fleet">All agents</a>}
          </form>
          <div id="live" data-refresh={refreshSeconds}>
            <p class="quiet">
              {plural(total, 'agent')}
              {text === '' ? '' : ' found'}, {grouped(connected)} connected now.
            </p>
            {members.length > 0 ? (
              <MemberTable members={members} />
            ) : total > 0 ? (
              <p>There are no more agents.</p>
            ) : text !== '' ? (
              <p>No agent has “{visibleLine(text)}” in any of these.</p>
            ) : (
              <p>
                None yet. <code>bitfleet agent start</code> on a machine connects it.
              </p>
            )}
            <Pager
              label="Pages of agents"
              shown={members.length}
              {...{ offset, total, size: pageSize }}
              address={(from) => addressOf('/fleet', { q: text, from })}
            />
          </div>
        </div>
      </section>
    </Page>
  )
}

function MemberTable({ members }: Pick<FleetProps, 'members'>) {
  return (
    <div class="scroll" tabindex={0} role="group" aria-label="Agents">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Agent</th>
            <th scope="col">Standing</th>
            <th scope="col">Connection</th>
            <th scope="col">Labels</th>
            <th scope="col">Processor and devices</th>
            <th scope="col">Backends</th>
            <th scope="col">Software</th>
          </tr>
        </thead>
        <tbody>
          {members.map((member) => (
            <tr>
              <th scope="row" class="name">
                <a href={`/fleet/${encodeURIComponent(member.id)}`}>{visibleLine(member.name) || 'without a name'}</a>
                <span class="params">{visibleLine(member.id)}</span>
              </th>
              <td class="standing">
                <Standing member={member} />
              </td>
              <td>
                <Connection member={member} />
              </td>
              <td>
                <Labels labels={member.labels} />
              </td>
              <td>
                {visibleLine(member.record?.facts['cpu.brand'] ?? '')}
                {member.record?.devices
                  .filter(({ kind }) => kind !== 'cpu')
                  .map(({ title }) => (
                    <span class="reason">{visibleLine(title)}</span>
                  ))}
              </td>
              <td>{member.record ? <Backends backends={member.record.backends} /> : ''}</td>
              <td>{visibleLine(member.record?.software ?? '')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const standings = {
  enrolled: { tone: 'good', sign: '✓' },
  pending: { tone: 'warn', sign: '…' },
  locked: { tone: 'bad', sign: '!' },
  revoked: { tone: 'off', sign: '×' },
} as const

export function Standing({ member: { standing, reason } }: { member: FleetMember }) {
  return (
    <>
      <State {...standings[standing]} word={standing} />
      {reason === undefined ? null : <span class="reason">{visibleLine(reason)}</span>}
    </>
  )
}

export function Connection({ member: { connected, lastSeen } }: { member: FleetMember }) {
  return (
    <>
      {connected ? <State tone="good" sign="●" word="connected" /> : <State tone="off" sign="○" word="away" />}
      {lastSeen === undefined ? null : (
        <span class="reason when">
          {connected ? 'since ' : 'last seen '}
          <Moment at={lastSeen} />
        </span>
      )}
    </>
  )
}

function Backends({ backends }: { backends: readonly BackendDescription[] }) {
  const away = backends.filter(({ status }) => status !== 'ready')
  return (
    <>
      {backends
        .filter(({ status }) => status === 'ready')
        .map(({ id }) => visibleLine(id))
        .join(', ')}
      {away.length === 0 ? null : (
        <details>
          <summary>{grouped(away.length)} not ready</summary>
          <ul>
            {away.map(({ id, reason }) => (
              <li>
                {visibleLine(id)}: {visibleLine(reason ?? 'no reason given')}
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  )
}

/** Whether what a person searched for stands in what the page shows of an agent. */
export function matches({ id, name, labels, standing, connected, record }: FleetMember, text: string): boolean {
  const wanted = text.toLowerCase()
  const ready = record?.backends.filter(({ status }) => status === 'ready').map((backend) => backend.id) ?? []
  const devices = record?.devices.map(({ title }) => title) ?? []
  return [
    ...[id, name, standing, connected ? 'connected' : 'away', record?.facts['cpu.brand'] ?? '', record?.software ?? ''],
    ...Object.entries(labels).map(([key, value]) => `${key}=${value}`),
    ...[...ready, ...devices],
  ].some((shown) => visibleLine(shown).toLowerCase().includes(wanted))
}
