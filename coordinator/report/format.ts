import { z } from 'zod'
import { conditionLabels, knobValueSchema } from '../../shared/condition.ts'
import { digestSchema, hexDigestSchema, noteSchema, outputSchema } from '../../shared/execution.ts'
import { agentRecordSchema } from '../../shared/messages.ts'
import { dtypes } from '../../shared/tensor.ts'
import { findingsSchema, verdicts } from './findings-format.ts'

export {
  type CauseFinding,
  type Counts,
  type Findings,
  type KnobFinding,
  type Machine,
  type MachinesFinding,
  type Notice,
  type NoticeKind,
  type RowFinding,
  type SelfFinding,
  type SettingFinding,
  type Strength,
  type VariableFinding,
  type Verdict,
  verdicts,
} from './findings-format.ts'

/** `bitfleet/report@2`: what `report.json` holds. Every other form of the report only renders it. */
export const reportSchemaName = 'bitfleet/report@2'

const facts = z.record(z.string(), z.string())

/** What became of a knob that the plan sets. */
export const settingStateSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('in force') }),
  z.object({ state: z.literal('replaced'), by: z.string(), why: z.string().optional() }),
  z.object({ state: z.literal('unknown'), why: z.string().optional() }),
])
export type SettingState = z.infer<typeof settingStateSchema>

export const rowRuleSchema = z.object({
  workload: z.string(),
  params: z.record(z.string(), z.unknown()),
  absent: z.enum(['allow', 'forbid']).optional(),
  expect: z.enum(['nondeterministic', 'repeatable']).optional(),
})

const statuses = ['completed', 'unsupported', 'crashed', 'timed-out', 'failed', 'cancelled', 'missing'] as const

export const checkpointPlaceSchema = z.object({
  seq: z.number().int(),
  step: z.number().int(),
  name: z.string(),
  dtype: z.enum(dtypes),
  shape: z.array(z.number().int()),
})

/** What kind of difference a pair of elements is: the first of these that holds, told from the bits alone. */
export const differenceKinds = [
  /** Both are NaNs: only their signs differ. */
  'nan-sign',
  /** Both are NaNs: their payloads differ. */
  'nan-payload',
  /** One is a NaN. */
  'nan-number',
  /** +∞ against −∞. */
  'infinity-sign',
  /** One is infinite, the other finite and not the largest finite number. */
  'infinity',
  /** +0 against −0. */
  'sign-of-zero',
  /** One is zero, the other subnormal, as when subnormals are flushed. */
  'subnormal-zero',
  /** One is zero, the other not. */
  'zero',
  /** At most 8 ULP apart. */
  'rounding',
  /** One is at the limit of its type, the other not (or infinite). Of integers: more than 1 apart; 0 is not a limit. */
  'saturation',
  /** Finite and more than 8 ULP apart. */
  'larger',
  /** Two integers. */
  'integer',
] as const
export type DifferenceKind = (typeof differenceKinds)[number]

/** What all differing elements of a tensor show together. */
export const differencePatterns = [
  /** b has the bit patterns of a, each as often, in another order. */
  'permutation',
  /** At least 8 elements, and a tenth of those that differ, are zero on one side only. */
  'mask',
] as const
export type DifferencePattern = (typeof differencePatterns)[number]

/** A ratio of norms; `infinite` if it is above the largest binary64 number; null if it was not measured. */
const relativeL2 = z.union([z.number(), z.literal('infinite')]).nullable()

/** Two tensors of one dtype and shape, element by element. Counts are over all elements. */
export const elementComparisonSchema = z.object({
  elements: z.number().int(),
  /** Elements whose bit patterns differ. */
  unequal: z.number().int(),
  /** The same elements by kind. Kinds without an element are left out, so the counts add up to `unequal`. */
  kinds: z.partialRecord(z.enum(differenceKinds), z.number().int()).default({}),
  patterns: z.array(z.enum(differencePatterns)).default([]),
  /** Of those: pairs that are +0 against −0. */
  signOfZero: z.number().int(),
  /** Pairs with a NaN whose patterns differ; they have no distance. */
  nan: z.number().int(),
  /** Largest distance in ULPs, decimal: over the differing pairs without a NaN, `0` if nothing differs. */
  maxUlp: z.string().nullable(),
  /** ‖a − b‖₂ / ‖a‖₂ in binary64 over the pairs of which both are finite. */
  relativeL2,
  /** For each figure above that is null: why it was not measured. */
  notMeasured: z.object({ maxUlp: z.string().optional(), relativeL2: z.string().optional() }).default({}),
  /** Counts of all elements by ULP distance: `0`, `1`, `2`, `3-4`, `5-8`, …, `nan`, `sign-of-zero`; empty buckets left out. Not for integers. */
  histogram: z.array(z.object({ bucket: z.string(), count: z.number().int() })),
})
export type ElementComparison = z.infer<typeof elementComparisonSchema>

/** One difference of two tensors: the first in C order. */
export const firstDifferenceSchema = z.object({
  /** Index in C order. */
  element: z.number().int(),
  indices: z.array(z.number().int()),
  /** Big-endian hex. */
  bits: z.tuple([z.string(), z.string()]),
  /** Shortest decimal text that reads back to the same value; for the eye, never compared. */
  values: z.tuple([z.string(), z.string()]),
  /** Decimal; null with a NaN, or where the dtype is not floating point. */
  ulp: z.string().nullable(),
  /** Null only in reports of versions before kinds were told. */
  kind: z.enum(differenceKinds).nullable().default(null),
})
export type FirstDifference = z.infer<typeof firstDifferenceSchema>

/**
 * What a point of growth shows. `nan`: a NaN on one side of a differing pair; `infinite`: no NaN, but an infinity;
 * `not-measured`: the tensors differ, but could not be compared. The figures of a point are over the other pairs.
 */
export const growthStates = ['equal', 'measured', 'nan', 'infinite', 'not-measured'] as const

/** How far apart one named tensor is at each step: the growth of a difference. */
export const growthSchema = z.object({
  name: z.string(),
  /** How many checkpoints of this name there are from the first divergence on; more than `points` where sampled. */
  of: z.number().int().optional(),
  points: z.array(
    z.object({
      step: z.number().int(),
      seq: z.number().int(),
      state: z.enum(growthStates).default('measured'),
      /** Differing elements by kind, as in the statistics of a pair of tensors. */
      kinds: z.partialRecord(z.enum(differenceKinds), z.number().int()).default({}),
      maxUlp: z.string().nullable(),
      relativeL2,
      /** Share of unequal elements, 0 to 1; null if it was not measured. */
      unequal: z.number().nullable(),
      /** Why it was not measured. */
      missing: z.string().optional(),
    }),
  ),
})
export type Growth = z.infer<typeof growthSchema>

export const divergenceSchema = z.object({
  /** Cell ids: the first member of each class, in the order of classes; twice the same where a cell parts from itself. */
  a: z.string(),
  b: z.string(),
  /** Letters of the two classes; `#0` and `#3`, the repetitions, where a cell parts from itself. */
  classes: z.tuple([z.string(), z.string()]),
  checkpoint: checkpointPlaceSchema,
  /** Digests of the checkpoint's tensor in a and in b; null where that trace has no such checkpoint. */
  digests: z.tuple([digestSchema.nullable(), digestSchema.nullable()]),
  /** Comparisons of prefix digests that found it. */
  comparisons: z.number().int(),
  /** Absent members: the bytes were not kept; `missing` says why. */
  element: z.number().int().nullable(),
  indices: z.array(z.number().int()).nullable(),
  bits: z.tuple([z.string(), z.string()]).nullable(),
  values: z.tuple([z.string(), z.string()]).nullable(),
  ulp: z.string().nullable(),
  /** Kind of that element's difference. */
  kind: z.enum(differenceKinds).nullable().default(null),
  statistics: elementComparisonSchema.nullable(),
  missing: z.string().optional(),
  /** Checkpoints that part, and those that are equal again after the first divergence (masked differences). */
  differing: z.number().int(),
  healed: z.number().int(),
  /** The final tensors that differ, by name. A tensor is its dtype, its shape and its bytes together. */
  outputs: z.array(
    z.object({
      name: z.string(),
      /** Null on the side that has no final tensor of this name. */
      digests: z.tuple([digestSchema.nullable(), digestSchema.nullable()]),
      /** `f32[2, 8]`, of each side. */
      types: z.tuple([z.string().nullable(), z.string().nullable()]).default([null, null]),
      statistics: elementComparisonSchema.nullable(),
      /** Why there are no statistics. */
      missing: z.string().optional(),
    }),
  ),
  growth: z.array(growthSchema),
  /** What of the growth was not measured, and why. */
  growthNote: z.string().optional(),
  /** Predicted labels that differ between a and b: churn. Only for workloads that predict labels. */
  decisions: z.object({ labels: z.number().int(), changed: z.number().int(), churn: z.number() }).nullable(),
})
export type Divergence = z.infer<typeof divergenceSchema>

/** A minimal set of facts whose partition of the cells equals the classes (`equal`) or refines them. */
export const explanationSchema = z.object({
  facts: z.array(z.string()),
  equal: z.boolean(),
  /** For each fact of the set, the other facts that part the cells in the same way and cannot be told from it. */
  inseparable: z.record(z.string(), z.array(z.string())),
  /** How many other minimal sets of the same size explain as well. */
  rivals: z.number().int(),
  /** Share of the ways to exchange outcomes that some set of this size or smaller explains as well; null: no figure. */
  chance: z.number().nullable(),
  /** How many ways were tried. */
  draws: z.number().int(),
  /** Why there is no figure. */
  noFigure: z.enum(['cells', 'tooFewMachines', 'bounded']).optional(),
  /** For each class letter, the values of the facts that its members have. */
  values: z.record(z.string(), z.array(z.record(z.string(), z.string()))),
})
export type Explanation = z.infer<typeof explanationSchema>

/** Where the executions of one cell first differ, over all its distinct results, up to a bound. */
export const selfDifferenceSchema = z.object({
  /** Distinct traces that were looked at: fewer than `distinct` if there are too many or some were not kept. */
  looked: z.number().int(),
  /** The first checkpoint that is not the same in all of them. */
  checkpoint: checkpointPlaceSchema,
  /** How many different tensors they have there; one that ended before it counts as one more. */
  tensors: z.number().int(),
  /** Their digests, in the order of the executions; null for one that ended before it. */
  digests: z.array(digestSchema.nullable()),
  /** The first element in C order that is not the same in all; the members below are null if `missing` says why. */
  element: z.number().int().nullable(),
  indices: z.array(z.number().int()).nullable(),
  /** Its different bit patterns and values, in the order of the executions. */
  bits: z.array(z.string()).nullable(),
  values: z.array(z.string()).nullable(),
  /** How many of its elements are not the same in all the tensors that were read, and how many tensors that are. */
  varying: z.number().int().nullable(),
  elements: z.number().int().nullable(),
  read: z.number().int(),
  missing: z.string().optional(),
})
export type SelfDifference = z.infer<typeof selfDifferenceSchema>

/** A cell that disagreed with itself: its executions grouped by trace. */
export const selfDisagreementSchema = z.object({
  cell: z.string(),
  executions: z.number().int(),
  distinct: z.number().int(),
  /** Over all distinct results; null if not known, and `missing` may say why. */
  first: selfDifferenceSchema.nullable().default(null),
  missing: z.string().optional(),
  /** The first two of them against each other. */
  divergence: divergenceSchema.nullable(),
})
export type SelfDisagreement = z.infer<typeof selfDisagreementSchema>

/** The correctly rounded result, and how far from it the others are. */
export const referenceSchema = z.object({
  /** Letter of the class that it belongs to. */
  class: z.string(),
  /** The cells whose condition makes it so; others of the class agree with them. */
  cells: z.array(z.string()),
  /** For each other class, its final tensor against the correctly rounded one; null if `missing` says why. */
  distances: z.array(
    z.object({
      class: z.string(),
      statistics: elementComparisonSchema.nullable(),
      missing: z.string().optional(),
    }),
  ),
})
export type Reference = z.infer<typeof referenceSchema>

export const comparisonSchema = z.object({
  workload: z.string(),
  workloadVersion: z.number().int(),
  params: z.record(z.string(), z.unknown()),
  seed: z.string(),
  verdict: z.enum(verdicts),
  classes: z.array(
    z.object({
      /** A, B, … by the order of each class's first cell in the plan; never by size. */
      letter: z.string(),
      trace: hexDigestSchema,
      cells: z.array(z.string()),
    }),
  ),
  nondeterministic: z.array(selfDisagreementSchema),
  /** Cells that crashed, timed out, failed, were cancelled or are missing, in some or all of their executions. */
  incomplete: z.array(z.string()),
  /** Cells that could not run because something is absent or too old on their agent. */
  absent: z.array(z.string()),
  /** Cells whose backend cannot compute this workload. They count nowhere. */
  inapplicable: z.array(z.string()),
  /** Cells that completed and had another completed cell of this row to be compared with. */
  compared: z.array(z.string()),
  /**
   * What agreement shows: the least number k of executions of a cell in a class, and 1 − 0.05^(1/(k−1)): with 95 %
   * confidence all other outcomes of that cell together are rarer than this. Null where k is 1: nothing is known.
   */
  selfConsistency: z.object({ executions: z.number().int(), otherOutcomesBelow: z.number().nullable() }).nullable(),
  /** Whether the inputs of all classes are equal: if not, this compares inputs, not arithmetic. Null: not known. */
  inputsEqual: z.boolean().nullable(),
  /** Names of the inputs, which every class was given; left out where they are not known, as with fewer than two classes. */
  inputs: z.array(z.string()).optional(),
  /** Only where a cell computed the correctly rounded result, and all that did agree. */
  reference: referenceSchema.optional(),
  divergences: z.array(divergenceSchema),
  explanations: z.array(explanationSchema),
  /** Why there is no explanation, where there is none and one would be expected. */
  unexplained: z.string().optional(),
  /** What was not compared or not searched, and why. */
  notes: z.array(z.string()).optional(),
})
export type Comparison = z.infer<typeof comparisonSchema>

export const reportCellSchema = z.object({
  id: z.string(),
  agent: z.string(),
  workload: z.string(),
  workloadVersion: z.number().int(),
  params: z.record(z.string(), z.unknown()),
  seed: z.string(),
  condition: z.object({
    backend: z.string(),
    version: z.string().nullable(),
    device: z.string(),
    label: z.enum(conditionLabels),
    knobs: z.record(z.string(), knobValueSchema),
    effective: facts,
    /** What became of each knob that the plan sets; left out by agents before 0.2. */
    settings: z.record(z.string(), settingStateSchema).optional(),
  }),
  repetitions: z.number().int(),
  status: z.enum(statuses),
  /** Of an unsupported cell: its backend never computes this, or its agent lacks something. */
  lack: z.enum(['inapplicable', 'absent']).optional(),
  reason: z.string().optional(),
  signal: z.string().optional(),
  stderr: z.string().optional(),
  limitMs: z.number().optional(),
  code: z.string().optional(),
  message: z.string().optional(),
  /** One for each execution, in the order of repetitions; null for one that did not complete. */
  traces: z.array(hexDigestSchema.nullable()),
  outputs: z.array(outputSchema),
  /** Facts of the cell's executions that are beyond its agent's, where all executions agree on them. */
  facts,
  /** Facts on which the executions of the cell disagreed, with the values seen. */
  varying: z.record(z.string(), z.array(z.string())),
  /** Numeric variables of the agent's environment that were in force and that no knob set. */
  ambient: facts.optional(),
  notes: z.array(noteSchema),
  /** Executions that did not complete although others of this cell did. */
  failures: z.array(z.object({ repetition: z.number().int(), status: z.enum(statuses), message: z.string() })),
  /** Medians over the executions; times are no bits and are left out of comparisons. */
  resources: z.object({ wallMs: z.number(), cpuMs: z.number().nullable(), maxRssBytes: z.number().nullable() }),
})
export type ReportCell = z.infer<typeof reportCellSchema>

export const reportSchema = z.object({
  schema: z.literal(reportSchemaName),
  /** The verdict in one sentence, for people; the same as in `findings`. */
  sentence: z.string(),
  verdict: z.enum(verdicts),
  /** Every claim of the report, computed once. */
  findings: findingsSchema,
  run: z.object({
    id: z.string(),
    name: z.string(),
    state: z.enum(['done', 'cancelled', 'failed', 'running', 'comparing']),
    createdAt: z.string(),
    endedAt: z.string().optional(),
    plan: z.string(),
    planDigest: digestSchema,
    software: z.string(),
    notes: z.array(z.string()),
    /** The plan accepts that something is absent on an agent. */
    absent: z.literal('allow').optional(),
    /** What the plan says of the rows of a workload with its parameters. */
    rowRules: z.array(rowRuleSchema).optional(),
  }),
  agents: z.array(agentRecordSchema),
  workloads: z.array(z.object({ id: z.string(), version: z.number().int(), title: z.string(), summary: z.string() })),
  cells: z.array(reportCellSchema),
  comparisons: z.array(comparisonSchema),
})
export type Report = z.infer<typeof reportSchema>

/** A report before its claims: what was computed and compared. Findings are a pure function of it. */
export type ReportCore = Omit<Report, 'sentence' | 'verdict' | 'findings'>
