import { AxeBuilder } from '@axe-core/playwright'
import { createAdaptorServer } from '@hono/node-server'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createWebStage, passwords, type WebStage } from '../web-stage.ts'
import { launchChromium, openWatched, type Viewport, type Watched, withoutChromium } from './chromium.ts'

describe.skipIf(withoutChromium('the pages in a browser'))('the pages in a browser', () => {
  let browser: Browser
  let stage: WebStage
  let server: Server
  let url: string
  const open: Watched[] = []
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser?.close())
  beforeEach(async () => {
    stage = await createWebStage()
    server = createAdaptorServer({ fetch: stage.app.fetch }) as Server
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(async () => {
    for (const { context } of open.splice(0)) await context.close()
    server.closeAllConnections()
    server.close()
    await stage.close()
  })

  const visit = async (path: string, viewport?: Viewport) => {
    const watched = await openWatched(browser, url + path, viewport)
    open.push(watched)
    return watched
  }
  const signIn = async (page: Page, name: keyof typeof passwords, password: string = passwords[name]) => {
    await page.getByLabel('Name').fill(name)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }
  const visitAs = async (name: keyof typeof passwords, path: string, viewport?: Viewport) => {
    const watched = await visit(path, viewport)
    await signIn(watched.page, name)
    await watched.page.getByRole('button', { name: 'Sign out' }).waitFor()
    return watched
  }

  it('ask who it is, turn a wrong password away, and go on to what was wanted', async () => {
    const { page, complaints } = await visit('/fleet?q=rack')
    expect(new URL(page.url()).pathname).toBe('/sign-in')
    // The keyboard is where it is needed.
    expect(await page.evaluate('document.activeElement?.getAttribute("name")')).toBe('name')
    await signIn(page, 'victor', 'not the password')
    expect(await page.getByRole('alert').innerText()).toBe('The name or the password is wrong.')
    expect(await page.getByLabel('Name').inputValue()).toBe('victor')
    expect(await page.evaluate('document.activeElement?.getAttribute("name")')).toBe('password')
    await page.keyboard.type(passwords.victor)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'Fleet' }).waitFor()
    expect(page.url()).toBe(`${url}/fleet?q=rack`)
    expect(complaints.filter((line) => !line.includes('403 (Forbidden)'))).toEqual([])
    expect(await page.evaluate('document.cookie')).toBe('')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor()
    await page.goBack()
    await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor()
  })

  it('follow a run to its report', async () => {
    const { page, complaints } = await visitAs('oscar', `/runs/${stage.runId}`)
    const bar = page.getByRole('progressbar')
    expect(await bar.getAttribute('value')).toBe('0')
    stage.advance(8)
    await page.getByText('8 of 20 executions ended').waitFor()
    expect(await bar.getAttribute('value')).toBe('8')
    await page.getByText('Cancel this run').click()
    await page.getByRole('button', { name: 'Cancel the run' }).click()
    await page.getByText('It is being cancelled').waitFor()
    expect(stage.asked).toEqual([`cancel ${stage.runId} by person:oscar`])
    stage.finish()
    await page.getByRole('heading', { level: 1, name: stage.report.sentence }).waitFor()
    expect(await page.getByRole('link', { name: 'csv' }).getAttribute('href')).toBe(
      `/api/runs/${stage.runId}/report.csv`,
    )
    const [download] = await Promise.all([
      page.waitForResponse((answer) => answer.url().endsWith('report.json')),
      page.evaluate(`fetch('/api/runs/${stage.runId}/report.json')`),
    ])
    expect(download.status()).toBe(200)
    expect(complaints).toEqual([])
  })

  it('show the fleet as it changes, and let an admin change it', async () => {
    const { page, complaints } = await visitAs('alice', '/fleet')
    const row = (name: RegExp) => page.getByRole('row', { name })
    expect(await row(/rack-1/).innerText()).toMatch(
      /enrolled[\s\S]*connected[\s\S]*site=lab-3[\s\S]*H100[\s\S]*2 not ready/,
    )
    expect(await row(/rack-2/).innerText()).toMatch(/locked\s+its state folder was copied[\s\S]*away/)
    await row(/rack-1/)
      .getByText('2 not ready')
      .click()
    expect(await row(/rack-1/).innerText()).toContain('libblis.so.4 is not installed')
    stage.members[0] = { ...(stage.members[0] as WebStage['members'][0]), connected: false }
    await row(/rack-1/)
      .getByText('away')
      .waitFor()
    // What was open stays so.
    expect(await row(/rack-1/).innerText()).toContain('libblis.so.4 is not installed')

    await page.getByRole('link', { name: 'newcomer' }).click()
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.getByText('enrolled', { exact: true }).waitFor()
    await page.getByLabel('Labels', { exact: true }).fill('site lab')
    await page.getByRole('button', { name: 'Save the labels' }).click()
    expect(await page.getByRole('alert').innerText()).toContain('not KEY=VALUE')
    await page.getByLabel('Labels', { exact: true }).fill('site=lab-4\nrack=7')
    await page.getByRole('button', { name: 'Save the labels' }).click()
    await page.getByText('site=lab-4').first().waitFor()
    await page.getByText('Revoke this agent').click()
    await page.getByLabel('Reason').fill('sold')
    await page.getByRole('button', { name: 'Revoke' }).click()
    await page.getByText('revoked', { exact: true }).waitFor()
    expect(stage.asked.at(-1)).toBe('revoke a-3 by person:alice: sold')
    expect(complaints.filter((line) => !line.includes('400 (Bad Request)'))).toEqual([])
  })

  it('run, obey and fetch nothing that an agent says', async () => {
    const { page, complaints, requests } = await visitAs('alice', '/fleet')
    for (const path of ['/fleet', '/fleet/a-5', '/audit']) {
      await page.goto(url + path)
      await page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true })")
      expect(await page.evaluate('globalThis.hostile')).toBeUndefined()
      expect(await page.locator('main :is(script, img, iframe, object, svg)').count()).toBe(0)
      expect(await page.locator('main').innerText()).toContain('<script>window.hostile=1</script>')
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(1400)
    }
    expect(complaints).toEqual([])
    expect(requests.filter((asked) => !asked.startsWith(`${url}/`))).toEqual([])
  })

  it('take a session from a link on another site, and no form from there', async () => {
    const { page } = await visitAs('oscar', '/')
    // Another site to a browser, which `localhost` is beside 127.0.0.1.
    const elsewhere = createAdaptorServer({
      fetch: () =>
        new Response(
          `<a href="${url}/fleet">fleet</a><form method="post" action="${url}/runs/${stage.runId}/cancel"><button>go</button></form>`,
          { headers: { 'Content-Type': 'text/html' } },
        ),
    }) as Server
    elsewhere.listen(0, 'localhost')
    await once(elsewhere, 'listening')
    const other = `http://localhost:${(elsewhere.address() as AddressInfo).port}/`
    await page.goto(other)
    await page.getByRole('link', { name: 'fleet' }).click()
    await page.getByRole('heading', { level: 1, name: 'Fleet' }).waitFor()
    await page.goto(other)
    await page.getByRole('button', { name: 'go' }).click()
    await page.getByText('another origin').waitFor()
    expect(stage.asked).toEqual([])
    // Not signed in, such a link leads to the form, and not around in a circle.
    await page.context().clearCookies()
    await page.goto(other)
    await page.getByRole('link', { name: 'fleet' }).click()
    await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor()
    elsewhere.closeAllConnections()
    elsewhere.close()
  })

  it('open by a sign-in link, once', async () => {
    const local = stage.people.bearer('the token of the API')
    const { secret } = await stage.people.createLink(local as NonNullable<typeof local>, '/fleet')
    const { page } = await visit(`/sign-in/${secret}`)
    await page.getByRole('heading', { level: 1, name: 'Fleet' }).waitFor()
    expect(page.url()).toBe(`${url}/fleet`)
    const second = await visit(`/sign-in/${secret}`)
    await second.page.getByText('This link does not work any more').first().waitFor()
  })

  it('are whole without script', async () => {
    const { page } = await visitAs('alice', '/fleet/a-3', { script: false })
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.getByText('enrolled', { exact: true }).waitFor()
    await page.getByRole('link', { name: 'Runs', exact: true }).click()
    await page.getByLabel('Runs by name or id').fill('sample')
    await page.getByRole('button', { name: 'Search' }).click()
    expect(await page.getByRole('link', { name: 'sample' }).getAttribute('href')).toBe(`/runs/${stage.runId}`)
  })

  it('remember the theme that was chosen', async () => {
    const { page } = await visitAs('victor', '/', { theme: 'light' })
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    const light = await background()
    await page.getByRole('radio', { name: 'dark' }).check()
    const dark = await background()
    expect(dark).not.toBe(light)
    await page.getByRole('link', { name: 'Fleet', exact: true }).click()
    await page.getByRole('heading', { level: 1, name: 'Fleet' }).waitFor()
    expect(await background()).toBe(dark)
  })

  it.each(['light', 'dark'] as const)('meet WCAG 2.2 AA in the %s theme, and fit a narrow screen', async (theme) => {
    const { page } = await visit('/sign-in', { theme })
    await signIn(page, 'alice', 'not the password')
    const found: string[] = []
    const check = async () => {
      await page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true })")
      found.push(...(await violations(page)))
      await page.setViewportSize({ width: 400, height: 900 })
      const width = await page.evaluate('document.documentElement.scrollWidth')
      if (width !== 400) found.push(`${page.url()} is ${String(width)} wide on a screen of 400`)
      await page.setViewportSize({ width: 1400, height: 900 })
    }
    await check()
    await signIn(page, 'alice')
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
    for (const path of [
      '/',
      '/?q=nothing',
      `/runs/${stage.runId}`,
      '/fleet',
      '/fleet/a-1',
      '/fleet/a-3',
      '/fleet/a-5',
    ]) {
      await page.goto(url + path)
      await check()
    }
    for (const path of ['/audit', '/account', '/account?changed', '/none', '/sign-in/spent']) {
      await page.goto(url + path)
      await check()
    }
    expect(found).toEqual([])
  })
})

/** What axe finds, in a line each. */
async function violations(page: Page): Promise<string[]> {
  const found = await new AxeBuilder({ page })
    .options({ resultTypes: ['violations'] })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze()
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.slice(0, 5).map(({ html, failureSummary }) => `${page.url()} ${id}: ${html} ${failureSummary ?? ''}`),
  )
}
