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

describe('what aliases and nesting make of a plan', () => {
  it('reads seeds, labels and lines through aliases', () => {
    const plan = parsePlan(`name: t\nseed: &a 18446744073709551617\nseeds: [*a, 43]\n${sum}${js}`)
    expect(plan.workloads[0]?.seeds).toEqual(['18446744073709551617', '43'])
    expect(refusal(`name: t\nagents: &x { site: lab }\nlimits: *x\n${sum}${js}`)).toMatch(/^p\.yaml:2: .*"site"/)
  })

  it('keeps labels as they were written', () => {
    expect(parsePlan(`${head}agents: { rack: 007, os: 1.10, gpu: true }\n${sum}${js}`).agents).toEqual({
      rack: '007',
      os: '1.10',
      gpu: 'true',
    })
  })

  it.each([
    ['an alias of nothing', `${head}absent: *x\n${sum}${js}`, /^p\.yaml:3: nothing before \*x is named &x/],
    ['an alias inside itself', `${head}${sum}factors: &f { backend: [*f] }\n`, /^p\.yaml:5: nothing before \*f/],
    [
      'too many aliases',
      `name: t\nseed: &a 1\nseeds: [${'*a,'.repeat(101)}]\n${sum}${js}`,
      /^p\.yaml: aliases .* more than 100 times/,
    ],
    [
      'much text by aliases',
      `name: t\nseeds: &s [${'1,'.repeat(20_000)}]\nx: [${'*s,'.repeat(60)}]\n`,
      /more than 1000000 values/,
    ],
    ['lists in lists', `${head}absent: ${'['.repeat(100_000)}`, /^p\.yaml:3: lists and maps stand more than 64 deep/],
    ['lists in lists on one line', '- '.repeat(100_000), /^p\.yaml:1: lists and maps stand more than 64 deep/],
    ['a key that stands twice', `${head}seed: 1\n${sum}${js}`, /^p\.yaml:3: the key "seed" stands twice in one map/],
  ])('refuses %s', (_, text, message) => {
    expect(refusal(text)).toMatch(message)
  })
})

describe('numbers that a program would get otherwise than they are written', () => {
  const program = (params: string, knobs = '[a]') =>
    `name: t\nworkloads:\n  - program: { name: own, ${params} }\nfactors: { backend: [own], own.k: ${knobs} }\n`

  it.each([
    [
      'x: 123456789012345678901234567890',
      /^p\.yaml:3: x: the number 123456789012345678901234567890 would be given as 1\.2/,
    ],
    ['x: 9007199254740993', /9007199254740993 would be given as 9007199254740992; quote it/],
    ['x: -0.0', /the number -0\.0 would be given as 0; quote it/],
    ['x: -0', /the number -0 would be given as 0/],
  ])('%s is refused', (params, message) => {
    expect(refusal(program(params))).toMatch(message)
  })

  it('also among the values of a knob', () => {
    expect(refusal(program('x: 1', '[1, 9007199254740993]'))).toMatch(/^p\.yaml:4: own\.k: the number 9007199254740993/)
  })

  it('are taken if they are quoted, or exact', () => {
    const [workload] = parsePlan(program('x: "9007199254740993", y: 9007199254740991, z: 1e300, w: 0')).workloads
    expect(workload?.params).toMatchObject({ x: '9007199254740993', y: 9007199254740991, z: 1e300, w: 0 })
  })

  it('make no two rows that read the same', () => {
    const both = (a: string, b: string) =>
      `name: t\nworkloads:\n  - program: { name: own, x: ${a} }\n  - program: { name: own, x: ${b} }\nfactors: { backend: [own] }\n`
    expect(refusal(both('1', '"1"'))).toMatch(/^p\.yaml:4: program stands in the plan before with parameters that read/)
    expect(parsePlan(both('1', '1.0')).workloads).toHaveLength(2)
    expect(parsePlan(both('1', '"2"')).workloads).toHaveLength(2)
  })
})

describe('bounds', () => {
  it.each([
    ['limits: { timeSeconds: 0.0001 }', /^p\.yaml:3: limits\.timeSeconds: expected 0\.001 or more/],
    ['limits: { memoryMiB: 0.0000001 }', /^p\.yaml:3: limits\.memoryMiB: expected 1 or more/],
    ['limits: { memoryMiB: 1e300 }', /^p\.yaml:3: limits\.memoryMiB: /],
  ])('%s', (limits, message) => {
    expect(refusal(`${head}${limits}\n${sum}${js}`)).toMatch(message)
  })

  it.each([
    ['linalg.gemm: { dtype: f32, n: 100000000 }', /^p\.yaml:4: .*input would have the shape \[100000000, 100000000\]/],
    ['linalg.gemv: { dtype: f32, n: 100000000 }', /at most 268435456 elements/],
    ['linalg.gemm: { dtype: f32, m: 100000, k: 1, n: 100000 }', /gemm would have the shape \[100000, 100000\]/],
    ['nn.softmax: { rows: 100000, n: 100000 }', /input would have the shape/],
    ['nn.conv2d: { height: 100000, width: 100000 }', /input would have the shape/],
    ['nn.conv2d: { height: 2, kernel: 3 }', /a kernel of 3 × 3 does not fit an image of 2 × 2/],
  ])('%s', (entry, message) => {
    expect(refusal(`${head}workloads:\n  - ${entry}\n${js}`)).toMatch(message)
  })

  it('refuses more factors and levels than are tried', () => {
    const many = (n: number, one: (i: number) => string) => Array.from({ length: n }, (_, i) => one(i)).join(', ')
    expect(refusal(`${head}${sum}factors: { backend: [js], ${many(1000, (i) => `js.k${i}: [a]`)} }\n`)).toMatch(
      /^p\.yaml:5: there are more than 1000 factors/,
    )
    const levels = `backend: [${many(1001, (i) => `js@${i}`)}], js.k: [${many(1000, String)}]`
    expect(refusal(`${head}${sum}factors: { ${levels} }\n`)).toMatch(/^p\.yaml:5: 1001 backends and 1000 levels/)
  })

  it('takes equal seeds and backends for one', () => {
    const [workload] = parsePlan(`name: t\nseeds: [1, 2, "1"]\n${sum}factors: { backend: [js, js] }\n`).workloads
    expect(workload?.seeds).toEqual(['1', '2'])
    expect(workload?.factors.backends).toEqual(['js'])
  })
})
