import { spawnSync } from 'node:child_process'
import type { BackendDescription } from '../../shared/backend-description.ts'
import { messageOf } from '../../shared/errors.ts'
import type { BackendDriver } from '../backends/backend.ts'
import { writeLine } from './lines.ts'
import { eventFd } from './protocol.ts'

// Looking for a library may load it, and loading it may kill the process. So it happens in a child that says which one
// it is about to try; when it dies, that one is marked and another child goes on with the rest.

type Detection = Pick<BackendDescription, 'status' | 'version' | 'reason' | 'add'>
type Line = { id: string; detection?: Detection }

const detectionMs = 60_000

/** Every backend, whether it runs here or not. */
export function describeBackends(
  drivers: readonly BackendDriver[],
  childArguments: readonly string[],
): BackendDescription[] {
  const found = new Map<string, Detection>()
  for (let left = drivers; left.length > 0; left = left.filter(({ id }) => !found.has(id))) {
    const child = spawnSync(process.execPath, [...childArguments, 'detect', ...left.map(({ id }) => id)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ignore', 'pipe'],
      timeout: detectionMs,
      killSignal: 'SIGKILL',
    })
    const lines = parseLines(child.output?.[eventFd]?.toString() ?? '')
    for (const { id, detection } of lines) if (detection !== undefined) found.set(id, detection)
    const culprit = lines.findLast(({ id }) => !found.has(id))?.id ?? left.find(({ id }) => !found.has(id))?.id
    if (culprit !== undefined) found.set(culprit, { status: 'unavailable', reason: `looking for it ${endOf(child)}` })
  }
  return drivers.map((driver) => describe(driver, found.get(driver.id) as Detection))
}

/** The same in this process, for a runner of one backend: where that kills it, its daemon says so of the one. */
export async function describeHere(drivers: readonly BackendDriver[]): Promise<BackendDescription[]> {
  return await Promise.all(drivers.map(async (driver) => describe(driver, await detect(driver))))
}

function describe({ id, title, kernels, knobs }: BackendDriver, detection: Detection): BackendDescription {
  return { id, title, kernels: [...kernels], knobs: [...knobs], ...detection }
}

/** The child's side: tries these in order. */
export async function detectBackends(drivers: readonly BackendDriver[]): Promise<void> {
  for (const driver of drivers) {
    writeLine(eventFd, { id: driver.id } satisfies Line)
    writeLine(eventFd, { id: driver.id, detection: await detect(driver) } satisfies Line)
  }
}

async function detect(driver: BackendDriver): Promise<Detection> {
  try {
    return await driver.detect()
  } catch (error) {
    return { status: 'unavailable', reason: `looking for it failed: ${messageOf(error)}` }
  }
}

/** A last line that a dying child left unfinished is no line. */
function parseLines(text: string): Line[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)
}

function endOf({ status, signal, error }: { status: number | null; signal: string | null; error?: Error }): string {
  if (error !== undefined) return `took over ${detectionMs / 1000} s`
  return signal === null ? `ended its process with code ${status}` : `killed its process by ${signal}`
}
