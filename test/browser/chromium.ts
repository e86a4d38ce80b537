import { existsSync } from 'node:fs'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { needs } from '../needs.ts'

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
)

/** True to skip, said loudly. */
export function withoutChromium(name: string): boolean {
  return needs(name, executablePath !== undefined, 'there is no Chromium', 'bash deploy/tests/install.sh')
}

/** A browser of its own for each test file; it makes no requests of its own. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    ...(executablePath === undefined ? {} : { executablePath }),
    args: [
      '--no-sandbox',
      '--headless',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  })
}

/** A page that remembers what it asked for and what it complained of. */
export interface Watched {
  readonly context: BrowserContext
  readonly page: Page
  readonly requests: readonly string[]
  readonly complaints: readonly string[]
}

export interface Viewport {
  readonly width?: number
  readonly theme?: 'light' | 'dark'
  readonly script?: boolean
}

export async function openWatched(
  browser: Browser,
  url: string,
  { width = 1400, theme = 'light', script = true }: Viewport = {},
): Promise<Watched> {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: theme,
    javaScriptEnabled: script,
  })
  const page = await context.newPage()
  const requests: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  await page.goto(url)
  return { context, page, requests, complaints }
}
