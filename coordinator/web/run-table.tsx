import type { Report } from '../report/format.ts'
import { VerdictBadge } from '../report/html/letter.tsx'
import { visibleLine } from '../../shared/visible.ts'
import { plural } from '../report/wording.ts'
import type { RunSummary } from '../store/index.ts'
import { Moment } from './parts.tsx'

export type ListedRun = { readonly run: RunSummary } & Partial<Pick<Report, 'verdict' | 'sentence'>>

export function RunTable({ runs }: { runs: readonly ListedRun[] }) {
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
              <th scope="row" class="name">
                <a href={`/runs/${encodeURIComponent(run.id)}`}>{visibleLine(run.name) || 'without a name'}</a>
                <span class="params">{visibleLine(run.id)}</span>
              </th>
              <td>{verdict ? <VerdictBadge verdict={verdict} /> : run.state}</td>
              <td>{sentence ? visibleLine(sentence) : ''}</td>
              <td class="when">
                {plural(run.cells, 'cell')} on {plural(run.agents, 'agent')}
              </td>
              <td>
                <Moment at={run.createdAt} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
