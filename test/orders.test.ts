import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { js } from '../agent/backends/js.ts'
import { digestOf } from '../shared/digest.ts'
import { findWorkload } from '../workloads/index.ts'

interface Golden {
  readonly workload: string
  readonly params: Record<string, unknown>
  readonly order: string
  readonly digest: string
}

const pathOf = (name: string) => fileURLToPath(new URL(`./golden/${name}`, import.meta.url))
const golden = JSON.parse(readFileSync(pathOf('orders.json'), 'utf8')) as Golden[]
const orders = [...new Set(golden.map(({ order }) => order))]

it.each(orders)('js computes the golden results of %s', async (order) => {
  const { kernels } = await js.open({ order })
  for (const { workload, params, digest } of golden.filter((entry) => entry.order === order)) {
    let last = ''
    const unsupported = await findWorkload(workload)?.run({
      params,
      seed: '42',
      backend: 'js',
      kernels,
      input: () => expect.fail('no input was given'),
      checkpoint: (_step, _name, tensor) => {
        last = digestOf(tensor.bytes)
      },
    })
    expect(unsupported).toBeUndefined()
    expect({ workload, params, digest: last }).toEqual({ workload, params, digest })
  }
})

it('the golden results tell the orders apart', () => {
  const digestsOf = (order: string) => golden.flatMap((entry) => (entry.order === order ? [entry.digest] : [])).join()
  const sequential = orders.filter((order) => digestsOf(order) === digestsOf('sequential'))
  expect(sequential).toEqual(['sequential', 'lanes:1', 'chunks:1', 'chunks:2000', 'blocks:1'])
  expect(new Set(orders.map(digestsOf)).size).toBe(orders.length - sequential.length + 1)
})
