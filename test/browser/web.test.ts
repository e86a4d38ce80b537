import { AxeBuilder } from '@axe-core/playwright'
import { createAdaptorServer } from '@hono/node-server'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Report } from '../../coordinator/report/format.ts'
import type { RunProgress } from '../../coordinator/scheduler/index.ts'
import type { Services } from '../../coordinator/services.ts'
import type { RunSummary } from '../../coordinator/store/index.ts'
import { createWeb } from '../../coordinator/web/index.tsx'
import { BitfleetError } from '../../shared/errors.ts'
import { sampleReport, sampleRun } from '../sample-report.ts'
import { launchChromium, openWatched, withoutChromium } from './chromium.ts'

const data = sampleRun().data()
const report = sampleReport()

/** A coordinator with one run that goes as far as the test says. */
function createStage() {
  let ended = 0
  let finished: Report | undefined
  let wake = () => {}
  const progress = (): RunProgress => ({
    run: { ...data.run, state: 'running' },
    counts: { total: 20, waiting: 19 - ended, running: 1, ended: { completed: ended } },
    cells: data.cells
      .slice(0, 10)
      .map((cell, i) => ({ cell, executions: i < ended / 2 ? ['completed', 'completed'] : ['waiting', 'waiting'] })),
  })
  const known = (id: string) => {
    if (id !== data.run.id) throw new BitfleetError('not-found', `there is no run ${id}`)
  }
  const summary = (): RunSummary => ({
    id: data.run.id,
    name: data.run.name,
    state: finished ? 'done' : 'running',
    createdAt: data.run.createdAt,
    cells: 10,
    agents: 2,
  })
  const services: Pick<Services, 'software'> & {
    store: Pick<Services['store'], 'listRuns' | 'listAgents' | 'loadReport'>
    scheduler: Pick<Services['scheduler'], 'agents' | 'progress'>
  } = {
    software: 'bitfleet 0.1.0',
    store: {
      listRuns: async () => [summary()],
      listAgents: async () => [...data.run.agents],
      async loadReport(id) {
        known(id)
        return finished
      },
    },
    scheduler: {
      agents: () => [...data.run.agents.slice(0, 1)],
      async progress(id) {
        known(id)
        return progress()
      },
    },
  }
  const app = new Hono()
  app.get('/api/runs/:id/events', (c) =>
    streamSSE(c, async (stream) => {
      while (!stream.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve
          stream.onAbort(resolve)
        })
        if (stream.aborted) return
        const event = finished ? { event: 'state', data: '{"state":"done"}' } : { event: 'progress', data: '{}' }
        await stream.writeSSE(event)
      }
    }),
  )
  // The pages ask nothing of the services beyond what stands above.
  app.route('/', createWeb(services as Services))
  return {
    app,
    advance(count: number) {
      ended = count
      wake()
    },
    finish() {
      finished = report
      wake()
    },
  }
}

describe('the pages', () => {
  it('send a policy that allows their own style and script alone', async () => {
    const { app } = createStage()
    const answer = await app.request('/')
    expect(answer.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'self'; connect-src 'self'/,
    )
    const text = await answer.text()
    expect(text).not.toMatch(/<script(?! src="\/live\.js")|\son[a-z]+=|<b>rack/)
    expect(text).toContain('&lt;b&gt;rack|2&lt;/b&gt;')
  })

  it('answer 404 for a run there is not, saying its name as text', async () => {
    const { app } = createStage()
    const answer = await app.request(`/runs/${encodeURIComponent('<script>1</script>')}`)
    expect(answer.status).toBe(404)
    expect(await answer.text()).toContain('&lt;script&gt;')
  })
})

describe.skipIf(withoutChromium('the pages in a browser'))('the pages in a browser', () => {
  let browser: Browser
  let server: Server
  let url: string
  const stage = createStage()
  beforeAll(async () => {
    browser = await launchChromium()
    server = createAdaptorServer({ fetch: stage.app.fetch }) as Server
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(async () => {
    await browser?.close()
    server?.closeAllConnections()
    server?.close()
  })

  it('show runs and agents', async () => {
    const { context, page, complaints } = await openWatched(browser, `${url}/`)
    expect(await page.getByRole('link', { name: 'sample' }).getAttribute('href')).toBe(`/runs/${data.run.id}`)
    expect(await page.getByRole('row', { name: /rack-1/ }).innerText()).toContain('connected')
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([])
    expect(complaints).toEqual([])
    await context.close()
  })

  it('follow a run to its report', async () => {
    const { context, page, complaints } = await openWatched(browser, `${url}/runs/${data.run.id}`)
    const bar = page.getByRole('progressbar')
    expect(await bar.getAttribute('value')).toBe('0')
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([])
    stage.advance(8)
    await page.getByText('8 of 20 executions ended').waitFor()
    expect(await bar.getAttribute('value')).toBe('8')
    stage.finish()
    await page.getByRole('heading', { level: 1, name: report.sentence }).waitFor()
    expect(await page.getByRole('link', { name: 'csv' }).getAttribute('href')).toBe(
      `/api/runs/${data.run.id}/report.csv`,
    )
    expect(complaints).toEqual([])
    await context.close()
  })
})
