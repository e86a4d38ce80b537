import { type Identity, includesRole } from '../people/index.ts'
import { classifyVariable } from '../../shared/environment.ts'
import { visibleLine } from '../../shared/visible.ts'
import { plural } from '../report/wording.ts'
import type { FleetMember } from '../fleet.ts'
import { Connection, Standing } from './fleet.tsx'
import { Page } from './page.tsx'
import { addressOf, Labels, Moment, Pager, State } from './parts.tsx'
import { type ListedRun, RunTable } from './run-table.tsx'

export interface AgentProps {
  readonly identity: Identity
  readonly member: FleetMember
  readonly runs: readonly ListedRun[]
  readonly total: number
  readonly offset: number
  readonly pageSize: number
  /** What was wrong with a form. */
  readonly problem?: string
  /** What a form said that was wrong, to be corrected. */
  readonly labelText?: string
}

export function AgentPage({
  identity,
  member,
  runs,
  total,
  offset,
  pageSize,
  problem,
  labelText = labelsText(member.labels),
}: AgentProps) {
  const { record, enrolledAt } = member
  const path = `/fleet/${encodeURIComponent(member.id)}`
  return (
    <Page title={member.name} identity={identity} section="fleet">
      <section aria-labelledby="agent-title">
        <div class="wide">
          <h1 id="agent-title">{visibleLine(member.name) || 'An agent without a name'}</h1>
          {problem === undefined ? null : (
            <p class="problem" role="alert">
              {visibleLine(problem)}
            </p>
          )}
          <dl class="facts">
            <Fact name="Standing">
              <Standing member={member} />
            </Fact>
            <Fact name="Connection">
              <Connection member={member} />
            </Fact>
            {enrolledAt === undefined ? null : (
              <Fact name="Enrolled">
                <Moment at={enrolledAt} />
              </Fact>
            )}
            <Fact name="Id">
              <code>{visibleLine(member.id)}</code>
            </Fact>
            <Fact name="Labels">
              <Labels labels={member.labels} />
            </Fact>
            {record ? (
              <>
                <Fact name="Processor">{visibleLine(record.facts['cpu.brand'] ?? 'not recorded')}</Fact>
                <Fact name="Devices">
                  {record.devices.map(({ id, title }) => (
                    <div>
                      <code>{visibleLine(id)}</code> {visibleLine(title)}
                    </div>
                  ))}
                </Fact>
                <Fact name="Environment">
                  <Environment facts={record.facts} />
                </Fact>
                <Fact name="At a time">{plural(record.slots, 'execution')}</Fact>
                <Fact name="Software">{visibleLine(record.software)}</Fact>
              </>
            ) : null}
          </dl>
        </div>
      </section>
      {includesRole(identity.role, 'admin') ? <Manage {...{ member, path, labelText }} /> : null}
      <section aria-labelledby="taken-title">
        <div class="wide">
          <h2 id="taken-title">Runs it took part in</h2>
          {runs.length === 0 ? <p>None{offset > 0 ? ' as far back as this' : ' yet'}.</p> : <RunTable runs={runs} />}
          <Pager
            label="Pages of runs"
            shown={runs.length}
            {...{ offset, total, size: pageSize }}
            address={(from) => addressOf(path, { from })}
          />
        </div>
      </section>
      {record ? <Inventory record={record} /> : null}
    </Page>
  )
}

function Fact({ name, children }: { name: string; children?: unknown }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

/** Variables that it was started with and that bear on bits; those that select a code path are said to. */
export function Environment({ facts }: { facts: Readonly<Record<string, string>> }) {
  const variables = Object.entries(facts).flatMap(([key, value]) =>
    key.startsWith('env.') ? [{ name: key.slice('env.'.length), value }] : [],
  )
  if (variables.length === 0) return <>no variable that changes what libraries compute</>
  return (
    <>
      {variables.map(({ name, value }) => (
        <div>
          <code>{visibleLine(`${name}=${value}`)}</code>
          {classifyVariable(name, value) === 'code path' ? ' selects a code path: its conditions are overrides' : ''}
        </div>
      ))}
    </>
  )
}

/** What an admin can do about it. */
function Manage({ member, path, labelText }: { member: FleetMember; path: string; labelText: string }) {
  return (
    <section aria-labelledby="manage-title">
      <div class="wide">
        <h2 id="manage-title">Manage</h2>
        <div class="split">
          {member.standing === 'pending' ? (
            <form class="fields" method="post" action={`${path}/approve`}>
              <p>It waits for an admin. Compare its id with what the machine says before it is let in.</p>
              <button>Approve</button>
            </form>
          ) : null}
          {member.standing === 'locked' ? (
            <form class="fields" method="post" action={`${path}/unlock`}>
              <p>
                {member.ahead
                  ? 'Unlock it if this coordinator’s store was restored from an older copy.'
                  : 'Unlock it once no other machine has a copy of its state folder; one that has is found again.'}
              </p>
              <button>Unlock</button>
            </form>
          ) : null}
          <form class="fields" method="post" action={`${path}/label`}>
            <div class="entry">
              <label for="labels">Labels</label>
              <textarea id="labels" name="labels" aria-describedby="labels-hint" spellcheck={false}>
                {labelText}
              </textarea>
              <span class="hint" id="labels-hint">
                One key=value a line, in place of those it has. Plans aim at agents by them.
              </span>
            </div>
            <button>Save the labels</button>
          </form>
          {member.standing === 'revoked' ? null : (
            <details class="fold">
              <summary>Revoke this agent</summary>
              <form class="fields" method="post" action={`${path}/revoke`}>
                <div class="entry">
                  <label for="reason">Reason</label>
                  <input id="reason" name="reason" maxlength={200} aria-describedby="reason-hint" required />
                  <span class="hint" id="reason-hint">
                    It is turned away from now on, for good; the machine comes back only by enrolling with another key.
                  </span>
                </div>
                <button class="danger">Revoke</button>
              </form>
            </details>
          )}
        </div>
      </div>
    </section>
  )
}

function Inventory({ record }: { record: NonNullable<FleetMember['record']> }) {
  const facts = Object.entries(record.facts).sort(([a], [b]) => (a < b ? -1 : 1))
  const flags = facts.filter(([key]) => key.startsWith('cpu.flags.'))
  const others = facts.filter(([key]) => !key.startsWith('cpu.flags.'))
  const attributes = Object.entries(record.attributes).sort(([a], [b]) => (a < b ? -1 : 1))
  return (
    <>
      <section aria-labelledby="backends-title">
        <div class="wide">
          <h2 id="backends-title">Backends</h2>
          <div class="scroll" tabindex={0} role="group" aria-label="Backends">
            <table class="list">
              <thead>
                <tr>
                  <th scope="col">Backend</th>
                  <th scope="col">State</th>
                  <th scope="col">Version</th>
                  <th scope="col">Why not</th>
                </tr>
              </thead>
              <tbody>
                {record.backends.map(({ id, title, status, version, reason, add }) => (
                  <tr>
                    <th scope="row" class="name">
                      {visibleLine(id)}
                      <span class="params">{visibleLine(title)}</span>
                    </th>
                    <td>
                      {status === 'ready' ? (
                        <State tone="good" sign="✓" word="ready" />
                      ) : (
                        <State tone="off" sign="–" word="not ready" />
                      )}
                    </td>
                    <td>{visibleLine(version ?? '')}</td>
                    <td>
                      {status === 'ready' ? '' : visibleLine(reason ?? 'no reason given')}
                      {status === 'ready' || add === undefined ? null : (
                        <span class="reason long">
                          Added by <code>{visibleLine(add)}</code>
                        </span>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </div>
      </section>
      <section aria-labelledby="facts-title">
        <div class="wide">
          <h2 id="facts-title">Facts and attributes</h2>
          <p class="quiet">As it showed itself when it connected last.</p>
          <div class="split">
            <div>
              <h3>Facts: what may explain a difference</h3>
              <Values entries={others} label="Facts" />
              {flags.length === 0 ? null : (
                <details class="aside">
                  <summary>{plural(flags.length, 'processor flag')}</summary>
                  <Values
                    entries={flags.map(([key, value]) => [key.slice('cpu.flags.'.length), value])}
                    label="Processor flags"
                  />
                </details>
              )}
            </div>
            <div>
              <h3>Attributes: shown, never used to explain</h3>
              {attributes.length === 0 ? <p>None.</p> : <Values entries={attributes} label="Attributes" />}
            </div>
          </div>
        </div>
      </section>
    </>
  )
}

function Values({ entries, label }: { entries: readonly (readonly [string, string])[]; label: string }) {
  return (
    <div class="scroll higher" tabindex={0} role="group" aria-label={label}>
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Value</th>
          </tr>
        </thead>
        <tbody>
          {entries.map(([key, value]) => (
            <tr>
              <th scope="row">
                <code>{visibleLine(key)}</code>
              </th>
              <td>
                <code>{visibleLine(value)}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => visibleLine(`${key}=${value}`))
    .join('\n')
}
