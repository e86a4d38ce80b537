import { BitfleetError } from '../../shared/errors.ts'
import type { TlsFiles } from '../certificate.ts'
import { readConfig } from '../config.ts'
import { startCoordinator } from '../server.ts'
import { shellWord } from './terminal.ts'

export interface CoordinatorCommandOptions {
  readonly store?: string
  readonly host: string
  readonly port: number
  readonly tlsCert?: string
  readonly tlsKey?: string
}

/** `bitfleet coordinator`: serves until SIGTERM, SIGINT, or the end of the process that started it. */
export async function coordinatorStart(options: CoordinatorCommandOptions): Promise<number> {
  const { store, host, port } = options
  const tls = tlsFiles(options)
  const config = readConfig()
  // Only where a parent process opened a channel to this one; heard from now on, as the parent may end while this starts.
  let onOrphaned = () => {}
  const orphaned = new Promise<void>((resolve) => {
    onOrphaned = resolve
  })
  process.once('disconnect', onOrphaned)
  const coordinator = await startCoordinator({
    ...{ storeDir: store ?? config.storeDir, host, port, hosts: config.hosts, proxies: config.proxies },
    ...(tls ? { tls } : {}),
    log: (message) => process.stderr.write(`${new Date().toISOString()} ${printable(message)}\n`),
  }).catch((error: unknown) => {
    // Nobody listening, the channel to a parent keeps this process no longer.
    process.off('disconnect', onOrphaned)
    throw error
  })
  // Without a certificate to read again, it means what it means to every program: the terminal is gone.
  if (tls) process.on('SIGHUP', () => void coordinator.reload())
  const { url, fingerprint } = coordinator
  process.stdout.write(
    `Coordinator at ${url}\n` +
      `Its key: ${fingerprint}\n` +
      'A machine joins with a token that is good for ten minutes and once:\n' +
      `  bitfleet token create${store === undefined ? '' : ` --store ${shellWord(store)}`}\n` +
      `  bitfleet agent enroll ${url}     # there, the token on standard input; then bitfleet agent start\n`,
  )
  if (coordinator.lacksAdmin) {
    process.stdout.write(
      `Nobody can sign in at ${url} yet; make the first admin with\n` +
        `  bitfleet people add NAME --role admin${store === undefined ? '' : ` --store ${shellWord(store)}`}\n`,
    )
  }
  await Promise.race([askedToStop(), orphaned])
  process.stderr.write('stopping\n')
  await coordinator.stop()
  return 0
}

/** @throws `usage` for one without the other */
function tlsFiles({ tlsCert, tlsKey }: CoordinatorCommandOptions): TlsFiles | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new BitfleetError('usage', '--tls-cert and --tls-key belong together: give both files, in PEM form')
  }
  return { certFile: tlsCert, keyFile: tlsKey }
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
