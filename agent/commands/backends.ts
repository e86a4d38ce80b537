import type { BackendDescription } from '../../shared/backend-description.ts'
import { readAgentConfig } from '../config.ts'
import { describeBackends } from '../daemon/describe.ts'

/** `bitfleet backends`: what runs here, what does not and why, and the one command that adds it. */
export async function listBackends({ json }: { json?: boolean }): Promise<number> {
  const backends = await describeBackends(readAgentConfig())
  process.stdout.write(json ? `${JSON.stringify(backends.map(toRow), null, 2)}\n` : formatBackends(backends))
  return 0
}

/** Every key stands in every row; what does not apply is null. */
function toRow({ id, version, status, reason, add }: BackendDescription) {
  return { id, version: version ?? null, status, reason: reason ?? null, add: add ?? null }
}

export function formatBackends(backends: readonly BackendDescription[]): string {
  const width = Math.max(...backends.map(({ id }) => id.length), 0)
  const indent = ' '.repeat(width + 2)
  return backends
    .flatMap(({ id, title, status, version, reason, add, knobs }) => [
      `${id.padEnd(width)}  ${status === 'ready' ? `${version ?? 'ready'}  ${title}` : `not here: ${(reason ?? title).replace(/\p{Cc}+/gu, ' ')}`}`,
      ...(status === 'ready' ? knobs.map(({ name, values }) => `${indent}${id}.${name}: ${values}`) : []),
      ...(status === 'unavailable' && add !== undefined ? [`${indent}→ ${add}`] : []),
    ])
    .map((line) => `${line}\n`)
    .join('')
}
