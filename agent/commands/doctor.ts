import { cpus } from 'node:os'
import type { BackendDescription } from '../../shared/backend-description.ts'
import { messageOf } from '../../shared/errors.ts'
import { createNetwork } from '../../shared/network/network.ts'
import { type NetworkSettings, withAuthority } from '../../shared/network/settings.ts'
import { readAgentConfig } from '../config.ts'
import { describeBackends } from '../daemon/describe.ts'
import { type Check, fail, ok, warn } from '../doctor/check.ts'
import { checkEnvironment } from '../doctor/environment.ts'
import {
  checkCards,
  checkClock,
  checkCompilers,
  checkFloatingPoint,
  checkLimits,
  checkNode,
  checkOpenFiles,
  checkProcessor,
  checkState,
} from '../doctor/machine.ts'
import { checkCoordinator } from '../doctor/network.ts'
import { readInventory } from '../inventory/index.ts'
import { visibleLine } from '../../shared/visible.ts'

/**
 * `bitfleet doctor`: what on this machine would get in the way of an agent, a line each.
 *
 * @returns 1 if anything fails; a warning is no failure
 */
export async function doctor(options: { json?: boolean; coordinator?: string; ca?: string }): Promise<number> {
  const config = readAgentConfig()
  const inventory = await readInventory()
  const checks: Check[] = [
    checkNode(process.versions.node),
    checkState(config.stateRoot),
    await checkClock(),
    ...(options.coordinator === undefined
      ? []
      : await checkReaching(options.coordinator, withAuthority(config.network, options.ca))),
    checkProcessor(inventory.facts),
    ...checkCards(inventory),
    ...(await checkLimits(cpus().length)),
    await checkFloatingPoint(),
    ...checkEnvironment(config.environment),
    await checkOpenFiles(),
    await checkCompilers(),
    ...(await describeBackends(config).then(
      (backends) => backends.map(judgeBackend),
      (error: unknown) => [fail('backends', messageOf(error), 'install Bitfleet again')],
    )),
  ]
  process.stdout.write(options.json ? `${JSON.stringify(checks, null, 2)}\n` : formatChecks(checks))
  return checks.some(({ status }) => status === 'fail') ? 1 : 0
}

async function checkReaching(coordinator: string, settings: NetworkSettings): Promise<Check[]> {
  try {
    return await checkCoordinator(coordinator, createNetwork(settings))
  } catch (error) {
    return [fail('network', messageOf(error), 'see to --ca, BITFLEET_CA_FILE, HTTPS_PROXY and HTTP_PROXY')]
  }
}

export function judgeBackend({ id, status, version, reason, add }: BackendDescription): Check {
  const name = `backend ${id}`
  if (status === 'ready') return ok(name, version ?? 'ready')
  return warn(name, reason ?? 'does not run here', add ?? 'plans that name it leave its cells unsupported here')
}

/** A line each, its status first; what to do stands below what it is about. */
export function formatChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length))
  const lines = checks.flatMap(({ name, status, fact, remedy }) => [
    `${status.padEnd(4)}  ${name.padEnd(width)}  ${visibleLine(fact)}`,
    ...(remedy === undefined ? [] : [`${' '.repeat(width + 8)}→ ${remedy}`]),
  ])
  const count = (status: Check['status']) => checks.filter((check) => check.status === status).length
  return [...lines, '', `${count('ok')} ok, ${count('warn')} warn, ${count('fail')} fail`, ''].join('\n')
}
