import { Presets, SingleBar } from 'cli-progress'
import { BitfleetError } from '../../shared/errors.ts'
import { visibleLine } from '../../shared/visible.ts'
import type { RunCounts, RunEvent } from '../scheduler/index.ts'
import type { CoordinatorClient } from './client.ts'

/** Shows how far a run is. */
interface Progress {
  show(counts: RunCounts): void
  say(text: string): void
  stop(): void
}

/**
 * Follows a run to its end, on standard error: a bar on a terminal, plain lines elsewhere. Aborted, it resolves early.
 *
 * @throws `internal` if the run failed
 */
export async function watchToEnd(
  client: Pick<CoordinatorClient, 'watchRun'>,
  run: string,
  { stream = process.stderr, signal }: { stream?: NodeJS.WriteStream; signal?: AbortSignal } = {},
): Promise<void> {
  const progress = stream.isTTY ? createBar(stream) : createLines(stream, run)
  try {
    for await (const event of client.watchRun(run, signal)) tell(progress, event, run)
  } finally {
    progress.stop()
  }
}

function tell(progress: Progress, event: RunEvent, run: string): void {
  if (event.type === 'progress') progress.show(event)
  if (event.type !== 'state') return
  if (event.state === 'comparing') progress.say('comparing')
  if (event.state === 'cancelled') progress.say('cancelled; what completed was compared')
  if (event.state === 'failed') {
    throw new BitfleetError(
      'internal',
      `run ${run} failed: ${visibleLine(event.failure ?? "the coordinator's log says why")}`,
    )
  }
}

function endedOf({ ended }: RunCounts): { done: number; odd: string } {
  const done = Object.values(ended).reduce((sum, count) => sum + count, 0)
  const odd = Object.entries(ended).flatMap(([status, count]) => (status === 'completed' ? [] : `${count} ${status}`))
  return { done, odd: odd.length > 0 ? ` (${odd.join(', ')})` : '' }
}

function createBar(stream: NodeJS.WriteStream): Progress {
  const bar = new SingleBar(
    {
      ...{ format: '{bar} {value}/{total} executions{odd} · {duration_formatted}', stream, hideCursor: false },
      ...{ clearOnComplete: false, linewrap: true, fps: 8, gracefulExit: false },
    },
    Presets.shades_classic,
  )
  let started = false
  const stop = () => {
    if (started) bar.stop()
    started = false
  }
  return {
    show(counts) {
      const { done, odd } = endedOf(counts)
      if (!started) bar.start(counts.total, done, { odd })
      started = true
      bar.update(done, { odd })
    },
    say(text) {
      stop()
      stream.write(`${text} …\n`)
    },
    stop,
  }
}

/** A line for every tenth of the way: few enough for a log. */
function createLines(stream: NodeJS.WriteStream, run: string): Progress {
  let shown = -1
  const write = (text: string) => stream.write(`run ${run}: ${text}\n`)
  return {
    show(counts) {
      const { done, odd } = endedOf(counts)
      const step = Math.floor((10 * done) / Math.max(counts.total, 1))
      if (step === shown) return
      shown = step
      write(`${done} of ${counts.total} executions${odd}`)
    },
    say: (text) => void write(text),
    stop() {},
  }
}
