import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { digestSchema } from '../../shared/execution.ts'
import { messageOf } from '../../shared/errors.ts'

// What stands in `backends/NAME@VERSION/installed.json`. It is written last, so a folder that has it is whole and was
// checked; a folder without it is nothing.

/** NAME@VERSION, as plans say it. */
export const installedIdPattern = /^[a-z][a-z0-9-]*@[0-9A-Za-z][0-9A-Za-z.+_-]*$/

/**
 * How the backend's runner is started. In each text `{folder}` stands for the backend's folder and `{program}` for this
 * program's own built files, so that neither a moved state folder nor a new release of Bitfleet leaves it behind.
 */
const runnerSchema = z.strictObject({
  /** `node` takes the arguments of knobs that are applied so; a `python` has no such knobs. */
  kind: z.enum(['node', 'python']),
  /** Left out: the Node that runs the agent. */
  executable: z.string().startsWith('{folder}/').optional(),
  argv: z.array(z.string()).min(1),
  /** What runs the executable, for another processor than this machine's, and the arguments before it. */
  emulator: z.strictObject({ executable: z.string().startsWith('{folder}/'), argv: z.array(z.string()) }).optional(),
  environment: z.record(z.string(), z.string()).optional(),
})

export const installedSchema = z.strictObject({
  schema: z.literal('bitfleet/installed-backend@1'),
  id: z.string().regex(installedIdPattern),
  /** The library's exact version: that of `js@22` may be 22.20.0. */
  version: z.string().min(1),
  /** Name of the provider that installed it. */
  provider: z.string().min(1),
  runner: runnerSchema,
  /** What it was made from: package files, with the integrity they were pinned and checked with. */
  sources: z.array(
    z.strictObject({
      name: z.string(),
      integrity: z.string(),
      digest: digestSchema,
      bytes: z.number().int().nonnegative(),
    }),
  ),
})
export type Installed = z.infer<typeof installedSchema>
export type InstalledRunner = Installed['runner']

export const installedFile = 'installed.json'

/** An entry of a backends' folder: what stands there, or why it cannot be used. */
export type InstalledEntry = { readonly id: string; readonly folder: string } & (
  | { readonly status: 'installed'; readonly installed: Installed }
  | { readonly status: 'broken'; readonly reason: string }
)

/**
 * The backends that are installed, in the order of their ids. Of two of one id that of the earlier folder counts. What
 * is half made is not among them.
 *
 * @param folders absolute paths, such as `STATE/backends`; one that is not there holds none
 */
export function readInstalled(folders: readonly string[]): InstalledEntry[] {
  const found = new Map<string, InstalledEntry>()
  for (const root of folders) {
    for (const id of namesIn(root).filter((name) => installedIdPattern.test(name))) {
      const entry = readEntry(id, join(root, id))
      if (entry !== undefined && !found.has(id)) found.set(id, entry)
    }
  }
  return [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
}

function namesIn(root: string): string[] {
  try {
    return readdirSync(root)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function readEntry(id: string, folder: string): InstalledEntry | undefined {
  try {
    const installed = installedSchema.parse(JSON.parse(readFileSync(join(folder, installedFile), 'utf8')))
    if (installed.id === id) return { id, folder, status: 'installed', installed }
    return { id, folder, status: 'broken', reason: `its folder holds ${installed.id}` }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    return { id, folder, status: 'broken', reason: `its ${installedFile} cannot be read: ${firstLine(error)}` }
  }
}

function firstLine(error: unknown): string {
  if (error instanceof z.ZodError)
    return error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
  return messageOf(error).split('\n')[0] as string
}
