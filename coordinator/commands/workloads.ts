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
    const names = Object.keys((params as { properties?: object }).properties ?? {})
    if (names.length > 0) process.stdout.write(`${' '.repeat(width)}      ${names.join(', ')}\n`)
  }
  return 0
}
