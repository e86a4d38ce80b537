import { expect, it } from 'vitest'
import { explainMachines } from './explain-machines.ts'
import { reasonText } from './reasons.ts'

it('counts pairs of machines without using one twice', () => {
  // a and b against c are two pairs of twins, and share c.
  const machines = ['a', 'b', 'c'].map((id) => ({
    id,
    outcome: id === 'c' ? '2' : '1',
    facts: { kernel: id === 'c' ? '6.2' : '6.1' },
  }))
  const [found] = explainMachines([{ row: 'r', machines }])
  const reasons = found?.explanations[0]?.reasons.map(reasonText)
  expect(reasons).toContain(
    'without using a machine twice, at most one pair can be formed of machines that have different bits and differ in kernel and in no other fact outside its family',
  )
})

it('says that no machines are twins, and that a fact is not recorded everywhere', () => {
  expect(reasonText({ reason: 'twins', fact: 'kernel', pairs: 0 })).toBe(
    'no two machines with different bits differ in kernel and in no other fact outside its family',
  )
  expect(reasonText({ reason: 'lacking', fact: 'vm.kind', machines: 1 })).toBe(
    '1 machine has no vm.kind, so whether it changed is not known',
  )
})
