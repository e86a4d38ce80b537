import { expect, it } from 'vitest'
import { installedDrivers } from '../agent/backends/installed/index.ts'
import { providers } from '../agent/provision/providers/index.ts'
import type { Workload } from '../workloads/workload.ts'
import { workloads } from '../workloads/index.ts'
import { backendsPage, runsOn } from './backends-page.ts'

it('docs/backends.md says what the registries say', async () => {
  await expect(await backendsPage()).toMatchFileSnapshot('../docs/backends.md')
})

it('sees whether a workload finds what it asks for', async () => {
  const runs = (workload: string, id: string, kernels: string[]) =>
    runsOn(workloads.find((one) => one.id === workload) as Workload, { id, kernels })
  expect(await runs('reduce.sum', 'x', ['sum'])).toBe(true)
  expect(await runs('reduce.sum', 'x', ['dot', 'tfjs'])).toBe(false)
  expect(await runs('train.mlp', 'x', ['tfjs'])).toBe(true)
  expect(await runs('train.mlp', 'x', ['gemm'])).toBe(false)
  expect(await runs('train.mlp-reference', 'openblas', ['gemm'])).toBe(false)
  expect(await runs('train.mlp-reference', 'js@22', ['gemm'])).toBe(true)
})

it('every installed driver has a provider', () => {
  for (const { id } of installedDrivers) expect(providers.map((provider) => provider.id)).toContain(id)
})
