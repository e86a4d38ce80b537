import { type Identity, includesRole } from '../people/index.ts'
import type { Report } from '../report/format.ts'
import { ReportBody } from '../report/html/index.tsx'
import { visible, visibleLine } from '../../shared/visible.ts'
import { grouped, paramsText } from '../report/wording.ts'
import type { CellProgress, RunProgress } from '../scheduler/index.ts'
import { Page } from './page.tsx'

/** A finished run: its report as it would be exported, with the other forms a click away. */
export function RunReportPage({ report, identity }: { report: Report; identity: Identity }) {
  const base = `/api/runs/${encodeURIComponent(report.run.id)}/report`
  const nav = ['html', 'json', 'csv', 'md'].map((format) => <a href={`${base}.${format}`}>{format}</a>)
  return (
    <Page title={`${report.run.name}: ${report.verdict}`} identity={identity} section="runs" nav={nav}>
      <ReportBody report={report} />
    </Page>
  )
}

const underWay = new Set<string>(['running', 'comparing'])

export interface RunProgressProps {
  readonly progress: RunProgress
  readonly identity: Identity
  /** Its end was just asked for. */
  readonly cancelling?: boolean
}

/** A run without a report: how far it is, or why there will be none. */
export function RunProgressPage({ progress, identity, cancelling = false }: RunProgressProps) {
  const { run, counts, cells } = progress
  const live = underWay.has(run.state)
  const ended = counts.total - counts.waiting - counts.running
  return (
    <Page title={`${run.name}: ${run.state}`} identity={identity} section="runs">
      <section
        id="live"
        aria-labelledby="run-title"
        {...(live ? { 'data-events': `/api/runs/${encodeURIComponent(run.id)}/events` } : {})}
      >
        <div class="wide">
          <h1 id="run-title">
            {visibleLine(run.name)}: {run.state}
          </h1>
          {run.failure === undefined ? null : <p class="caution">{visibleLine(run.failure)}</p>}
          <p role="status">
            {grouped(ended)} of {grouped(counts.total)} executions ended
            {counts.running > 0 ? `, ${grouped(counts.running)} running` : ''}
            {Object.entries(counts.ended)
              .filter(([status, count]) => status !== 'completed' && count)
              .map(([status, count]) => `, ${grouped(count ?? 0)} ${status}`)
              .join('')}
            .
          </p>
          <progress max={Math.max(1, counts.total)} value={ended} aria-label="Executions that ended">
            {ended} of {counts.total}
          </progress>
          <Workloads cells={cells} />
          {run.state === 'running' && includesRole(identity.role, 'operator') ? (
            <Cancel run={run.id} asked={cancelling} />
          ) : null}
          {live ? <p class="quiet">This page keeps itself up to date; without script, reload it.</p> : null}
          <details class="aside">
            <summary>Plan</summary>
            <pre tabindex={0}>{visible(run.planText).trimEnd()}</pre>
          </details>
          {run.planNotes.map((note) => (
            <p class="caution">{visibleLine(note)}</p>
          ))}
        </div>
      </section>
    </Page>
  )
}

/** In a fold, so that one click ends nothing. */
function Cancel({ run, asked }: { run: string; asked: boolean }) {
  if (asked) return <p role="status">It is being cancelled; what runs now may end first.</p>
  return (
    <details class="aside">
      <summary>Cancel this run</summary>
      <form method="post" action={`/runs/${encodeURIComponent(run)}/cancel`}>
        <p>What has completed is compared; nothing more is begun.</p>
        <button class="danger">Cancel the run</button>
      </form>
    </details>
  )
}

/** A row for each workload: cells are too many to list while they run. */
function Workloads({ cells }: { cells: readonly CellProgress[] }) {
  const rows = new Map<string, { workload: string; params: string; statuses: string[] }>()
  for (const { cell, executions } of cells) {
    const params = paramsText(cell.params)
    const key = `${cell.workload} ${params} ${cell.seed}`
    const row = rows.get(key) ?? { workload: cell.workload, params, statuses: [] }
    row.statuses.push(...executions)
    rows.set(key, row)
  }
  return (
    <div class="scroll" tabindex={0} role="group" aria-label="Workloads">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Workload</th>
            <th scope="col" class="number">
              Executions ended
            </th>
            <th scope="col">Of them</th>
          </tr>
        </thead>
        <tbody>
          {[...rows.values()].map(({ workload, params, statuses }) => {
            const ended = statuses.filter((status) => status !== 'waiting' && status !== 'running')
            const troubled = new Map<string, number>()
            for (const status of ended)
              if (status !== 'completed') troubled.set(status, (troubled.get(status) ?? 0) + 1)
            return (
              <tr>
                <th scope="row">
                  {visibleLine(workload)} <span class="params">{visibleLine(params)}</span>
                </th>
                <td class="number">
                  {grouped(ended.length)} of {grouped(statuses.length)}
                </td>
                <td>{[...troubled].map(([status, count]) => `${grouped(count)} ${status}`).join(', ')}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}
