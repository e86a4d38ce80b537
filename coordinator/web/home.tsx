import type { AgentRecord } from '../../shared/messages.ts'
import type { Report } from '../report/format.ts'
import { VerdictBadge } from '../report/html/letter.tsx'
import { visibleLine } from '../report/visible.ts'
import { grouped, plural } from '../report/wording.ts'
import type { RunSummary } from '../store/index.ts'
import { Page } from './page.tsx'

export type ListedRun = { readonly run: RunSummary } & Partial<Pick<Report, 'verdict' | 'sentence'>>

export interface HomeProps {
  readonly runs: readonly ListedRun[]
  readonly agents: readonly { readonly agent: AgentRecord; readonly connected: boolean }[]
  readonly software: string
}

const refreshSeconds = 5

export function Home({ runs, agents, software }: HomeProps) {
  const connected = agents.filter((found) => found.connected).length
  return (
    <Page title="Runs">
      <div id="live" data-refresh={refreshSeconds}>
        <section aria-labelledby="runs-title">
          <div class="wide">
            <h1 id="runs-title">Do your machines compute the same bits?</h1>
            <h2>Runs</h2>
            {runs.length === 0 ? (
              <p>
                No run yet. <code>bitfleet run plan.yaml --watch</code> submits one.
              </p>
            ) : (
              <RunTable runs={runs} />
            )}
          </div>
        </section>
        <section aria-labelledby="agents-title">
          <div class="wide">
            <h2 id="agents-title">Agents: {grouped(connected)} connected</h2>
            {agents.length === 0 ? (
              <p>
                None yet. <code>bitfleet agent start</code> on a machine connects it.
              </p>
            ) : (
              <AgentTable agents={agents} />
            )}
            <p class="quiet">{visibleLine(software)}</p>
          </div>
        </section>
      </div>
    </Page>
  )
}

function RunTable({ runs }: Pick<HomeProps, 'runs'>) {
  return (
    <div class="scroll" tabindex={0} role="group" aria-label="Runs">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Run</th>
            <th scope="col">State</th>
            <th scope="col">In a sentence</th>
            <th scope="col">Size</th>
            <th scope="col">Began</th>
          </tr>
        </thead>
        <tbody>
          {runs.map(({ run, verdict, sentence }) => (
            <tr>
              <th scope="row">
                <a href={`/runs/${encodeURIComponent(run.id)}`}>{visibleLine(run.name)}</a>
                <span class="params">{visibleLine(run.id)}</span>
              </th>
              <td>{verdict ? <VerdictBadge verdict={verdict} /> : run.state}</td>
              <td>{sentence ? visibleLine(sentence) : ''}</td>
              <td>
                {plural(run.cells, 'cell')} on {plural(run.agents, 'agent')}
              </td>
              <td>{visibleLine(run.createdAt)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function AgentTable({ agents }: Pick<HomeProps, 'agents'>) {
  return (
    <div class="scroll tall" tabindex={0} role="group" aria-label="Agents">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Agent</th>
            <th scope="col">State</th>
            <th scope="col">Processor</th>
            <th scope="col">Backends</th>
            <th scope="col">Labels</th>
          </tr>
        </thead>
        <tbody>
          {agents.map(({ agent, connected }) => (
            <tr>
              <th scope="row">
                {visibleLine(agent.name)}
                <span class="params">{visibleLine(agent.id)}</span>
              </th>
              <td>{connected ? 'connected' : <span class="quiet">away</span>}</td>
              <td>{visibleLine(agent.facts['cpu.brand'] ?? '')}</td>
              <td>
                {agent.backends
                  .filter(({ status }) => status === 'ready')
                  .map(({ id }) => visibleLine(id))
                  .join(', ')}
              </td>
              <td>
                {Object.entries(agent.labels)
                  .map(([key, value]) => visibleLine(`${key}=${value}`))
                  .join(', ')}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
