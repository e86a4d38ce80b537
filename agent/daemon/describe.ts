import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { type BackendDescription, backendDescriptionSchema } from '../../shared/backend-description.ts'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import type { AgentConfig } from '../config.ts'
import { describeWithoutRunner, findRunner } from './find-runner.ts'
import { runnerStart } from './runner-environment.ts'

/**
 * The runner's built file, and arguments that name this machine's own modules; nothing where no runners are installed.
 *
 * @throws `usage` where `BITFLEET_RUNNERS` names a folder without runners
 */
export function runnerArguments(config: Pick<AgentConfig, 'runnerModules' | 'runnersFolder'>): string[] {
  const found = findRunner(config)
  return 'file' in found ? [found.file, ...config.runnerModules.flatMap((file) => ['--module', file])] : []
}

/**
 * The backends of this machine, ready or not. Asked of a child, in a runner's environment: looking for a library may
 * load it, and the daemon loads none.
 *
 * @throws `usage` or `internal` where the child cannot say
 */
export async function describeBackends(
  config: Pick<AgentConfig, 'runnerModules' | 'runnersFolder' | 'environment'>,
): Promise<BackendDescription[]> {
  const found = findRunner(config)
  if (!('file' in found)) return describeWithoutRunner(found)
  const child = spawn(process.execPath, [...runnerArguments(config), 'describe'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...runnerStart(config.environment, [], {}, tmpdir()).environment },
  })
  const code = new Promise<number | string | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode, signal) => resolve(exitCode ?? signal))
  })
  const [stdout, stderr, ended] = await Promise.all([text(child.stdout), text(child.stderr), code])
  if (ended !== 0) {
    throw new BitfleetError(
      ended === 2 ? 'usage' : 'internal',
      `this agent's runner cannot describe its backends (it ended with ${ended}): ${stderr.trim()}`,
    )
  }
  try {
    return z.array(backendDescriptionSchema).parse(JSON.parse(stdout))
  } catch (cause) {
    throw new BitfleetError('internal', `this agent's runner describes backends that cannot be: ${messageOf(cause)}`, {
      cause,
    })
  }
}
