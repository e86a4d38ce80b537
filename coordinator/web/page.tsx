import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Context } from 'hono'
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Identity } from '../people/index.ts'
import { Document, documentText, stylePolicy } from '../report/html/document.tsx'
import { visibleLine } from '../../shared/visible.ts'

const css = readFileSync(new URL('./pages.css', import.meta.url), 'utf8')

/** What a served page may do: show itself with its own style, run the one script, send its forms here. */
const pagePolicy = [
  "default-src 'none'",
  `style-src ${stylePolicy} 'sha256-${createHash('sha256').update(css).digest('base64')}'`,
  "script-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

export interface PageProps {
  readonly title: string
  /** Whoever is signed in. */
  readonly identity?: Identity | undefined
  /** Which of the sections it is in. */
  readonly section?: 'runs' | 'fleet' | 'audit' | 'account'
  readonly nav?: Child
  readonly children?: Child
}

/** A page as it is served: the report's look, with the ways about and the script that keeps it current. */
export function Page({ title, identity, section, nav, children }: PageProps) {
  const current = (name: typeof section) => (name === section ? { 'aria-current': 'page' as const } : {})
  return (
    <Document
      title={`${title} · Bitfleet`}
      standalone={false}
      head={
        <>
          <style>{raw(css)}</style>
          <link rel="icon" href="/icon.svg" type="image/svg+xml" />
          <script src="/live.js" defer={true} />
        </>
      }
      banner={
        <>
          <p class="brand">
            <a href="/">Bitfleet</a>
          </p>
          {identity ? (
            <nav class="sections" aria-label="Sections">
              <a href="/" {...current('runs')}>
                Runs
              </a>
              <a href="/fleet" {...current('fleet')}>
                Fleet
              </a>
              {identity.role === 'admin' ? (
                <a href="/audit" {...current('audit')}>
                  Audit
                </a>
              ) : null}
            </nav>
          ) : null}
          {nav ? (
            <nav class="forms-of-report" aria-label="This run">
              {nav}
            </nav>
          ) : null}
          {identity ? (
            <form class="who" method="post" action="/sign-out">
              <a href="/account" {...current('account')} title="Your account">
                {visibleLine(identity.title)}
              </a>
              <button class="plain">Sign out</button>
            </form>
          ) : null}
        </>
      }
    >
      {children}
    </Document>
  )
}

/** A page that says one thing. */
export function Message({ title, identity, children }: Pick<PageProps, 'title' | 'identity' | 'children'>) {
  return (
    <Page title={title} identity={identity}>
      <section>
        <div class="wide">
          <h1>{visibleLine(title)}</h1>
          {children}
          <p>
            <a href="/">All runs</a>
          </p>
        </div>
      </section>
    </Page>
  )
}

/** A page as an answer. */
export function answer(c: Context, page: unknown, status: ContentfulStatusCode = 200): Response {
  return c.body(documentText(page), status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': pagePolicy,
    // Forms say where they come from, and only here; with `no-referrer` a browser would call their origin "null".
    'Referrer-Policy': 'same-origin',
  })
}
