import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { BitfleetError, isBitfleetError, messageOf } from '../../shared/errors.ts'
import { statusOf } from '../api/errors.ts'
import { identityOf, requireRole } from '../api/guards.ts'
import { checkUrl } from '../api/request-url.ts'
import { auditLine } from '../audit.ts'
import { parseLabels } from '../../shared/labels.ts'
import { visibleLine } from '../../shared/visible.ts'
import type { Report } from '../report/format.ts'
import type { FleetMember } from '../fleet.ts'
import type { Services } from '../services.ts'
import { journalPath, readJournalTail, type RunQuery } from '../store/index.ts'
import { AgentPage } from './agent.tsx'
import { AuditPage } from './audit.tsx'
import { FleetPage, matches } from './fleet.tsx'
import { linesOf, maxFormBytes, offsetOf, readForm } from './forms.ts'
import { Home } from './home.tsx'
import { icon, liveScript } from './live-script.ts'
import { answer, Message } from './page.tsx'
import { RunProgressPage, RunReportPage } from './run.tsx'
import type { ListedRun } from './run-table.tsx'
import { addSignInRoutes } from './sign-in-routes.tsx'

/** Rows of a page. */
const pageSize = 50
/** On an agent's page, which has more to show. */
const runsOfAgent = 10

export interface WebOptions {
  readonly log?: (message: string) => void
}

/** The coordinator's pages: whole without script, which only keeps what is under way up to date. */
export function createWeb(services: Services, { log = () => {} }: WebOptions = {}): Hono {
  const { store, scheduler, fleet, software } = services
  const app = new Hono()
  const verdictOf = rememberVerdicts((id) => store.loadReport(id))
  const listed = async (query: RunQuery): Promise<{ runs: ListedRun[]; total: number }> => {
    const { runs, total } = await store.findRuns(query)
    const withVerdicts: ListedRun[] = []
    for (const run of runs) {
      const live = run.state === 'running' || run.state === 'comparing'
      withVerdicts.push({ run, ...(live ? {} : await verdictOf(run.id)) })
    }
    return { runs: withVerdicts, total }
  }

  app.use(checkUrl('pages'))
  app.use(bodyLimit({ maxSize: maxFormBytes, onError: formTooLarge }))
  app.onError((error, c) => {
    const known = isBitfleetError(error)
    const status = statusOf(error)
    if (status === 500) log(`${c.req.method} ${c.req.path}: ${error.stack}`)
    const title = status === 404 ? 'There is no such thing' : status === 403 ? 'Not allowed' : 'That did not work'
    return answer(
      c,
      <Message title={title} identity={c.get('identity')}>
        <p>{known ? visibleLine(error.message) : "An error of the coordinator's own; its log says more."}</p>
      </Message>,
      status,
    )
  })

  addSignInRoutes(app, services)

  app.get('/', async (c) => {
    const [text, offset] = [searchOf(c), offsetOf(c.req.query('from')) ?? 0]
    const found = await listed({ text, offset, limit: pageSize })
    const connected = scheduler.agents().length
    const identity = identityOf(c)
    return answer(c, <Home {...found} {...{ identity, offset, pageSize, text, connected, software }} />)
  })

  app.get('/runs/:id', async (c) => {
    const id = c.req.param('id')
    const identity = identityOf(c)
    const report = await store.loadReport(id)
    if (report) return answer(c, <RunReportPage report={report} identity={identity} />)
    const cancelling = c.req.query('cancelling') !== undefined
    const progress = await scheduler.progress(id)
    return answer(c, <RunProgressPage {...{ progress, identity, cancelling }} />)
  })
  app.post('/runs/:id/cancel', requireRole('operator'), async (c) => {
    const id = c.req.param('id')
    await scheduler.cancel(id, identityOf(c).by)
    return c.redirect(`/runs/${encodeURIComponent(id)}?cancelling`, 303)
  })

  app.get('/fleet', async (c) => {
    const [text, offset] = [searchOf(c), offsetOf(c.req.query('from')) ?? 0]
    const found = (await fleet.list()).filter((member) => text === '' || matches(member, text))
    const members = found.slice(offset, offset + pageSize)
    const connected = found.filter((member) => member.connected).length
    const identity = identityOf(c)
    return answer(c, <FleetPage {...{ identity, members, total: found.length, connected, offset, pageSize, text }} />)
  })

  const agentPage = async (c: Context, id: string, wrong: { problem?: string; labelText?: string } = {}) => {
    const member = await findMember(id)
    const offset = offsetOf(c.req.query('from')) ?? 0
    const runs = await listed({ agent: id, offset, limit: runsOfAgent })
    return <AgentPage {...runs} {...wrong} {...{ identity: identityOf(c), member, offset, pageSize: runsOfAgent }} />
  }
  const findMember = async (id: string): Promise<FleetMember> => {
    const member = (await fleet.list()).find((each) => each.id === id)
    if (!member) throw new BitfleetError('not-found', `there is no agent ${id}`)
    return member
  }
  /** Does what a form asks; what is wrong with it is said on the agent's page. */
  const change = (deed: (c: Context, id: string, field: (name: string) => string) => Promise<void>) =>
    async function changeAgent(c: Context) {
      const id = c.req.param('id') ?? ''
      const field = await readForm(c)
      try {
        await deed(c, id, field)
      } catch (error) {
        if (!isBitfleetError(error) || error.code === 'not-found') throw error
        const labelText = field('labels')
        const wrong = { problem: messageOf(error), ...(labelText === '' ? {} : { labelText }) }
        return answer(c, await agentPage(c, id, wrong), statusOf(error))
      }
      return c.redirect(`/fleet/${encodeURIComponent(id)}`, 303)
    }
  const admin = requireRole('admin')
  app.get('/fleet/:id', async (c) => answer(c, await agentPage(c, c.req.param('id'))))
  app.post(
    '/fleet/:id/approve',
    admin,
    change((c, id) => fleet.approve(id, identityOf(c).by)),
  )
  app.post(
    '/fleet/:id/unlock',
    admin,
    change((c, id) => fleet.unlock(id, identityOf(c).by)),
  )
  app.post(
    '/fleet/:id/revoke',
    admin,
    change(async (c, id, field) => {
      const reason = field('reason').trim()
      if (reason === '' || reason.length > 200) throw new BitfleetError('usage', 'a reason has 1 to 200 characters')
      await fleet.revoke(id, reason, identityOf(c).by)
    }),
  )
  app.post(
    '/fleet/:id/label',
    admin,
    change((c, id, field) => fleet.label(id, parseLabels(linesOf(field('labels'))), identityOf(c).by)),
  )

  app.get('/audit', admin, async (c) => {
    const all = c.req.query('all') !== undefined
    const before = offsetOf(c.req.query('before'))
    const keep = ({ kind }: { kind: string }) => all || kind !== 'execution'
    const found = await readJournalTail(journalPath(store.dir), { before, wanted: pageSize, keep })
    const deeds = found.records.map(auditLine)
    return answer(c, <AuditPage {...{ identity: identityOf(c), deeds, all, before, next: found.before }} />)
  })

  const script = { 'Content-Type': 'text/javascript; charset=utf-8', 'Cache-Control': 'no-cache' }
  app.get('/live.js', (c) => c.body(liveScript, 200, script))
  app.get('/icon.svg', (c) => c.body(icon, 200, { 'Content-Type': 'image/svg+xml', 'Cache-Control': 'max-age=86400' }))

  app.get('*', (c) => {
    // What is not there of the API is said in the API's way.
    if (c.req.path.startsWith('/api/')) return c.notFound()
    throw new BitfleetError('not-found', `there is nothing at ${c.req.path}`)
  })
  return app
}

/** As the pages show it: what is searched for is often copied from them. */
function searchOf(c: Context): string {
  return visibleLine(c.req.query('q') ?? '').slice(0, 200)
}

function formTooLarge(): never {
  throw new BitfleetError('limit', `a form is at most ${maxFormBytes} bytes`)
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
