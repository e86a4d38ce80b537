import { type Context, Hono } from 'hono'
import { isBitfleetError } from '../../shared/errors.ts'
import { stylePolicy } from '../report/html/document.tsx'
import type { Report } from '../report/format.ts'
import type { Services } from '../services.ts'
import { Home, type ListedRun } from './home.tsx'
import { icon, liveScript } from './live-script.ts'
import { Missing, Page, pageText } from './page.tsx'
import { RunProgressPage, RunReportPage } from './run.tsx'

const policy = [
  "default-src 'none'",
  `style-src ${stylePolicy}`,
  "script-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const maxListedRuns = 100

/** The coordinator's pages: whole without script, which only keeps what is under way up to date. */
export function createWeb({ store, scheduler, software }: Services): Hono {
  const app = new Hono()
  const verdictOf = rememberVerdicts((id) => store.loadReport(id))

  app.get('/', async (c) => {
    const runs = (await store.listRuns()).slice(0, maxListedRuns)
    const listed: ListedRun[] = []
    for (const run of runs)
      listed.push({ run, ...(run.state === 'running' || run.state === 'comparing' ? {} : await verdictOf(run.id)) })
    const connected = new Set(scheduler.agents().map(({ id }) => id))
    const agents = (await store.listAgents()).map((agent) => ({ agent, connected: connected.has(agent.id) }))
    return answer(c, <Home runs={listed} agents={agents} software={software} />)
  })

  app.get('/runs/:id', async (c) => {
    const id = c.req.param('id')
    try {
      const report = await store.loadReport(id)
      if (report) return answer(c, <RunReportPage report={report} />)
      return answer(c, <RunProgressPage progress={await scheduler.progress(id)} />)
    } catch (error) {
      if (!isBitfleetError(error) || error.code !== 'not-found') throw error
      return answer(
        c,
        <Page title="No such run">
          <Missing what={`There is no run ${id}.`} />
        </Page>,
        404,
      )
    }
  })

  app.get('/live.js', (c) => c.body(liveScript, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }))
  app.get('/icon.svg', (c) => c.body(icon, 200, { 'Content-Type': 'image/svg+xml' }))
  return app
}

function answer(c: Context, page: unknown, status: 200 | 404 = 200): Response {
  return c.body(pageText(page), status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': policy,
  })
}

const maxRemembered = 1000

/** A report does not change once it is there, and is long to read for its verdict. */
function rememberVerdicts(load: (run: string) => Promise<Report | undefined>) {
  const known = new Map<string, Pick<Report, 'verdict' | 'sentence'>>()
  return async (run: string): Promise<Partial<Pick<Report, 'verdict' | 'sentence'>>> => {
    const found = known.get(run)
    if (found) return found
    const report = await load(run)
    if (!report) return {}
    const { verdict, sentence } = report
    if (known.size >= maxRemembered) known.clear()
    known.set(run, { verdict, sentence })
    return { verdict, sentence }
  }
}
