import { describe, expect, it } from 'vitest'
import { parsePlan } from './parse.ts'
import { ruleOf, rulesOf } from './row-rules.ts'

const digest = `sha256:${'a'.repeat(64)}`
const planOf = (head: string, ...entries: string[]) =>
  parsePlan(
    `name: t\n${head}workloads:\n${entries.map((e) => `  - ${e}\n`).join('')}factors: { backend: [js] }\n`,
    'p.yaml',
  )
const sum = (n: number, ...members: string[]) =>
  [`reduce.sum: { n: ${n} }`, ...members.map((member) => `    ${member}`)].join('\n')
const asked = (plan: ReturnType<typeof planOf>, n: number) =>
  ruleOf(rulesOf(plan), { workload: 'reduce.sum', params: { n } })

describe('what a plan says of its rows', () => {
  it('is nothing, where it says nothing', () => {
    expect(rulesOf(planOf('', sum(1)))).toEqual({ absent: undefined, rowRules: undefined })
    expect(asked(planOf('', sum(1)), 1)).toEqual({ absent: 'forbid', expect: undefined })
  })

  it('is said of the plan, and of a row before that', () => {
    const plan = planOf('absent: allow\n', sum(1), sum(2, 'absent: forbid'), sum(3, 'expect: nondeterministic'))
    expect(asked(plan, 1)).toEqual({ absent: 'allow', expect: undefined })
    expect(asked(plan, 2)).toEqual({ absent: 'forbid', expect: undefined })
    expect(asked(plan, 3)).toEqual({ absent: 'allow', expect: 'nondeterministic' })
    expect(rulesOf(plan).rowRules).toEqual([
      { workload: 'reduce.sum', params: { n: 2 }, absent: 'forbid', expect: undefined },
      { workload: 'reduce.sum', params: { n: 3 }, absent: undefined, expect: 'nondeterministic' },
    ])
    const entry = planOf('', sum(1, 'absent: allow'), sum(2))
    expect([1, 2].map((n) => asked(entry, n).absent)).toEqual(['allow', 'forbid'])
  })

  it('holds for a row whose entries are several, as long as they agree', () => {
    const plan = planOf('', sum(1), sum(1, 'expect: repeatable'), sum(1, 'absent: allow'))
    expect(asked(plan, 1)).toEqual({ absent: 'allow', expect: 'repeatable' })
    expect(() => rulesOf(planOf('', sum(1, 'expect: repeatable'), sum(1, 'expect: nondeterministic')))).toThrow(
      /p\.yaml:5: reduce\.sum stands in the plan with `expect: repeatable` before, and here with `expect: nondeterm/,
    )
    expect(() => rulesOf(planOf('', sum(1, 'absent: allow'), sum(1, 'absent: forbid')))).toThrow(/`absent: allow`/)
  })

  it("holds for a cell that has its array's dtype and shape, too", () => {
    const plan = planOf('', `reduce.sum: { input: { file: a.npy, digest: "${digest}" } }\n    expect: nondeterministic`)
    const rule = (file: string) =>
      ruleOf(rulesOf(plan), {
        workload: 'reduce.sum',
        params: { input: { file, digest, dtype: 'f32', shape: [4, 4] } },
      }).expect
    expect([rule('a.npy'), rule('b.npy')]).toEqual(['nondeterministic', undefined])
  })

  it.each([
    ['absent: maybe\n', sum(1), /p\.yaml:2: absent: .*"allow"\|"forbid"/],
    ['', sum(1, 'absent: yes'), /p\.yaml:4: workloads\.absent: .*"allow"\|"forbid"/],
    ['', sum(1, 'expect: random'), /p\.yaml:4: workloads\.expect: .*"repeatable"\|"nondeterministic"/],
    ['expect: repeatable\n', sum(1), /p\.yaml:2: .*there is no key "expect" here/],
    ['', 'reduce.sum: { n: 1, expect: repeatable }', /p\.yaml:3: there is no parameter "expect"|no key "expect"/],
  ])('%s%s is refused with its line', (head, entry, message) => {
    expect(() => planOf(head, entry)).toThrow(message)
  })
})
