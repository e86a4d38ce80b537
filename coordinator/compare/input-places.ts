import type { Execution } from '../../shared/execution.ts'
import type { JobInput } from '../../shared/messages.ts'
import type { Checkpoint, Trace } from '../../shared/trace.ts'
import { findDescription } from '../../workloads/catalogue.ts'
import type { CellRecord } from '../records.ts'

// Which checkpoints a workload was given, and whether all classes of a row were given the same.

/** A checkpoint by what it is called. Positions shift when one side traces more than the other; this does not. */
export interface InputPlace {
  readonly step: number
  readonly name: string
}

/** The positions of the inputs in the trace of a cell's executions. */
export interface InputPositions {
  /** Ascending. */
  readonly positions: readonly number[]
  /** The executions have equal traces and yet call different checkpoints inputs. Only what all of them say counts. */
  readonly disputed: boolean
}

/**
 * Finds the inputs of executions that have equal traces: by the workload's schema, or else as the executions say.
 * Finds none if this coordinator does not have the workload at this version, and the executions do not say.
 *
 * @param brought the arrays that the run brings along
 */
export function inputPositions(
  cell: Pick<CellRecord, 'workload' | 'workloadVersion' | 'params'>,
  brought: readonly JobInput[],
  executions: readonly Pick<Execution, 'inputs'>[],
): InputPositions {
  return positionsBySchema(cell, brought) ?? positionsBySaying(executions)
}

/** Undefined if no schema says. */
function positionsBySchema(
  { workload, workloadVersion, params }: Pick<CellRecord, 'workload' | 'workloadVersion' | 'params'>,
  brought: readonly JobInput[],
): InputPositions | undefined {
  const description = findDescription(workload)
  if (description?.schema === undefined || description.version !== workloadVersion) return undefined
  const parsed = description.params.safeParse(params)
  if (!parsed.success) return { positions: [], disputed: false }
  try {
    const specs = description.schema(parsed.data, brought)
    return { positions: specs.flatMap(({ role }, i) => (role === 'input' ? [i] : [])), disputed: false }
  } catch {
    // A run of another release may have parameters from which this one makes no schema.
    return { positions: [], disputed: false }
  }
}

function positionsBySaying(executions: readonly Pick<Execution, 'inputs'>[]): InputPositions {
  const said = new Map(executions.map(({ inputs = [] }) => [inputs.join(), inputs]))
  const [first = [], ...others] = said.values()
  const sets = others.map((inputs) => new Set(inputs))
  return {
    positions: first.filter((position) => sets.every((set) => set.has(position))),
    disputed: others.length > 0,
  }
}

/** One class of a row: a trace, and the positions of the inputs in it. */
export interface InputSide {
  readonly trace: Trace
  readonly positions: readonly number[]
}

export interface ComparedInputs {
  /** All inputs, in the order of the first class that has them. */
  readonly places: readonly InputPlace[]
  /** Every class has the same inputs: equal dtype, shape and digest at equal places. */
  readonly equal: boolean
  /**
   * Inputs at which two classes part: everything before them is equal. The computation cannot be why they differ, so
   * the classes computed different things.
   */
  readonly parting: readonly InputPlace[]
  /**
   * Other inputs that differ, or that some class lacks. Something before them differed first, and may be why: a
   * program may call `input` what it computed from that.
   */
  readonly following: readonly InputPlace[]
}

/** Compares the inputs of the classes of one row. The cost grows with the number of classes times the number of places of inputs. */
export function compareInputs(sides: readonly InputSide[]): ComparedInputs {
  const found = new Map<string, { place: InputPlace; identities: Set<string>; sides: number; parts: boolean }>()
  // By position and prefix: what traces have that are equal up to there.
  const arrays = new Map<string, Set<string>>()
  const visits: [string, string][] = []
  for (const { trace, positions } of sides) {
    for (const position of positions) {
      const checkpoint = trace.checkpoints[position]
      if (checkpoint === undefined) continue
      const { step, name } = checkpoint
      const key = placeKey(checkpoint)
      const entry = found.get(key) ?? { place: { step, name }, identities: new Set(), sides: 0, parts: false }
      found.set(key, entry)
      entry.sides++
      entry.identities.add(identityOf(checkpoint))
      const before = `${position} ${trace.prefixes[position - 1] ?? ''}`
      const here = arrays.get(before) ?? new Set()
      arrays.set(before, here.add(trace.prefixes[position] as string))
      visits.push([key, before])
    }
  }
  // A class that does not call it an input still shows whether the classes differ at this place.
  const positions = new Set(sides.flatMap((side) => side.positions))
  for (const { trace } of sides) {
    for (const position of positions) {
      const checkpoint = trace.checkpoints[position]
      if (checkpoint === undefined || !found.has(placeKey(checkpoint))) continue
      arrays.get(`${position} ${trace.prefixes[position - 1] ?? ''}`)?.add(trace.prefixes[position] as string)
    }
  }
  for (const [key, before] of visits) {
    const entry = found.get(key)
    if (entry !== undefined && (arrays.get(before)?.size ?? 0) > 1) entry.parts = true
  }
  const entries = [...found.values()]
  const differing = entries.filter((entry) => entry.identities.size > 1 || entry.sides < sides.length || entry.parts)
  const placesOf = (parts: boolean) => differing.filter((entry) => entry.parts === parts).map(({ place }) => place)
  return {
    places: entries.map(({ place }) => place),
    equal: differing.length === 0,
    parting: placesOf(true),
    following: placesOf(false),
  }
}

function placeKey({ step, name }: InputPlace): string {
  return JSON.stringify([step, name])
}

/** What makes two arrays the same: dtype, shape and digest together. */
function identityOf({ dtype, shape, digest }: Checkpoint): string {
  return `${dtype}[${shape.join()}]${digest}`
}
