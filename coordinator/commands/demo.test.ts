import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { parsePlan } from '../plan/index.ts'
import { firstLook } from './demo.ts'

const text = await readFile(new URL('../demo/first-look.yaml', import.meta.url), 'utf8')
const backendsOf = (plan: string) =>
  parsePlan(plan, 'first-look.yaml').workloads.flatMap(({ factors }) => factors.backends)

it.each([true, false])('its plan is one, with the GNU C library: %s', (glibc) => {
  expect(backendsOf(firstLook(text, glibc)).includes('libm')).toBe(glibc)
})
