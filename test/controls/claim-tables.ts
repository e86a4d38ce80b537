import { neededTable, selfTable } from './exact-tables.ts'
import { writeSection } from './write-section.ts'

// `npm run controls:tables` writes the tables that need no sampling.

const file = 'docs/controls.md'
writeSection(file, 'self', selfTable())
writeSection(file, 'executions', neededTable())
