import { readConfig } from '../config.ts'
import { startCoordinator } from '../server.ts'

export interface CoordinatorCommandOptions {
  readonly store?: string
  readonly host: string
  readonly port: number
}

/** `bitfleet coordinator`: serves until SIGTERM, SIGINT, or the end of the process that started it. */
export async function coordinatorStart({ store, host, port }: CoordinatorCommandOptions): Promise<number> {
  const config = readConfig()
  // Only where a parent process opened a channel to this one; heard from now on, as the parent may end while this starts.
  let onOrphaned = () => {}
  const orphaned = new Promise<void>((resolve) => {
    onOrphaned = resolve
  })
  process.once('disconnect', onOrphaned)
  const coordinator = await startCoordinator({
    ...{ storeDir: store ?? config.storeDir, host, port, hosts: config.hosts },
    log: (message) => process.stderr.write(`${new Date().toISOString()} ${printable(message)}\n`),
  }).catch((error: unknown) => {
    // Nobody listening, the channel to a parent keeps this process no longer.
    process.off('disconnect', onOrphaned)
    throw error
  })
  const { url, fingerprint } = coordinator
  process.stdout.write(
    `Coordinator at ${url}\n` +
      `Its key: ${fingerprint}\n` +
      'A machine joins with a token that is good for ten minutes and once:\n' +
      `  bitfleet token create${store === undefined ? '' : ` --store ${shellWord(store)}`}\n` +
      `  bitfleet agent enroll ${url}     # there, the token on standard input; then bitfleet agent start\n`,
  )
  await Promise.race([askedToStop(), orphaned])
  process.stderr.write('stopping\n')
  await coordinator.stop()
  return 0
}

function askedToStop(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
}

/** What agents say reaches the log; it must not steer the terminal that shows it. */
function printable(text: string): string {
  return text.replace(/[^\P{C}\t\n]/gu, '�').replaceAll('\n', '\n  ')
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
