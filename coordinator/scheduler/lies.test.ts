import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { completedWith, type FakeResult } from '../../test/fake-agent.ts'
import { f32 } from '../../test/synthetic-run.ts'
import { digestOf } from '../../shared/digest.ts'
import type { Execution, Output } from '../../shared/execution.ts'
import type { JobInput } from '../../shared/messages.ts'
import { bitsHex, createTensor, type Tensor } from '../../shared/tensor.ts'
import { type Checkpoint, createTrace, digestOfLines, formatTrace } from '../../shared/trace.ts'
import type { CheckpointSpec, WorkloadDescription } from '../../workloads/workload.ts'
import type { CellRecord } from '../records.ts'
import { checkResult, failedExecution } from './check-result.ts'

// Every guard of check-result.ts has the lie that it refuses: an honest result, changed in one thing. What is true comes
// first in each table.

const rows = createTensor('f32', [2, 2], new Uint8Array(16).fill(1))
const input: JobInput = { digest: digestOf(rows.bytes), dtype: 'f32', shape: [2, 2] }
const sum = f32([4], [])
const cell = {
  workload: 'row-sum',
  workloadVersion: 3,
  params: { name: 'sum' } as Record<string, unknown>,
  condition: { backend: 'js', device: 'cpu', knobs: { b: 2 } },
} as unknown as CellRecord

/** A workload of two checkpoints: the user's array, and a sum named as the parameters say. */
const withSchema: WorkloadDescription = {
  ...{ id: 'row-sum', version: 3, title: '', summary: '' },
  params: z.object({ name: z.string().default('sum') }),
  schema(params, inputs): CheckpointSpec[] {
    const { dtype, shape } = (inputs ?? []).find(({ digest }) => digest === input.digest) as JobInput
    return [
      { step: 0, name: 'input', dtype, shape, role: 'input', digest: input.digest },
      { step: 1, name: (params as { name: string }).name, dtype: 'f32', shape: [], role: 'output' },
    ]
  },
}
const { schema: _, ...withoutSchema } = withSchema

type Made = readonly [step: number, name: string, tensor: Tensor]
const honestPlaces: Made[] = [
  [0, 'input', rows],
  [1, 'sum', sum],
]

/** What an honest agent says of an execution that made these tensors; the last is its output. */
function resultOf(made: readonly Made[]): FakeResult {
  const checkpoints = made.map(
    ([step, name, { dtype, shape, bytes }], seq): Checkpoint => ({
      ...{ seq, step, name, dtype, shape, digest: digestOf(bytes) },
    }),
  )
  const [, name, tensor] = made.at(-1) as Made
  const { execution } = completedWith([[name, tensor]])
  const trace = createTrace(checkpoints)
  return { execution: { ...execution, trace: trace.digest }, body: Buffer.from(formatTrace(trace)) }
}

function saying(result: FakeResult, changes: Partial<Execution>): FakeResult {
  return { ...result, execution: { ...result.execution, ...changes } }
}

function withOutput(result: FakeResult, changes: Partial<Output>): FakeResult {
  return saying(result, { outputs: [{ ...(result.execution.outputs[0] as Output), ...changes }] })
}

/** Other lines, and the digest that they really have. */
function withLines(result: FakeResult, body: Uint8Array): FakeResult {
  return { ...saying(result, { trace: digestOfLines(body) }), body }
}

function textOf({ body }: FakeResult): string {
  return Buffer.from(body as Uint8Array).toString()
}

function judge(result: FakeResult, description: WorkloadDescription | undefined, of: CellRecord = cell) {
  return checkResult(of, [input], result.execution, result.body, (id) => (id === 'row-sum' ? description : undefined))
}

function failure(code: string, message: RegExp) {
  return { status: 'failed', code, message: expect.stringMatching(message) as string, stderr: '' }
}

type Lie = (honest: FakeResult) => FakeResult

describe('a completed execution', () => {
  const bits = bitsHex(f32(Array.from({ length: 16 }, (_, i) => i)))
  const twice: Made[] = [
    [0, 'loss', f32([1], [])],
    [1, 'loss', sum],
  ]

  it.each<[string, FakeResult, WorkloadDescription | undefined]>([
    ['as the schema has it', resultOf(honestPlaces), withSchema],
    ['of a workload without a schema', resultOf(honestPlaces), withoutSchema],
    ['of a workload nobody knows here', resultOf(honestPlaces), undefined],
    ['without bits', withOutput(resultOf(honestPlaces), { bits: undefined }), withSchema],
    ['without outputs, of which no schema says any', saying(resultOf(honestPlaces), { outputs: [] }), withoutSchema],
    ['with 16 elements of bits', resultOf([[0, 'x', f32(bits.map((_, i) => i))]]), withoutSchema],
    ['with an output of one name at two steps', resultOf(twice), withoutSchema],
  ])('%s stands as it was said', (_, honest, description) => {
    const checked = judge(honest, description)
    expect(checked.execution).toEqual(honest.execution)
    expect(checked.traceText).toBe(textOf(honest))
  })

  it.each<[string, Lie, string, RegExp]>([
    ['has no trace', (honest) => saying(honest, { trace: undefined }), 'protocol', /no trace came with it/],
    [
      'says what became of a knob that the plan does not set',
      (honest) => saying(honest, { settings: { threads: { state: 'in force' } } }),
      'protocol',
      /says what became of knob "threads", which the plan does not set/,
    ],
    [
      'names more variables than go along',
      (honest) =>
        saying(honest, { ambient: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`V${i}`, '1'])) }),
      'protocol',
      /names 257 variables; at most 256 go along/,
    ],
    [
      'has more text in a variable than a report can hold',
      (honest) => saying(honest, { ambient: { OPENBLAS_CORETYPE: 'x'.repeat(4097) } }),
      'protocol',
      /what is said of a variable has more than 4096 characters/,
    ],
    ['has no lines', ({ execution }) => ({ execution }), 'protocol', /no trace came with it/],
    [
      'has another trace than its lines',
      (honest) => saying(honest, { trace: '0'.repeat(64) }),
      'digest-mismatch',
      /claims trace 0{64}, the lines it sent have [0-9a-f]{64}/,
    ],
    [
      'has lines of other tensors',
      (honest) => ({
        ...honest,
        body: resultOf([[0, 'input', f32([1])], ...honestPlaces.slice(1)]).body,
      }),
      'digest-mismatch',
      /claims trace .*, the lines it sent have/,
    ],
    ['has no checkpoint', (honest) => ({ ...honest, body: new Uint8Array() }), 'digest-mismatch', /claims trace/],
    [
      'has lines that are not UTF-8',
      (honest) => withLines(honest, Buffer.from(textOf(honest).replace('input', 'in\u00ffut'), 'latin1')),
      'protocol',
      /the trace is not UTF-8/,
    ],
    [
      'has a byte order mark before its lines',
      (honest) => ({ ...honest, body: Buffer.from(`\ufeff${textOf(honest)}`) }),
      'protocol',
      /line 1 is not JSON/,
    ],
    [
      'has lines that are not canonical',
      (honest) => withLines(honest, Buffer.from(textOf(honest).replace('"seq":0', '"seq": 0'))),
      'protocol',
      /line 1 is not a canonical checkpoint/,
    ],
    [
      'says what no record can hold',
      (honest) => saying(honest, { log: '\ud800' }),
      'protocol',
      /canonical JSON has no lone surrogate/,
    ],
    [
      'measured what no record can hold',
      (honest) => saying(honest, { resources: { wallMs: Number.NaN } }),
      'protocol',
      /canonical JSON has no number NaN/,
    ],
    [
      'has an output that was not made',
      (honest) => withOutput(honest, { name: 'total' }),
      'protocol',
      /"total" f32\[\]/,
    ],
    ['has an output of another dtype', (honest) => withOutput(honest, { dtype: 'i32' }), 'protocol', /"sum" i32\[\]/],
    ['has an output of another rank', (honest) => withOutput(honest, { shape: [1] }), 'protocol', /"sum" f32\[1\]/],
    [
      'has an output of another extent',
      (honest) => withOutput(honest, { name: 'input', shape: [2, 3], digest: input.digest, bits: undefined }),
      'protocol',
      /"input" f32\[2,3\] is no checkpoint/,
    ],
    [
      'has an output of another digest',
      (honest) => withOutput(honest, { digest: digestOf('x'), bits: undefined }),
      'digest-mismatch',
      /output "sum" is said to be sha256:.*, its checkpoint in the trace is sha256:/,
    ],
    [
      'leaves out an output of the workload',
      (honest) => saying(honest, { outputs: [] }),
      'protocol',
      /the output "sum" is not among those it names/,
    ],
    [
      'names an output twice',
      (honest) => saying(honest, { outputs: [...honest.execution.outputs, ...honest.execution.outputs] }),
      'protocol',
      /an output is named twice/,
    ],
    [
      'calls an input an output',
      (honest) => {
        const { dtype, shape, digest } = input
        return saying(honest, { outputs: [...honest.execution.outputs, { name: 'input', dtype, shape, digest }] })
      },
      'protocol',
      /the checkpoint "input" is not an output of the workload/,
    ],
    [
      'says that a knob was replaced by the value asked for',
      (honest) => saying(honest, { settings: { b: { state: 'replaced', by: '2' } } }),
      'protocol',
      /knob "b" was replaced by the value asked for, 2/,
    ],
    [
      'names the inputs of a workload whose schema names them',
      (honest) => saying(honest, { inputs: [0] }),
      'protocol',
      /names its inputs, which the schema of row-sum does/,
    ],
    [
      'has a false second output',
      (honest) => {
        const [output] = honest.execution.outputs as [Output]
        return saying(honest, { outputs: [output, { ...output, name: 'total' }] })
      },
      'protocol',
      /"total"/,
    ],
    [
      'has other bits than its output',
      (honest) => withOutput(honest, { bits: ['40800001'] }),
      'digest-mismatch',
      /the bits of output "sum" have the digest sha256:.*, not sha256:/,
    ],
    [
      'has bits of another width',
      (honest) => withOutput(honest, { bits: ['4080'] }),
      'protocol',
      /bit pattern of one f32/,
    ],
    ['has no bits among its bits', (honest) => withOutput(honest, { bits: [] }), 'protocol', /needs 4 bytes, 0 were/],
  ])('that %s is a failure', (_, lie, code, message) => {
    const lied = lie(resultOf(honestPlaces))
    expect(judge(lied, withSchema)).toEqual({
      execution: expect.objectContaining({
        outcome: failure(code, message),
        outputs: [],
      }) as Execution,
    })
    expect(judge(lied, withSchema).execution).not.toHaveProperty('trace')
  })

  it('that gives bits of more than 16 elements is a failure', () => {
    const many = f32(Array.from({ length: 17 }, (_, i) => i))
    expect(judge(resultOf([[0, 'x', many]]), withoutSchema).execution.outcome).toEqual(
      failure('protocol', /^output "x" has bits for 17 elements; at most 16 go along$/),
    )
  })

  it('that gives an earlier step’s tensor as its output is a failure', () => {
    const first = { digest: digestOf(f32([1], []).bytes), bits: bitsHex(f32([1], [])) }
    expect(judge(withOutput(resultOf(twice), first), withoutSchema).execution.outcome).toEqual(
      failure('digest-mismatch', /output "loss" is said to be/),
    )
  })
})

describe('an execution that did not complete', () => {
  const refused = { status: 'unsupported', reason: 'no f32' } as const
  const { trace, outputs } = resultOf(honestPlaces).execution
  const honest = saying(resultOf(honestPlaces), { outcome: refused, trace: undefined, outputs: [] })

  it('stands as it was said', () => {
    expect(judge(honest, withSchema)).toEqual({ execution: honest.execution })
  })

  it.each<[string, Partial<Execution>]>([
    ['a trace', { trace }],
    ['inputs', { inputs: [0] }],
    ['outputs', { outputs }],
  ])('and yet has %s is a failure', (_, more) => {
    expect(judge(saying(honest, more), withSchema).execution).toMatchObject({
      outcome: failure('protocol', /unsupported and yet has a trace, inputs or outputs/),
      outputs: [],
    })
  })
})

describe('checkpoints', () => {
  const lies: [string, Made[], RegExp][] = [
    ['too few', honestPlaces.slice(1), /has 1 checkpoints, row-sum v3 makes 2/],
    ['too many', [...honestPlaces, [1, 'more', sum]], /has 3 checkpoints, row-sum v3 makes 2/],
    ['none', [], /has 0 checkpoints/],
    ['of another name', [honestPlaces[0] as Made, [1, 'total', sum]], /checkpoint 1 .* is "total" f32\[\] at step 1/],
    ['of another step', [honestPlaces[0] as Made, [2, 'sum', sum]], /is "sum" f32\[\] at step 2; .* at step 1/],
    ['of another dtype', [honestPlaces[0] as Made, [1, 'sum', createTensor('i32', [], sum.bytes)]], /is "sum" i32\[\]/],
    ['of another rank', [honestPlaces[0] as Made, [1, 'sum', f32([4])]], /"sum" f32\[1\] .* makes "sum" f32\[\]/],
    [
      'of another extent than the user’s array',
      [
        [0, 'input', f32([1, 1])],
        [1, 'sum', sum],
      ],
      /checkpoint 0 .* "input"/,
    ],
  ]

  it.each(lies)('that are %s are not the workload’s', (_, made, message) => {
    const result = made.length > 0 ? resultOf(made) : { ...resultOf(honestPlaces), body: new Uint8Array() }
    // The digest of a trace of nothing is the empty string, which no agent can say on the wire.
    const honestDigest = saying(result, { trace: digestOfLines(result.body as Uint8Array), outputs: [] })
    expect(judge(honestDigest, withSchema).execution.outcome).toEqual(failure('protocol', message))
  })

  it('that hold another array than the plan pins are not the workload’s', () => {
    const other = createTensor('f32', [2, 2], new Uint8Array(16).fill(2))
    const result = resultOf([
      [0, 'input', other],
      [1, 'sum', sum],
    ])
    expect(judge(result, withSchema).execution.outcome).toEqual(
      failure('digest-mismatch', /checkpoint 0 "input" has the digest sha256:.*, the plan pins sha256:/),
    )
  })

  it('of another version of the workload are not held to the schema', () => {
    const other = { ...cell, workloadVersion: 2 }
    expect(judge(resultOf([[7, 'total', sum]]), withSchema, other).execution.outcome.status).toBe('completed')
  })

  it('are those of parameters that were left out, too', () => {
    const bare = { ...cell, params: {} }
    expect(judge(resultOf(honestPlaces), withSchema, bare).execution.outcome.status).toBe('completed')
  })

  it.each<[string, Made[], RegExp]>([
    [
      'twice at one step',
      [
        [0, 'a', sum],
        [0, 'b', sum],
        [0, 'a', sum],
      ],
      /checkpoint 2 .* "a" is there twice at step 0/,
    ],
    [
      'back in time',
      [
        [1, 'a', sum],
        [0, 'b', sum],
      ],
      /checkpoint 1 .* step 0, and step 1 was before it/,
    ],
    ['nameless', [[0, '', sum]], /checkpoint 0 .* is empty/],
    ['steering a terminal', [[0, 'a\u001b[31m', sum]], /checkpoint 0 .* that a screen obeys/],
  ])('of a workload without a schema are never %s', (_, made, message) => {
    expect(judge(resultOf(made), withoutSchema).execution.outcome).toEqual(failure('protocol', message))
  })
})

describe('a failure that a lie became', () => {
  it('keeps what the agent said of its surroundings', () => {
    const said: Partial<Execution> = {
      ...{ label: 'override', facts: { a: '1' }, effective: { b: '2' }, version: '9', log: 'words' },
      ...{ settings: { b: { state: 'in force' } }, ambient: { OPENBLAS_CORETYPE: 'Haswell' } },
    }
    const note = { kind: 'warning', subject: 'x', message: 'y' } as const
    const resources = { wallMs: 5, cpuMs: 4 }
    const lied = saying(resultOf(honestPlaces), { ...said, notes: [note], resources, trace: '0'.repeat(64) })
    expect(judge(lied, withSchema).execution).toMatchObject({ ...said, notes: [note], resources })
  })

  it('keeps none of it if a record cannot hold it', () => {
    const lied = saying(resultOf(honestPlaces), { facts: { a: '\ud800' }, version: '9' })
    const { execution } = judge(lied, withSchema)
    expect(execution).toMatchObject({ outcome: { code: 'protocol' }, facts: {}, label: 'native', notes: [], log: '' })
    expect(execution).not.toHaveProperty('version')
  })

  it('is told in text that a record can hold', () => {
    expect(failedExecution('refused', 'because \ud800').outcome).toMatchObject({ message: 'because \ufffd' })
  })
})
