import { z } from 'zod'

// The claims of a report. `../findings/` computes them once; every form of the report only renders them. Each has its
// words (`text`, plain text that a form makes visible and escapes) beside the numbers that the words are made of.

/** Of a run or a row, the first that holds. */
export const verdicts = ['nondeterministic', 'divergent', 'incomplete', 'nothing compared', 'identical'] as const
export type Verdict = (typeof verdicts)[number]

/** `seen`: too few executions to be claimed. */
const strength = z.enum(['claimed', 'seen'])
export type Strength = z.infer<typeof strength>

/** Places in `comparisons`. */
const rows = z.array(z.number().int())

export const countsSchema = z.object({
  /** Rows: a workload with its parameters and seed. `compared`: at least two of its cells completed. */
  rows: z.object({
    total: z.number().int(),
    compared: z.number().int(),
    identical: z.number().int(),
    divergent: z.number().int(),
    nondeterministic: z.number().int(),
    /** Rows in which a cell did not complete, or is absent and the plan does not allow it; whatever else they are. */
    incomplete: z.number().int(),
  }),
  /** Inapplicable cells are no cells: they stand apart and in no total. */
  cells: z.object({
    total: z.number().int(),
    completed: z.number().int(),
    compared: z.number().int(),
    absent: z.number().int(),
    incomplete: z.number().int(),
    inapplicable: z.number().int(),
  }),
  executions: z.object({ planned: z.number().int(), completed: z.number().int() }),
  /** Conditions and machines of which a cell was compared. */
  conditions: z.number().int(),
  machines: z.number().int(),
})
export type Counts = z.infer<typeof countsSchema>

export const rowFindingSchema = z.object({
  comparison: z.number().int(),
  /** Workload and parameters, and the seed where the run has several. */
  title: z.string(),
  verdict: z.enum(verdicts),
  /** Cells that were compared with another. */
  compared: z.number().int(),
  /** What the plan expects, and whether it came so. */
  expected: z.object({ expect: z.enum(['nondeterministic', 'repeatable']), met: z.boolean() }).optional(),
  text: z.string(),
})
export type RowFinding = z.infer<typeof rowFindingSchema>

export const machineSchema = z.object({
  agent: z.string(),
  /** `gpu0`; left out for a machine's processor. */
  device: z.string().optional(),
  /** How people call it: told apart where two have one name. */
  name: z.string(),
  /** Rows in which it was compared with another machine, and those in which it is the odd one. */
  compared: z.number().int(),
  odd: z.number().int(),
})
export type Machine = z.infer<typeof machineSchema>

/**
 * Whether machines agree: the same workload and requested condition on two or more of them. If they differ, it is claimed
 * only if each row is in which they do.
 */
export const machinesFindingSchema = z.object({
  status: z.enum(['agree', 'differ', 'not compared']),
  strength,
  /** Least executions of a cell behind the finding, and how many it needs to be claimed. */
  executions: z.number().int(),
  needs: z.number().int(),
  text: z.string(),
  /** In the order of their names. */
  machines: z.array(machineSchema),
  /**
   * Machines that completed the same conditions of a comparison: a letter for each of them, null for the others. A
   * comparison has several of these if its machines completed different conditions.
   */
  rows: z.array(
    z.object({
      comparison: z.number().int(),
      /** The conditions, in words, if the comparison has several rows. */
      under: z.string().optional(),
      letters: z.array(z.string().nullable()),
      /** Places of machines outside a class of more than half of at least three. */
      odd: z.array(z.number().int()),
      strength,
    }),
  ),
  /** Effective values and variables that differ between machines just as the bits do: the first to look at. */
  candidates: z.array(
    z.object({
      kind: z.enum(['variable', 'effective value']),
      name: z.string(),
      rows,
      text: z.string(),
    }),
  ),
})
export type MachinesFinding = z.infer<typeof machinesFindingSchema>

/** What the plan tested: one setting changed, all else alike. One finding for each setting and workload. */
export const settingFindingSchema = z.object({
  setting: z.string(),
  /** The rows of one workload and its parameters, over its seeds. */
  rows,
  /** `followed`: the bits changed in some trial; `stayed`: in none. */
  outcome: z.enum(['followed', 'stayed', 'not tested']),
  /** Left out if it was not tested. */
  strength: strength.optional(),
  /**
   * The rows in which the bits followed: where a trial is claimed, and where it was only seen. In the others of `rows`
   * the setting changed nothing. Empty in reports of versions before this was told.
   */
  followedIn: z.object({ claimed: rows, seen: rows }).default({ claimed: [], seen: [] }),
  /** Trials that count, and those in which the bits followed. */
  trials: z.number().int(),
  followed: z.number().int(),
  /** Least executions of a cell behind it (of the trials that are claimed, if some are), and how many a claim needs. */
  executions: z.number().int(),
  needs: z.number().int(),
  text: z.string(),
})
export type SettingFinding = z.infer<typeof settingFindingSchema>

/** A knob's value that is not simply in force. */
export const knobFindingSchema = z.object({
  /** `BACKEND.KNOB`. */
  knob: z.string(),
  value: z.string(),
  state: z.enum(['replaced', 'unknown', 'no effect']),
  /** What is in force instead. */
  by: z.string().optional(),
  cells: z.array(z.string()),
  text: z.string(),
})
export type KnobFinding = z.infer<typeof knobFindingSchema>

/** A variable of an agent's environment that no knob set. */
export const variableFindingSchema = z.object({
  variable: z.string(),
  value: z.string(),
  kind: z.enum(['code path', 'threads', 'devices', 'libraries']),
  /** Agents by id. */
  agents: z.array(z.string()),
  cells: z.number().int(),
  text: z.string(),
})
export type VariableFinding = z.infer<typeof variableFindingSchema>

/** Facts that go along with the bits. */
export const causeFindingSchema = z.object({
  /** Over machines, with a chance; or over the cells of a row, without one. */
  of: z.enum(['machines', 'cells']),
  rows,
  /** Each fact of the set with those that cannot be told from it, ordered by use. */
  facts: z.array(z.array(z.string())),
  /** Over machines, facts of other sets of the same size that explain the bits as well; left out if there are none. */
  rivals: z.array(z.string()).optional(),
  /** Named as the cause: chance at most 5 %, and twins that differ in no other fact outside its family. */
  headlined: z.boolean(),
  /** Share of relabellings that some set of this size or smaller explains; null where no figure can be given. */
  chance: z.number().nullable(),
  /** Why it is not headlined. */
  reasons: z.array(z.string()),
  text: z.string(),
})
export type CauseFinding = z.infer<typeof causeFindingSchema>

/** A cell that disagreed with itself: where, and against which cell that does not. */
export const selfFindingSchema = z.object({
  comparison: z.number().int(),
  cell: z.string(),
  executions: z.number().int(),
  distinct: z.number().int(),
  text: z.string(),
  /** A cell of the row that agreed with itself and is alike but for few settings. */
  twin: z.object({ cell: z.string(), differences: z.array(z.string()), text: z.string() }).optional(),
})
export type SelfFinding = z.infer<typeof selfFindingSchema>

export const noticeKinds = [
  'incomplete',
  'absent',
  'partly',
  'expectation',
  'inputs',
  'environment',
  'replaced',
  'unknown',
  'no-effect',
  'fallback',
  'limit',
  'warning',
  'run',
  'inapplicable',
] as const
export type NoticeKind = (typeof noticeKinds)[number]

/** Something a reader must not miss, said once for all cells that it holds for. */
export const noticeSchema = z.object({
  kind: z.enum(noticeKinds),
  heading: z.string(),
  subject: z.string(),
  text: z.string(),
  /** How many cells; 0 where it is about the run. */
  cells: z.number().int(),
  /** Ids of the first of them. */
  examples: z.array(z.string()),
  /** Places of all of them in the report's `cells`; left out by versions before this was kept. */
  places: z.array(z.number().int()).optional(),
})
export type Notice = z.infer<typeof noticeSchema>

export const findingsSchema = z.object({
  sentence: z.string(),
  verdict: z.enum(verdicts),
  exitCode: z.union([z.literal(0), z.literal(1), z.literal(3)]),
  counts: countsSchema,
  rows: z.array(rowFindingSchema),
  machines: machinesFindingSchema,
  settings: z.array(settingFindingSchema),
  knobs: z.array(knobFindingSchema),
  variables: z.array(variableFindingSchema),
  causes: z.array(causeFindingSchema),
  self: z.array(selfFindingSchema),
  /** What agreement of the cells shows; null where no cell agreed with itself. */
  agreement: z.object({ least: z.number().int(), most: z.number().int(), text: z.string() }).nullable(),
  notices: z.array(noticeSchema),
})
export type Findings = z.infer<typeof findingsSchema>
