import { AxeBuilder } from '@axe-core/playwright'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { renderHtml } from '../../coordinator/report/html/index.tsx'
import { hostileReport } from '../hostile-report.ts'
import { sampleReport } from '../sample-report.ts'
import { launchChromium, openWatched, withoutChromium } from './chromium.ts'

describe.skipIf(withoutChromium('report.html in a browser'))('report.html in a browser', () => {
  let dir: string
  let browser: Browser
  let url: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'bitfleet-browser-'))
    const path = join(dir, 'report.html')
    await writeFile(path, renderHtml(sampleReport()))
    url = pathToFileURL(path).href
    browser = await launchChromium()
  })
  afterAll(async () => {
    await browser?.close()
    await rm(dir, { recursive: true, force: true })
  })

  it('asks the network for nothing and has nothing to complain of', async () => {
    const { context, page, requests, complaints } = await openWatched(browser, url)
    await openDetails(page)
    expect(requests).toEqual([url])
    expect(complaints).toEqual([])
    await context.close()
  })

  it.each(['light', 'dark'] as const)('meets WCAG 2.2 AA in the %s theme', async (theme) => {
    const { context, page } = await openWatched(browser, url, { theme })
    // Every fold open, but for the rows of long tables, which are all alike and take axe minutes.
    await openDetails(page)
    await page.evaluate("document.querySelectorAll('table.list tr:nth-child(n+12)').forEach((row) => row.remove())")
    expect(await violations(page)).toEqual([])
    await context.close()
  })

  it('reads whole without script', async () => {
    const { context, page } = await openWatched(browser, url, { script: false })
    expect(await page.locator('h1').innerText()).toBe(sampleReport().sentence)
    expect(await page.locator('table.letters tbody tr').count()).toBeGreaterThan(10)
    expect(await page.locator('svg[role=img]').count()).toBeGreaterThan(5)
    await context.close()
  })

  it('changes its theme without script', async () => {
    const { context, page } = await openWatched(browser, url, { theme: 'light' })
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    const light = await background()
    await page.getByRole('radio', { name: 'dark' }).check()
    expect(await background()).not.toBe(light)
    await page.getByRole('radio', { name: 'light' }).check()
    expect(await background()).toBe(light)
    await context.close()
  })

  it('is reached everywhere by the keyboard, in order', async () => {
    const { context, page } = await openWatched(browser, url)
    // Radio buttons of one name are one stop; what stands in a closed fold is reached once it is open.
    const expected = await page.evaluate(`[...document.querySelectorAll('a[href], summary, [tabindex="0"], input')]
      .filter((element) => element.checkVisibility() && !(element.type === 'radio' && !element.checked)).length`)
    const stops: unknown[] = []
    for (let i = 0; i < Number(expected) + 5; i++) {
      await page.keyboard.press('Tab')
      const at = await page.evaluate(`(() => {
        const element = document.activeElement
        if (!element || element === document.body) return null
        const all = [...document.querySelectorAll('*')]
        return all.indexOf(element)
      })()`)
      if (at === null) break
      stops.push(at)
    }
    expect(stops.length).toBe(expected)
    expect(stops).toEqual(stops.toSorted((a, b) => Number(a) - Number(b)))
    await page.locator('details.fold > summary').focus()
    await page.keyboard.press('Enter')
    expect(await page.locator('details.fold').getAttribute('open')).not.toBeNull()
    await context.close()
  })

  it('fits a narrow screen: only its own boxes scroll sideways', async () => {
    const { context, page } = await openWatched(browser, url, { width: 400 })
    await openDetails(page)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(400)
    await context.close()
  })

  it('runs, obeys and fetches nothing that an agent says', async () => {
    const path = join(dir, 'hostile.html')
    await writeFile(path, renderHtml(hostileReport()))
    const hostile = pathToFileURL(path).href
    const { context, page, requests, complaints } = await openWatched(browser, hostile)
    await openDetails(page)
    expect(requests).toEqual([hostile])
    expect(complaints).toEqual([])
    expect(await page.evaluate('globalThis.hostile')).toBeUndefined()
    expect(await page.locator('script, img, iframe, object').count()).toBe(0)
    expect(await page.locator('main').innerText()).toContain('<script>window.hostile=1</script>')
    // biome-ignore lint: control characters are the subject
    expect(await page.locator('body').innerText()).not.toMatch(
      /[\0-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e]/,
    )
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(1400)
    await context.close()
  })
})

async function openDetails(page: Page): Promise<void> {
  await page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true })")
}

/** What axe finds, in a line each. */
async function violations(page: Page): Promise<string[]> {
  const found = await new AxeBuilder({ page })
    .options({ resultTypes: ['violations'] })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze()
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.slice(0, 5).map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary ?? ''}`),
  )
}
