import { type Notice, collectNotices, noticeHeadings } from '../notices.ts'
import { visibleLine, visibleLog } from '../../../shared/visible.ts'
import { conditionText, plural } from '../wording.ts'
import type { View } from './view.ts'

/** What must not be silent. Unsupported cells are expected in most plans and are folded. */
export function Notices({ view }: { view: View }) {
  const notices = collectNotices(view.report)
  if (notices.length === 0) return null
  const grave = notices.filter(({ kind }) => kind !== 'unsupported')
  const unsupported = notices.filter(({ kind }) => kind === 'unsupported')
  const count = unsupported.reduce((sum, { cells }) => sum + cells, 0)
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
        {unsupported.length > 0 ? (
          <details class="aside">
            <summary>{plural(count, 'unsupported cell')}, and why</summary>
            <ul class="notices">
              {unsupported.map((notice) => (
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
  const { kind, subject, message, cells, examples } = notice
  const stderr = examples.find((cell) => cell.status !== 'completed' && cell.stderr)?.stderr
  return (
    <li class={`notice ${kind}`}>
      <b class="kind">{noticeHeadings[kind]}</b>
      <div>
        <p>
          <code>{visibleLine(subject)}</code>: {visibleLine(message)}
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
