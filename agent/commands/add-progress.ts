import { Presets, SingleBar } from 'cli-progress'

export interface AddProgress {
  show(step: string, done: number, total: number): void
  stop(): void
}

/** A bar on a terminal, a line for each step elsewhere. */
export function createAddProgress(stream: NodeJS.WriteStream): AddProgress {
  return stream.isTTY ? createBar(stream) : createLines(stream)
}

const ticksMs = 500

/** A step may take minutes, so the clock beside the bar goes on. */
function createBar(stream: NodeJS.WriteStream): AddProgress {
  const bar = new SingleBar(
    {
      ...{ format: '{bar} {value}/{total} {step} · {duration_formatted}', stream, hideCursor: false },
      ...{ clearOnComplete: false, linewrap: true, fps: 8, gracefulExit: false },
    },
    Presets.shades_classic,
  )
  let ticking: NodeJS.Timeout | undefined
  return {
    show(step, done, total) {
      if (ticking === undefined) {
        bar.start(total, done, { step })
        ticking = setInterval(() => bar.updateETA(), ticksMs)
      }
      bar.update(done, { step })
    },
    stop() {
      if (ticking === undefined) return
      clearInterval(ticking)
      bar.stop()
      ticking = undefined
    },
  }
}

function createLines(stream: NodeJS.WriteStream): AddProgress {
  return {
    show: (step, done, total) => void stream.write(`${done} of ${total}: ${step}\n`),
    stop() {},
  }
}
