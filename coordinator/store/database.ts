import { PGlite } from '@electric-sql/pglite'
import { drizzle } from 'drizzle-orm/pglite'
import { migrate } from 'drizzle-orm/pglite/migrator'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import { fileURLToPath } from 'node:url'
import * as schema from './schema.ts'

/** Any PostgreSQL that drizzle speaks to, and a transaction in it. */
export type Database = PgDatabase<PgQueryResultHKT, typeof schema>

export interface OpenDatabase {
  readonly database: Database
  close(): Promise<void>
}

/** Opens PostgreSQL embedded in this process, brought to the newest schema. */
export async function openDatabase(folder: string): Promise<OpenDatabase> {
  const client = new PGlite(folder)
  const database = drizzle(client, { schema })
  await migrate(database, { migrationsFolder: fileURLToPath(new URL('./migrations', import.meta.url)) })
  return { database, close: () => client.close() }
}
