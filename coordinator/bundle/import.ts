import { distinctArrays } from '../../shared/array-identity.ts'
import { type Bundle, bundleSetName } from '../../shared/bundle.ts'
import { canonicalJson } from '../../shared/canonical-json.ts'
import { cellInputs } from '../../shared/cell.ts'
import { type Digest, digestOf } from '../../shared/digest.ts'
import { BitfleetError, isBitfleetError, messageOf } from '../../shared/errors.ts'
import type { JobInput } from '../../shared/messages.ts'
import { findDescription } from '../../workloads/catalogue.ts'
import { compareRun } from '../compare/compare-run.ts'
import { isBarred, type RegisteredAgent, standingSentence } from '../enrolment/index.ts'
import { expandPlan, parsePlan, rulesOf } from '../plan/index.ts'
import type { Artifacts, ExecutionRecord, RunData, RunRecord } from '../records.ts'
import { assembleReport } from '../report/assemble.ts'
import type { Report } from '../report/format.ts'
import { checkResult } from '../scheduler/check-result.ts'
import type { Store } from '../store/index.ts'

/** Bundles of one plan as the run that they are together: what a coordinator would have stored had it been there. */
export interface BundledRun {
  readonly data: RunData
  /** Of the executions that completed, by trace digest. */
  readonly traceTexts: ReadonlyMap<string, string>
  readonly artifacts: Artifacts
  readonly tensors: readonly Digest[]
  readonly bundles: readonly Bundle[]
}

export interface ImportedRun {
  readonly run: string
  readonly name: string
  readonly agents: readonly string[]
  readonly executions: number
  /** False where all of it had been imported before. */
  readonly imported: boolean
}

/**
 * Puts bundles together, one run for each plan. Id, order and times come from what the bundles hold, so that the same
 * bundles make the same run wherever, however often and in whatever order they are imported.
 *
 * @throws `conflict` where two bundles of a plan are of one agent: those are two runs, to be imported apart
 */
export async function joinBundles(bundles: readonly Bundle[]): Promise<BundledRun[]> {
  const byPlan = new Map<Digest, Map<Digest, Bundle>>()
  for (const bundle of bundles) {
    const ofPlan = byPlan.get(bundle.run.planDigest) ?? new Map<Digest, Bundle>()
    byPlan.set(bundle.run.planDigest, ofPlan.set(bundle.id, bundle))
  }
  const joined: BundledRun[] = []
  for (const ofPlan of byPlan.values()) {
    joined.push(await joinOne([...ofPlan.values()].sort(byAgent)))
  }
  return joined
}

/** As a reader looks for them; ids are keys, whose order says nothing, and tell agents of one name apart. */
function byAgent({ agent: a, id }: Bundle, { agent: b, id: other }: Bundle): number {
  const [left, right] = a.name !== b.name ? [a.name, b.name] : a.id !== b.id ? [a.id, b.id] : [id, other]
  return left < right ? -1 : 1
}

async function joinOne(bundles: readonly Bundle[]): Promise<BundledRun> {
  const [first] = bundles as [Bundle]
  const byId = new Map<string, Bundle>()
  bundles.forEach((bundle) => {
    const { agent, title } = bundle
    const other = byId.get(agent.id)
    byId.set(agent.id, bundle)
    if (other === undefined) return
    throw new BitfleetError(
      'conflict',
      `${other.title} and ${title} are both of agent ${agent.name} (${agent.id}): import them apart, and compare the two runs with \`bitfleet diff\``,
    )
  })
  const created = bundles.map(({ run }) => run.createdAt).sort()
  const ended = bundles.map(({ run }) => run.endedAt).sort()
  const run: RunRecord = {
    id: runIdOf(created[0] as string, bundles),
    name: first.run.name,
    state: 'done',
    createdAt: created[0] as string,
    endedAt: ended.at(-1),
    planText: first.planText,
    planDigest: first.run.planDigest,
    planNotes: notesOf(bundles),
    inputs: joinInputs(bundles),
    ...rulesIn(first),
    agents: bundles.map(({ agent }) => agent),
  }
  const artifacts = joinArtifacts(bundles)
  const cells = bundles
    .flatMap((bundle) => bundle.cells)
    .sort((a, b) => a.position - b.position || (a.id < b.id ? -1 : 1))
  const places = new Map(cells.map((cell, i) => [cell.id, { cell, i }]))
  const traceTexts = new Map<string, string>()
  const executions: ExecutionRecord[] = []
  for (const record of bundles.flatMap((bundle) => bundle.executions)) {
    const cell = places.get(record.cell)?.cell
    if (cell === undefined) continue
    const { trace } = record.execution
    const text = trace === undefined ? undefined : await artifacts.trace(trace)
    // Held against the same rules as what comes over a line.
    const checked = checkResult(
      cell,
      run.inputs,
      record.execution,
      text === undefined ? undefined : Buffer.from(text),
      findDescription,
    )
    if (checked.execution.trace !== undefined && checked.traceText !== undefined) {
      traceTexts.set(checked.execution.trace, checked.traceText)
    }
    executions.push({ ...record, execution: checked.execution })
  }
  const order = ({ cell, repetition }: ExecutionRecord) => (places.get(cell)?.i ?? 0) * 100_000 + repetition
  return {
    data: { run, cells, executions: executions.sort((a, b) => order(a) - order(b)) },
    ...{ traceTexts, artifacts },
    tensors: [...new Set(bundles.flatMap((bundle) => bundle.tensors))],
    bundles,
  }
}

/** As of any run: its time, and letters that tell it from others of that second; these from what it is made of. */
function runIdOf(createdAt: string, bundles: readonly Bundle[]): string {
  const [day, time] = new Date(createdAt).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').split('T')
  return `${day}-${time}-${bundleSetName(bundles.map(({ id }) => id))}`
}

/** @throws `conflict` if a parameter of one bundle could mean the array of another */
function joinInputs(bundles: readonly Bundle[]): JobInput[] {
  const inputs = distinctArrays(bundles.flatMap(({ run }) => run.inputs))
  for (const { cells, run, title } of bundles) {
    for (const cell of cells) {
      const [own, all] = [run.inputs, inputs].map((known) => cellInputs(cell, known))
      if (own?.length === all?.length) continue
      throw new BitfleetError(
        'conflict',
        `${title} has an array with the bytes of another bundle's, and with another dtype or shape; import them apart`,
      )
    }
  }
  return inputs
}

/** Nothing for a plan that cannot be read here; `notesOf` says so. */
function rulesIn({ planText, run }: Bundle): Pick<RunRecord, 'absent' | 'rowRules'> {
  try {
    return rulesOf(parsePlan(planText, run.name))
  } catch (error) {
    if (isBitfleetError(error)) return {}
    throw error
  }
}

/** What is noted of one machine alone need not be so of all; a plan that cannot be read here keeps its own notes. */
function notesOf(bundles: readonly Bundle[]): string[] {
  const [first] = bundles as [Bundle]
  try {
    return expandPlan(
      parsePlan(first.planText, first.run.name),
      bundles.map(({ agent }) => agent),
    ).notes
  } catch (error) {
    if (!isBitfleetError(error)) throw error
    const own = new Set(bundles.flatMap(({ run }) => run.planNotes))
    return [...own, `this coordinator does not read the plan as the agents did: ${messageOf(error)}`]
  }
}

function joinArtifacts(bundles: readonly Bundle[]): Artifacts {
  const firstOf = async <T>(read: (bundle: Bundle) => Promise<T | undefined>): Promise<T | undefined> => {
    for (const bundle of bundles) {
      const found = await read(bundle)
      if (found !== undefined) return found
    }
    return undefined
  }
  return {
    tensor: (digest) => firstOf((bundle) => bundle.tensor(digest)),
    trace: (digest) => firstOf((bundle) => bundle.trace(digest)),
  }
}

export async function reportOf({ data, artifacts }: BundledRun, software: string): Promise<Report> {
  return assembleReport(data, await compareRun(data, artifacts), software)
}

/**
 * Brings bundles into a store, as runs that have ended and have their reports. What an earlier import left undone is
 * done; what is there stays. Agents of bundles take part in those runs and are not thereby known to the coordinator.
 *
 * @throws `conflict` as `joinBundles`; `refused` for one of an agent that is revoked or locked here; `digest-mismatch` for bytes that changed since the bundle was opened
 */
export async function importBundles(
  store: Store,
  bundles: readonly Bundle[],
  { software, find, by = 'coordinator' }: ImportContext,
): Promise<ImportedRun[]> {
  for (const { title, agent } of bundles) {
    const known = find(agent.id)
    if (known && isBarred(known)) throw new BitfleetError('refused', `${title}: ${standingSentence(known)}`)
  }
  const imported: ImportedRun[] = []
  for (const joined of await joinBundles(bundles)) imported.push(await importRun(store, joined, software, by))
  return imported
}

export interface ImportContext {
  readonly software: string
  /** The agent of an id, where it is or was enrolled here: what is barred is not imported. */
  readonly find: (agent: string) => RegisteredAgent | undefined
  /** Who asks, for the audit. */
  readonly by?: string
}

/** Manifest and signature stay with the run, so that who made its results can be checked for as long as it is kept. */
async function keepSignature(store: Store, run: string, { manifest, signature, agent }: Bundle, by: string) {
  const signed = Buffer.from(canonicalJson(signature))
  const digests = { manifest: digestOf(manifest), signature: digestOf(signed) }
  await store.putObject(manifest, digests.manifest)
  await store.putObject(signed, digests.signature)
  await store.append({ kind: 'import', by, run, agent: agent.id, ...digests })
}

async function importRun(store: Store, joined: BundledRun, software: string, by: string): Promise<ImportedRun> {
  const { run, cells, executions } = joined.data
  const known = await store.loadPlan(run.id).catch((error: unknown) => {
    if (isBitfleetError(error) && error.code === 'not-found') return undefined
    throw error
  })
  const names = run.agents.map(({ name }) => name)
  const result = { run: run.id, name: run.name, agents: names, executions: executions.length }
  if (known?.run.state === 'done' && (await store.loadReport(run.id))) return { ...result, imported: false }

  for (const digest of joined.tensors) {
    const bytes = (await store.hasObject(digest)) ? undefined : await joined.artifacts.tensor(digest)
    if (bytes) await store.putObject(bytes, digest)
  }
  if (!known) {
    const { endedAt: _, ...begun } = run
    await store.createRun({ ...begun, state: 'running' }, cells, by)
  }
  for (const record of executions) {
    const { trace } = record.execution
    await store.recordExecution(run.id, record, trace === undefined ? undefined : joined.traceTexts.get(trace), by)
  }
  for (const bundle of joined.bundles) await keepSignature(store, run.id, bundle, by)
  await store.saveReport(run.id, await reportOf(joined, software))
  await store.setRunState(run.id, 'done', { endedAt: run.endedAt as string })
  return { ...result, imported: true }
}
