import { z } from 'zod'
import { digestPattern } from '../../shared/digest.ts'
import { digestSchema } from '../../shared/execution.ts'
import { reportSchema, reportSchemaName } from './format.ts'

/** The JSON Schema (draft 2020-12) of `report.json`, published as `docs/schema/report.schema.json`. */
export function reportJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(reportSchema, {
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      // A template-literal type is a custom one to zod, which cannot see that it is a string.
      if (zodSchema === digestSchema) Object.assign(jsonSchema, { type: 'string', pattern: digestPattern.source })
    },
  })
  return {
    ...schema,
    title: reportSchemaName,
    description: 'A run of Bitfleet: what was computed, and what of it is equal.',
  }
}
