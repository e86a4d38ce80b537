import { readFileSync } from 'node:fs'
import type { BackendDescription } from '../shared/backend-description.ts'

/** What is written into the agent's single file when it is made (`deploy/single-file.mjs`). */
export interface SingleFileBuild {
  readonly version: string
  /** The backends there are, without whether they run here: what an agent says of itself where no runners are. */
  readonly backends: readonly Pick<BackendDescription, 'id' | 'title' | 'kernels' | 'knobs'>[]
}

/** Undefined but in the single file: the bundler puts a value in this line's place. */
export const singleFile: SingleFileBuild | undefined = undefined as SingleFileBuild | undefined

/** The version of this program. */
export function readVersion(): string {
  if (singleFile !== undefined) return singleFile.version
  const here = import.meta.url
  const file = new URL(here.endsWith('.ts') ? '../package.json' : '../../package.json', here)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
