import { z } from 'zod'
import { catalogue } from '../../workloads/catalogue.ts'

/** `bitfleet workloads`: what a plan can name. */
export async function listWorkloads({ json }: { json?: boolean }): Promise<number> {
  const rows = catalogue.map(({ id, version, title, summary, params }) => ({
    id,
    version,
    title,
    summary,
    params: z.toJSONSchema(params, { unrepresentable: 'any', io: 'input' }),
  }))
  if (json) {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
    return 0
  }
  const width = Math.max(...rows.map(({ id }) => id.length))
  for (const { id, version, title, params } of rows) {
    process.stdout.write(`${id.padEnd(width)}  v${version}  ${title}\n`)
    const { properties = {}, additionalProperties } = params as { properties?: object; additionalProperties?: unknown }
    const names = Object.keys(properties)
    if (typeof additionalProperties === 'object') names.push('and what the machine that lists it knows')
    if (names.length > 0) process.stdout.write(`${' '.repeat(width)}      ${names.join(', ')}\n`)
  }
  return 0
}
