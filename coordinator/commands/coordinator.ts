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
  const orphaned = new Promise((resolve) => process.once('disconnect', resolve))
  const coordinator = await startCoordinator({
    ...{ storeDir: store ?? config.storeDir, host, port, hosts: config.hosts, proxies: config.proxies },
    log: (message) => process.stderr.write(`${new Date().toISOString()} ${printable(message)}\n`),
  })
  const { url, agentTokenFile } = coordinator
  process.stdout.write(
    `Coordinator at ${url}\n` +
      `Agents' token: ${agentTokenFile}\n` +
      'Start an agent on this machine with\n' +
      `  bitfleet agent start --coordinator ${url} --token-file ${shellWord(agentTokenFile)}\n`,
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
