import { readFileSync } from 'node:fs'
import type { BackendDescription } from '../shared/backend-description.ts'

/** What the runner of Python's libraries says of each, by the name before the `@`, whether it is installed or not. */
export const pythonDescriptions = JSON.parse(
  readFileSync(new URL('../agent/runners/python/bitfleet/backends/descriptions.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, Pick<BackendDescription, 'title' | 'kernels' | 'knobs'>>>
