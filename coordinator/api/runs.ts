import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import { streamSSE } from 'hono/streaming'
import type { Digest } from '../../shared/digest.ts'
import { BitfleetError } from '../../shared/errors.ts'
import { stylePolicy } from '../report/html/document.tsx'
import { type ReportFormat, renderReport, reportFormats } from '../report/files.ts'
import type { RunProgress } from '../scheduler/index.ts'
import type { Services } from '../services.ts'
import { answers, json } from './answers.ts'
import { identityOf, requireRole } from './guards.ts'
import { progressSchema, runParams, runSchema, submitSchema } from './schemas.ts'

const maxSubmissionBytes = 8 << 20
/** Followers of all runs together; each holds a connection. */
const maxFollowers = 256
/** Of one person or token. */
const maxFollowersEach = 64

const mediaTypes: Record<ReportFormat, string> = {
  json: 'application/json',
  html: 'text/html; charset=utf-8',
  md: 'text/markdown; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
}

export function addRunRoutes(app: OpenAPIHono, { store, scheduler }: Services, heartbeatMs: number): void {
  const submit = createRoute({
    ...{ method: 'post', path: '/api/runs', summary: 'Submit a plan' },
    middleware: [requireRole('operator'), bodyLimit({ maxSize: maxSubmissionBytes, onError: tooLarge })],
    request: { body: { content: { 'application/json': { schema: submitSchema } }, required: true } },
    responses: answers({ 201: json(progressSchema, 'the run, under way') }, 400, 401, 403, 404, 413, 503),
  })
  app.openapi(submit, async (c) => {
    const { inputs, ...request } = c.req.valid('json')
    const pinned = inputs.map((i) => ({ ...i, digest: i.digest as Digest }))
    const run = await scheduler.submit({ ...request, inputs: pinned }, identityOf(c).by)
    return c.json(describe(await scheduler.progress(run.id)), 201)
  })

  const list = createRoute({
    ...{ method: 'get', path: '/api/runs', summary: 'Runs, newest first' },
    responses: answers({ 200: json(z.object({ runs: z.array(runSchema) }), 'runs') }),
  })
  app.openapi(list, async (c) => c.json({ runs: await store.listRuns() }, 200))

  const get = createRoute({
    ...{ method: 'get', path: '/api/runs/{id}', summary: 'How far a run is' },
    request: { params: runParams },
    responses: answers({ 200: json(progressSchema, 'state, counts, and every cell') }, 400, 404),
  })
  app.openapi(get, async (c) => c.json(describe(await scheduler.progress(c.req.valid('param').id)), 200))

  const cancel = createRoute({
    ...{ method: 'post', path: '/api/runs/{id}/cancel', summary: 'End a run early; what completed is compared' },
    middleware: requireRole('operator'),
    request: { params: runParams },
    responses: answers({ 202: json(progressSchema, 'the run, ending') }, 400, 401, 403, 404, 409),
  })
  app.openapi(cancel, async (c) => {
    const { id } = c.req.valid('param')
    await scheduler.cancel(id, identityOf(c).by)
    return c.json(describe(await scheduler.progress(id)), 202)
  })

  let followers = 0
  const followersOf = new Map<string, number>()
  const follow = createRoute({
    ...{ method: 'get', path: '/api/runs/{id}/events', summary: 'Progress as it comes, until the run has ended' },
    description: 'Server-sent events `progress`, `execution` and `state`. `Last-Event-ID` goes on after that event.',
    request: { params: runParams },
    responses: answers(
      { 200: { description: 'events', content: { 'text/event-stream': { schema: z.string() } } } },
      400,
      404,
      503,
    ),
  })
  app.openapi(follow, async (c) => {
    const { id } = c.req.valid('param')
    // Answers 404 before the stream begins.
    await scheduler.progress(id)
    const { by } = identityOf(c)
    const own = followersOf.get(by) ?? 0
    if (followers >= maxFollowers || own >= maxFollowersEach) {
      const whose = own >= maxFollowersEach ? ` of ${by}` : ''
      throw new BitfleetError('unavailable', `${whose ? own : followers} followers${whose} are the most there can be`)
    }
    const last = Number(c.req.header('last-event-id') ?? 0)
    const gone = new AbortController()
    followers++
    followersOf.set(by, own + 1)
    c.header('X-Accel-Buffering', 'no')
    return streamSSE(c, async (stream) => {
      stream.onAbort(() => gone.abort())
      const isStillAllowed = c.get('isStillAllowed')
      const beat = setInterval(() => {
        // Whoever signed out, was removed, or whose token was revoked hears no more.
        if (!isStillAllowed()) return gone.abort()
        void stream.write(': alive\n\n').catch(() => gone.abort())
      }, heartbeatMs)
      try {
        for await (const { id: number, type, ...data } of scheduler.follow(
          id,
          Number.isSafeInteger(last) ? last : 0,
          gone.signal,
        )) {
          await stream.writeSSE({ id: String(number), event: type, data: JSON.stringify(data) })
        }
      } finally {
        clearInterval(beat)
        followers--
        const left = (followersOf.get(by) ?? 1) - 1
        if (left > 0) followersOf.set(by, left)
        else followersOf.delete(by)
      }
    })
  })

  const interim = createRoute({
    ...{ method: 'get', path: '/api/runs/{id}/interim-report.json', summary: 'A report of what a run has so far' },
    description: 'What has not been computed counts as cancelled. The run goes on.',
    middleware: requireRole('operator'),
    request: { params: runParams },
    responses: answers(
      { 200: { description: 'the report', content: { [mediaTypes.json]: { schema: z.string() } } } },
      400,
      401,
      403,
      404,
      409,
    ),
  })
  app.openapi(interim, async (c) => {
    const report = await scheduler.interimReport(c.req.valid('param').id)
    return c.body(renderReport(report, 'json'), 200, { 'Content-Type': mediaTypes.json })
  })

  for (const format of reportFormats) {
    const route = createRoute({
      ...{ method: 'get', path: `/api/runs/{id}/report.${format}`, summary: `The report as ${format}` },
      request: { params: runParams },
      responses: answers(
        { 200: { description: 'the report', content: { [mediaTypes[format]]: { schema: z.string() } } } },
        400,
        404,
        409,
      ),
    })
    app.openapi(route, async (c) => {
      const { id } = c.req.valid('param')
      const report = await store.loadReport(id)
      if (!report) {
        const { run } = await store.loadPlan(id)
        const why = run.failure === undefined ? `it is ${run.state}` : `it failed: ${run.failure}`
        throw new BitfleetError('conflict', `run ${id} has no report: ${why}`)
      }
      const headers: Record<string, string> = { 'Content-Type': mediaTypes[format] }
      if (format === 'html') {
        headers['Content-Security-Policy'] =
          `default-src 'none'; style-src ${stylePolicy}; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`
      }
      return c.body(renderReport(report, format), 200, headers)
    })
  }
}

function tooLarge(): never {
  throw new BitfleetError('limit', `a submission is at most ${maxSubmissionBytes} bytes; upload arrays as artifacts`)
}

function describe({ run, counts, cells }: RunProgress) {
  const { id, name, state, createdAt, endedAt, failure, planDigest, planNotes } = run
  return {
    ...{ id, name, state, createdAt, planDigest, notes: [...planNotes] },
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(failure === undefined ? {} : { failure }),
    ...{ total: counts.total, waiting: counts.waiting, running: counts.running, ended: { ...counts.ended } },
    cells: cells.map(({ cell, executions }) => ({
      ...{ id: cell.id, agent: cell.agent, workload: cell.workload, seed: cell.seed, params: { ...cell.params } },
      ...{ condition: cell.condition, executions: [...executions] },
    })),
  }
}
