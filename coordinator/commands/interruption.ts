/** Ctrl-C or SIGTERM, which a command answers itself. */
export interface Interruption {
  /** Resolves when a person asks the command to end. */
  readonly asked: Promise<void>
  /** From now on both signals do what they do in any program. */
  dispose(): void
}

/** The first signal asks; the second ends this process at once, and with it the processes that it started. */
export function onInterruption(): Interruption {
  let ask = () => {}
  const asked = new Promise<void>((resolve) => {
    ask = resolve
  })
  let signals = 0
  const listener = () => {
    signals++
    if (signals > 1) process.exit(130)
    ask()
  }
  process.on('SIGINT', listener)
  process.on('SIGTERM', listener)
  return {
    asked,
    dispose() {
      process.off('SIGINT', listener)
      process.off('SIGTERM', listener)
    },
  }
}
