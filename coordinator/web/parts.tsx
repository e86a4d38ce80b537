import { visibleLine } from '../../shared/visible.ts'
import { grouped } from '../report/wording.ts'

/** A moment in ISO 8601, to the second, in UTC as it stands in the records. */
export function Moment({ at }: { at: string }) {
  const [, day, time] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/.exec(at) ?? []
  if (day === undefined) return <span>{visibleLine(at)}</span>
  return (
    <time datetime={at}>
      {day} {time} UTC
    </time>
  )
}

/** A state in a word, with a sign: colour is never all that tells it. */
export function State({ tone, sign, word }: { tone: 'good' | 'warn' | 'bad' | 'off'; sign: string; word: string }) {
  return (
    <span class={`state ${tone}`}>
      <span class="sign" aria-hidden="true">
        {sign}
      </span>
      <span>{word}</span>
    </span>
  )
}

export function Labels({ labels }: { labels: Readonly<Record<string, string>> }) {
  const entries = Object.entries(labels)
  if (entries.length === 0) return <span class="quiet">none</span>
  return (
    <span class="labels">
      {entries.map(([key, value]) => (
        <code>{visibleLine(`${key}=${value}`)}</code>
      ))}
    </span>
  )
}

export interface PagerProps {
  readonly label: string
  /** From 0. */
  readonly offset: number
  readonly shown: number
  readonly total: number
  readonly size: number
  /** The address of the page that begins at an offset. */
  readonly address: (offset: number) => string
}

/** Which of many are shown, and the ways to the others. */
export function Pager({ label, offset, shown, total, size, address }: PagerProps) {
  if (total <= size && offset === 0) return null
  return (
    <nav class="pages" aria-label={label}>
      <span>
        {shown === 0 ? 'None' : `${grouped(offset + 1)} to ${grouped(offset + shown)}`} of {grouped(total)}
      </span>
      {offset > 0 ? <a href={address(Math.max(0, offset - size))}>Previous</a> : null}
      {offset + shown < total ? <a href={address(offset + size)}>Next</a> : null}
    </nav>
  )
}

/** An address with a query, of which empty parts are left out. */
export function addressOf(path: string, query: Readonly<Record<string, string | number | undefined>>): string {
  const parts = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '' && value !== 0) parts.set(key, String(value))
  }
  return parts.size === 0 ? path : `${path}?${parts}`
}
