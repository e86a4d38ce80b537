import fc from 'fast-check'
import { expect, it } from 'vitest'
import { BitfleetError } from '../../shared/errors.ts'
import { followEvents, parseEventStream, type ServerEvent } from './event-stream.ts'

async function parse(text: string, sizes: readonly number[]): Promise<ServerEvent[]> {
  const bytes = Buffer.from(text)
  async function* chunks() {
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = sizes[i % sizes.length] as number
      yield bytes.subarray(at, at + size)
      at += size
    }
  }
  const events: ServerEvent[] = []
  for await (const event of parseEventStream(chunks())) events.push(event)
  return events
}

it('reads a stream however it is cut, whatever ends its lines', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('\n', '\r\n'),
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
      async (end, sizes) => {
        const text = [
          ': hello',
          'event: state',
          'data: {"a":"ü"}',
          'data: two',
          'id: 4',
          '',
          'data:x',
          '',
          ': bye',
          'data: unfinished',
        ].join(end)
        expect(await parse(text, sizes)).toEqual([
          { id: '4', event: 'state', data: '{"a":"ü"}\ntwo' },
          { id: '4', event: 'message', data: 'x' },
        ])
      },
    ),
  )
})

const streamOf = (...events: [number, string, object][]) =>
  new Response(
    events.map(([id, type, data]) => `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`).join(''),
  )

it('goes on where a connection broke, and ends with the run', async () => {
  const asked: (string | null)[] = []
  const answers = [
    () => streamOf([1, 'state', { state: 'running' }], [2, 'progress', { total: 2 }]),
    () => {
      throw new BitfleetError('unavailable', 'gone')
    },
    () =>
      streamOf(
        [3, 'state', { state: 'comparing' }],
        [4, 'state', { state: 'done' }],
        [5, 'state', { state: 'never read' }],
      ),
  ]
  const ids: number[] = []
  for await (const { id } of followEvents(async (init) => {
    asked.push(new Headers(init.headers).get('last-event-id'))
    return (answers.shift() as () => Response)()
  })) {
    ids.push(id)
  }
  expect(ids).toEqual([1, 2, 3, 4])
  expect(asked).toEqual([null, '2', '2'])
})

it('does not insist where the coordinator says no', async () => {
  const refused = followEvents(async () => {
    throw new BitfleetError('refused', 'no')
  })
  await expect(refused.next()).rejects.toMatchObject({ code: 'refused' })
})

it('ends when it is aborted, also while it waits for a coordinator that is away', async () => {
  const following = new AbortController()
  const events = followEvents(async () => {
    following.abort()
    throw new BitfleetError('unavailable', 'away')
  }, following.signal)
  expect((await events.next()).done).toBe(true)
})
