import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import { visibleLine } from '../../../shared/visible.ts'
import { paletteCss } from './palette.ts'

const sheets = ['page', 'tables', 'matrix', 'workload', 'media'].map((name) =>
  readFileSync(new URL(`./${name}.css`, import.meta.url), 'utf8'),
)
export const css = `${sheets.join('')}${paletteCss()}\n`

/** What a page of ours may do: show itself. No script, no network, no style but this one. */
export const stylePolicy = `'sha256-${createHash('sha256').update(css).digest('base64')}'`
const policy = `default-src 'none'; style-src ${stylePolicy}; base-uri 'none'; form-action 'none'`

export interface DocumentProps {
  readonly title: string
  /** A page that is served sends its policy as a header; a file carries it. */
  readonly standalone: boolean
  readonly head?: Child
  /** What goes before the content, inside the page's banner. */
  readonly banner?: Child
  readonly children?: Child
}

export function Document({ title, standalone, head, banner, children }: DocumentProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        {standalone ? <meta http-equiv="content-security-policy" content={policy} /> : null}
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{visibleLine(title)}</title>
        <style>{raw(css)}</style>
        {head}
      </head>
      <body>
        <a class="skip" href="#content">
          Skip to the content
        </a>
        <header class="banner">
          <div class="wide top">
            {banner}
            <ThemeSwitch />
          </div>
        </header>
        <main id="content">{children}</main>
      </body>
    </html>
  )
}

/** Radio buttons that the style sheet looks at: no script. */
function ThemeSwitch() {
  return (
    <fieldset class="theme">
      <legend>Theme</legend>
      {['auto', 'light', 'dark'].map((theme) => (
        <label>
          <input type="radio" name="theme" id={`theme-${theme}`} value={theme} checked={theme === 'auto'} />
          <span>{theme}</span>
        </label>
      ))}
    </fieldset>
  )
}

/** The text of a whole page; none of ours is asynchronous. */
export function documentText(page: unknown): string {
  return `<!doctype html>\n${String(page)}\n`
}
