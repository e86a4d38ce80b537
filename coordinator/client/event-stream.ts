import { setTimeout as delay } from 'node:timers/promises'
import { BitfleetError, isBitfleetError } from '../../shared/errors.ts'
import type { RunEvent } from '../scheduler/index.ts'

/** One server-sent event. */
export interface ServerEvent {
  readonly id?: string
  readonly event: string
  readonly data: string
}

/**
 * Parses a text/event-stream; comments and unfinished events are dropped.
 *
 * @see WHATWG HTML, §9.2.6
 */
export async function* parseEventStream(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  let id: string | undefined
  let event = ''
  let data: string[] = []
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true })
    // A CR at the end may be half of a CR LF.
    const lines = rest.split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0)
          yield { ...(id === undefined ? {} : { id }), event: event || 'message', data: data.join('\n') }
        event = ''
        data = []
        continue
      }
      const colon = line.indexOf(':')
      const field = colon === -1 ? line : line.slice(0, colon)
      const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
      if (field === 'id') id = value
      else if (field === 'event') event = value
      else if (field === 'data') data.push(value)
    }
  }
}

/** How long a coordinator may be away before a follower gives up. */
const patienceMs = 60_000

/** A run's events until it has ended or nobody wants more; a broken connection is opened again where it broke. */
export async function* followEvents(
  open: (init: { headers: Record<string, string> }) => Promise<Response>,
  signal?: AbortSignal,
): AsyncGenerator<RunEvent> {
  let last = ''
  let heard = performance.now()
  for (let waitMs = 100; ; waitMs = Math.min(2 * waitMs, 5000)) {
    try {
      const response = await open({
        headers: { Accept: 'text/event-stream', ...(last ? { 'Last-Event-ID': last } : {}) },
      })
      for await (const { id, event, data } of parseEventStream(response.body ?? noChunks())) {
        heard = performance.now()
        waitMs = 100
        if (id !== undefined) last = id
        const parsed = { ...(JSON.parse(data) as object), type: event, id: Number(id) } as RunEvent
        yield parsed
        if (parsed.type === 'state' && parsed.state !== 'running' && parsed.state !== 'comparing') return
      }
    } catch (error) {
      if (signal?.aborted) return
      // What the coordinator says of the request will not change; a line that broke may.
      if (isBitfleetError(error) && error.code !== 'unavailable') throw error
      if (performance.now() - heard > patienceMs) {
        throw new BitfleetError(
          'unavailable',
          'the coordinator has been away too long; the run may go on without this',
          { cause: error },
        )
      }
    }
    await delay(waitMs, undefined, { signal }).catch(() => {})
    if (signal?.aborted) return
  }
}

async function* noChunks(): AsyncGenerator<Uint8Array> {}
