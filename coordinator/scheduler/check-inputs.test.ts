import { describe, expect, it } from 'vitest'
import { findDescription } from '../../workloads/catalogue.ts'
import { completedWith } from '../../test/fake-agent.ts'
import { f32 } from '../../test/synthetic-run.ts'
import type { Execution } from '../../shared/execution.ts'
import { checkResult } from './check-result.ts'

// Lies about which checkpoints an execution was given.

const cell = { workload: 'program', workloadVersion: 1, params: { name: 'x' } } as unknown as Parameters<
  typeof checkResult
>[0]
const { execution, body } = completedWith([
  ['x', f32([1])],
  ['w', f32([2])],
  ['y', f32([3])],
])
const check = (inputs: Execution['inputs'], asked = cell) =>
  checkResult(asked, [], { ...execution, inputs }, body, findDescription).execution

describe('the inputs that an agent names', () => {
  it.each([[[]], [[0]], [[0, 2]], [[0, 1, 2]], [undefined]])('may be %j of three checkpoints', (inputs) => {
    expect(check(inputs)).toMatchObject({ outcome: { status: 'completed' }, trace: execution.trace })
    expect(check(inputs).inputs).toEqual(inputs)
  })

  it.each([
    [[3], 'checkpoint 3 is said to be an input; the trace has 3 checkpoints'],
    [[0, 65_000], 'checkpoint 65000 is said to be an input; the trace has 3 checkpoints'],
    [[1, 0], 'the inputs are not in ascending order: 0 follows 1'],
    [[1, 1], 'the inputs are not in ascending order: 1 follows 1'],
  ])('are not %j', (inputs, message) => {
    const found = check(inputs)
    expect(found.outcome).toMatchObject({ status: 'failed', code: 'protocol', message })
    expect(found.inputs).toBeUndefined()
    expect(found.trace).toBeUndefined()
  })

  it('are none of a workload whose schema says which they are', () => {
    const params = { dtype: 'f32', n: 4, data: 'uniform' }
    const asked = { ...cell, workload: 'reduce.sum', workloadVersion: 1, params }
    const sum = completedWith([
      ['input', f32([1, 2, 3, 4])],
      ['sum', f32([10], [])],
    ])
    const told = (inputs: Execution['inputs']) =>
      checkResult(asked, [], { ...sum.execution, inputs }, sum.body, findDescription).execution.outcome
    expect(told(undefined)).toEqual({ status: 'completed' })
    expect(told([0])).toMatchObject({
      ...{ status: 'failed', code: 'protocol' },
      message: 'the execution names its inputs, which the schema of reduce.sum does',
    })
  })

  it('are none of an execution that did not complete', () => {
    const failed: Execution = { ...execution, outcome: { status: 'unsupported', reason: 'f32' }, outputs: [] }
    const told = (inputs: Execution['inputs']) =>
      checkResult(cell, [], { ...failed, trace: undefined, inputs }, undefined, findDescription).execution.outcome
    expect(told(undefined)).toMatchObject({ status: 'unsupported' })
    expect(told([0])).toMatchObject({ status: 'failed', code: 'protocol' })
  })
})
