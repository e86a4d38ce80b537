import type { Notice } from '../format.ts'
import { visibleLine, visibleLog } from '../../../shared/visible.ts'
import { conditionText, plural } from '../wording.ts'
import type { View } from './view.ts'

/** What a reader must know. Inapplicable cells are expected in most plans and are folded. */
export function Notices({ view }: { view: View }) {
  const { notices, counts } = view.report.findings
  if (notices.length === 0) return null
  const grave = notices.filter(({ kind }) => kind !== 'inapplicable')
  const inapplicable = notices.filter(({ kind }) => kind === 'inapplicable')
  return (
    <section aria-labelledby="notices-title">
      <div class="wide">
        <h2 id="notices-title">Must be known</h2>
        {grave.length > 0 ? (
          <ul class="notices">
            {grave.map((notice) => (
              <Item notice={notice} view={view} />
            ))}
          </ul>
        ) : null}
        {inapplicable.length > 0 ? (
          <details class="aside">
            <summary>{plural(counts.cells.inapplicable, 'combination')} that cannot be computed, and why</summary>
            <ul class="notices">
              {inapplicable.map((notice) => (
                <Item notice={notice} view={view} />
              ))}
            </ul>
          </details>
        ) : null}
      </div>
    </section>
  )
}

function Item({ notice, view }: { notice: Notice; view: View }) {
  const { kind, heading, subject, text, cells } = notice
  const examples = notice.examples.flatMap((id) => view.cells.get(id) ?? [])
  const stderr = examples.find((cell) => cell.status !== 'completed' && cell.stderr)?.stderr
  return (
    <li class={`notice ${kind}`}>
      <b class="kind">{heading}</b>
      <div>
        <p>
          <code>{visibleLine(subject)}</code>: {visibleLine(text)}
        </p>
        {stderr ? (
          <figure class="log">
            <figcaption>Last lines of its log</figcaption>
            <pre tabindex={0}>{visibleLog(lastLines(stderr))}</pre>
          </figure>
        ) : null}
        {cells > 1 || (cells === 1 && kind !== 'incomplete' && kind !== 'partly') ? (
          <details>
            <summary>{plural(cells, 'cell')}</summary>
            <ul class="plain">
              {examples.map(({ workload, condition, agent, id }) => (
                <li>
                  {visibleLine(workload)} under {visibleLine(conditionText(condition))}
                  {view.severalAgents ? ` on ${visibleLine(view.names.get(agent) ?? agent)}` : ''}{' '}
                  <code class="quiet">{visibleLine(id)}</code>
                </li>
              ))}
            </ul>
            {cells > examples.length ? (
              <p class="quiet">And {cells - examples.length} more; report.csv lists all.</p>
            ) : null}
          </details>
        ) : null}
      </div>
    </li>
  )
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-8).join('\n').slice(-4000)
}
