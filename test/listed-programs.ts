import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type ArtifactCache, openArtifactCache } from '../agent/daemon/artifact-cache.ts'
import { type Offer, offersOf } from '../agent/daemon/describe.ts'
import { type ExecutionContext, type ExecutionResult, runExecution } from '../agent/daemon/execution.ts'
import { createLibraryDigests } from '../agent/daemon/library-digests.ts'
import { createEntry } from '../agent/programs/add.ts'
import { describeKnobs, type ProgramEntry } from '../agent/programs/entry.ts'
import { writeProgramList } from '../agent/programs/list.ts'
import type { Knobs } from '../shared/condition.ts'
import { type Execution, executionSchema } from '../shared/execution.ts'
import type { PlannedJob } from '../shared/messages.ts'

/** What the programs of these tests have at hand. */
const prelude = `
import { appendFileSync, mkdirSync, renameSync, symlinkSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { spawn, spawnSync } from 'node:child_process'
const { BITFLEET_OUT: out, BITFLEET_SEED: seed, BITFLEET_PARAMETERS: parameters } = process.env
const raw = (text) => appendFileSync(out + '/trace.ndjson', text)
const say = (line) => raw(JSON.stringify(line) + '\\n')
const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
function npy(bytes, { descr = '<f4', order = 'False', shape = '(' + bytes.length / 4 + ',)' } = {}) {
  const header = ("{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ', }').padEnd(117) + '\\n'
  return Buffer.concat([Buffer.from('\\x93NUMPY\\x01\\x00\\x76\\x00', 'latin1'), Buffer.from(header), Buffer.from(bytes)])
}
let files = 0
function trace(step, name, values, more = {}) {
  const file = files++ + '.npy'
  writeFileSync(out + '/' + file, npy(Buffer.from(Float32Array.from(values).buffer)))
  say({ checkpoint: { step, name, file, ...more } })
}
`

/** Programs of Node.js that are listed, and run as an agent runs them. */
export interface ListedPrograms {
  readonly folder: string
  /** The list they stand in. */
  readonly list: string
  readonly scratchRoot: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly cache: ArtifactCache
  readonly entries: ReadonlyMap<string, ProgramEntry>
  readonly offers: readonly Offer[]
  scriptOf(name: string): string
  offerOf(name: string): Offer
  execute(asked: PlannedJob, changes?: Partial<ExecutionContext>): Promise<ExecutionResult>
  run(name: string, knobs?: Knobs, changes?: Partial<PlannedJob>): Promise<Execution>
  remove(): void
}

/**
 * Lists programs, each made of the text of a script, or of a command of its own.
 *
 * @param texts scripts by their programs' names
 * @param commands in place of Node.js and the script
 * @param knobs    of a program, in place of those that all have; as `programs add --knob` takes them
 */
export async function listPrograms(
  texts: Readonly<Record<string, string>>,
  commands: Readonly<Record<string, (script: string) => string[]>> = {},
  knobs: Readonly<Record<string, readonly string[]>> = {},
): Promise<ListedPrograms> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bitfleet-own-')))
  const list = join(folder, 'programs.json')
  const scratchRoot = join(folder, 'scratch')
  const environment = { PATH: process.env.PATH, HOME: folder, BITFLEET_TOKEN: 'secret', OMP_SCHEDULE: 'static' }
  const cache = openArtifactCache(join(folder, 'cache'), 1 << 30)
  const scriptOf = (name: string) => join(folder, `${name}.mjs`)
  mkdirSync(scratchRoot)
  const entries = new Map<string, ProgramEntry>()
  for (const [name, text] of Object.entries(texts)) {
    const command = commands[name]?.(scriptOf(name)) ?? [process.execPath, scriptOf(name)]
    writeFileSync(scriptOf(name), name in commands && command[0] === '/bin/sh' ? text : `${prelude}${text}\n`)
    const { entry } = await createEntry(
      {
        ...{ id: name, command, pins: [] },
        parameters: ['epochs=2', 'rate=0.5', 'text=a b', 'quick=false'],
        knobs: knobs[name] ?? ['threads=OMP_NUM_THREADS:1..64', 'isa=ATEN_CPU_CAPABILITY:default,avx2'],
        environment: ['MY_FIXED=yes', 'NODE_PATH=/nowhere', 'OMP_DYNAMIC=FALSE'],
      },
      { folder, path: '' },
    )
    // A hundred megabytes, which would be read twice for each execution.
    const { [process.execPath]: node, ...pins } = entry.pins
    entries.set(name, entries.size === 0 && node !== undefined ? entry : { ...entry, pins })
  }
  await writeProgramList(list, [...entries.values()])
  // One of them is asked; the others would say the same and take their time.
  const asked = join(folder, 'asked.json')
  await writeProgramList(asked, [...entries.values()].slice(0, 1))
  const [first] = (await offersOf({ runnerModules: [], programLists: [asked], environment })).slice(-1) as [Offer]
  const main = first.runner?.argv[0] as string
  const offers = [...entries].map(([id, entry]) => ({
    backend: { ...first.backend, id, knobs: describeKnobs(entry) },
    runner: { ...first.runner, executable: process.execPath, argv: [main, '--program', list, id] },
  }))
  const libraryDigests = createLibraryDigests()
  const context: ExecutionContext = { offers, environment, scratchRoot, cache, libraryDigests, keepBytes: 1 << 28 }

  async function execute(job: PlannedJob, changes: Partial<ExecutionContext> = {}) {
    const result = await runExecution(job, new Map(), { ...context, ...changes })
    executionSchema.parse(result.execution)
    // Nothing of it stays.
    expect(readdirSync(scratchRoot)).toEqual([])
    return result
  }
  return {
    ...{ folder, list, scratchRoot, environment, cache, entries, offers, scriptOf, execute },
    offerOf: (name) => offers.find(({ backend }) => backend.id === name) as Offer,
    run: async (name, knobs, changes) => (await execute(programJob(name, knobs, changes))).execution,
    remove: () => rmSync(folder, { recursive: true }),
  }
}

export function programJob(backend: string, knobs: Knobs = {}, changes: Partial<PlannedJob> = {}): PlannedJob {
  return {
    ...{ id: 'j', attempt: 1, run: 'r', cell: 'c', repetition: 0, workload: 'program', workloadVersion: 1 },
    ...{ params: { name: backend }, seed: '42', condition: { backend, device: 'cpu', knobs }, inputs: [] },
    limits: { timeMs: 60_000, memoryBytes: 2 ** 32 },
    ...changes,
  }
}
