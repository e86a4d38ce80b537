import { describe, expect, it } from 'vitest'
import { parsePlan } from './parse.ts'

const head = 'name: test\nseed: 42\n'
const sum = 'workloads:\n  - reduce.sum: { dtype: f32, n: 16, data: uniform }\n'
const js = 'factors:\n  backend: [js]\n'

function refusal(text: string): string {
  try {
    parsePlan(text, 'p.yaml')
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('the plan was taken')
}

describe('a plan', () => {
  it('is read with its defaults', () => {
    const plan = parsePlan(head + sum + js, 'p.yaml')
    expect(plan.name).toBe('test')
    expect(plan.workloads).toHaveLength(1)
    expect(plan.workloads[0]).toMatchObject({
      id: 'reduce.sum',
      params: { dtype: 'f32', n: 16, data: 'uniform' },
      seeds: ['42'],
      repetitions: undefined,
    })
    expect(plan.workloads[0]?.factors.backends).toEqual(['js'])
  })

  it('keeps seeds that no JSON number holds', () => {
    const plan = parsePlan(`name: t\nseeds: [18446744073709551617, "7"]\n${sum}${js}`, 'p.yaml')
    expect(plan.workloads[0]?.seeds).toEqual(['18446744073709551617', '7'])
  })

  it('lets an entry replace factors, seeds and repetitions for itself', () => {
    const own = `${sum}    repetitions: 12\n    seeds: [1]\n    factors: { backend: [js], js.order: ["atomic:4"] }\n`
    const workload = parsePlan(head + own + js, 'p.yaml').workloads[0]
    expect(workload?.repetitions).toBe(12)
    expect(workload?.seeds).toEqual(['1'])
    expect(workload?.factors.others[0]?.levels).toEqual([{ 'js.order': 'atomic:4' }])
  })

  it('reads levels that are maps, and the level that sets nothing', () => {
    const plan = parsePlan(
      `${head}${sum}${js}  as: [{}, { js.order: exact, js.jit: "off" }]\n  js.order: [~, reverse]\n`,
    )
    expect(plan.workloads[0]?.factors.others.map(({ levels }) => levels)).toEqual([
      [{}, { 'js.order': 'exact', 'js.jit': 'off' }],
      [{}, { 'js.order': 'reverse' }],
    ])
  })
})

describe('an error in a plan names the line, the fact and the remedy', () => {
  it.each([
    [
      'an unknown workload',
      `${head}workloads:\n  - reduce.sun: {}\n${js}`,
      /^p\.yaml:4: there is no workload "reduce\.sun"; `bitfleet workloads`/,
    ],
    ['an unknown key', `${head}repetition: 2\n${sum}${js}`, /^p\.yaml:3: .*there is no key "repetition" here/],
    [
      'an unknown parameter',
      `${head}workloads:\n  - reduce.sum: { dtype: f32, n: 16, dat: uniform }\n${js}`,
      /^p\.yaml:4: .*"dat"/,
    ],
    ['no factors', head + sum, /^p\.yaml:4: reduce\.sum has no factors; add/],
    ['no backend', `${head}${sum}factors:\n  js.order: [exact]\n`, /^p\.yaml:6: factors need `backend/],
    ['a bad seed', `name: t\nseed: 1.5\n${sum}${js}`, /^p\.yaml:2: seed 1\.5 is not a whole number/],
    ['a level that is no map', `${head}${sum}${js}  as: [fast]\n`, /^p\.yaml:7: factor "as" is no BACKEND\.KNOB/],
    ['no YAML', `${head}workloads: [\n`, /^p\.yaml:\d+: not YAML/],
    ['no repetitions', `${head}repetitions: 0\n${sum}${js}`, /^p\.yaml:3: repetitions: /],
    [
      'an input that is not pinned',
      `${head}workloads:\n  - reduce.sum: { dtype: f32, input: { file: u.npy } }\n${js}`,
      /^p\.yaml:4: input is not pinned: add `digest: .*bitfleet digest u\.npy/,
    ],
  ])('%s', (_, text, message) => {
    expect(refusal(text)).toMatch(message)
  })
})
