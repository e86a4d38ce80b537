import type { Identity } from '../people/index.ts'
import { visibleLine } from '../../shared/visible.ts'
import { grouped, plural } from '../report/wording.ts'
import { Page } from './page.tsx'
import { addressOf, Pager } from './parts.tsx'
import { type ListedRun, RunTable } from './run-table.tsx'

export interface HomeProps {
  readonly identity: Identity
  readonly runs: readonly ListedRun[]
  readonly total: number
  readonly offset: number
  readonly pageSize: number
  /** What was searched for. */
  readonly text: string
  readonly connected: number
  readonly software: string
}

const refreshSeconds = 5

export function Home({ identity, runs, total, offset, pageSize, text, connected, software }: HomeProps) {
  return (
    <Page title="Runs" identity={identity} section="runs">
      <section aria-labelledby="runs-title">
        <div class="wide">
          <h1 id="runs-title">Do your machines compute the same bits?</h1>
          <form class="search" role="search" method="get" action="/">
            <label>
              Runs by name or id
              <input type="search" name="q" value={text} maxlength={200} />
            </label>
            <button class="plain">Search</button>
            {text === '' ? null : <a href="/">All runs</a>}
          </form>
          <div id="live" data-refresh={refreshSeconds}>
            {runs.length > 0 ? (
              <RunTable runs={runs} />
            ) : total > 0 ? (
              <p>There are no runs as far back as this.</p>
            ) : text !== '' ? (
              <p>No run has “{visibleLine(text)}” in its name or id.</p>
            ) : (
              <p>
                No run yet. <code>bitfleet run plan.yaml --watch</code> submits one.
              </p>
            )}
            <Pager
              label="Pages of runs"
              shown={runs.length}
              {...{ offset, total, size: pageSize }}
              address={(from) => addressOf('/', { q: text, from })}
            />
            <p class="quiet">
              <a href="/fleet">{plural(connected, 'agent')}</a> connected
              {total > 0 ? ` · ${runsText(total, text)}` : ''} · {visibleLine(software)}
            </p>
          </div>
        </div>
      </section>
    </Page>
  )
}

function runsText(total: number, text: string): string {
  return text === '' ? `${plural(total, 'run')} in all` : `${grouped(total)} found`
}
