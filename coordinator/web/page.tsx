import type { Child } from 'hono/jsx'
import { Document, documentText } from '../report/html/document.tsx'

export interface PageProps {
  readonly title: string
  readonly nav?: Child
  readonly children?: Child
}

/** A page as it is served: the report's look, with a way home and the script that keeps it current. */
export function Page({ title, nav, children }: PageProps) {
  return (
    <Document
      title={`${title} · Bitfleet`}
      standalone={false}
      head={
        <>
          <link rel="icon" href="/icon.svg" type="image/svg+xml" />
          <script src="/live.js" defer={true} />
        </>
      }
      banner={
        <>
          <p class="brand">
            <a href="/">Bitfleet</a>
          </p>
          {nav ? <nav aria-label="This run">{nav}</nav> : null}
        </>
      }
    >
      {children}
    </Document>
  )
}

export function Missing({ what }: { what: string }) {
  return (
    <section>
      <div class="wide">
        <h1>{what}</h1>
        <p>
          <a href="/">All runs</a>
        </p>
      </div>
    </section>
  )
}

export const pageText = documentText
