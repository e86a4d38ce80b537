import { PGlite } from '@electric-sql/pglite'
import { drizzle } from 'drizzle-orm/pglite'
import { migrate } from 'drizzle-orm/pglite/migrator'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as schema from './schema.ts'
import { unpackTar } from './unpack-tar.ts'

/** Any PostgreSQL that drizzle speaks to, and a transaction in it. */
export type Database = PgDatabase<PgQueryResultHKT, typeof schema>

export interface OpenDatabase {
  readonly database: Database
  close(): Promise<void>
}

/** Made by the build; without it, as in a source tree that was never built, a database is made here. */
const emptyDatabase = fileURLToPath(new URL('./empty-database/empty-database.tar.gz', import.meta.url))

/**
 * The index is small, and the system keeps its files in memory as well: PostgreSQL's own 128 MiB of buffers would be half
 * of what the coordinator takes.
 */
const startParams = [...PGlite.defaultStartParams, '-c', 'shared_buffers=16MB']

async function openClient(folder: string): Promise<PGlite> {
  if (!existsSync(join(folder, 'PG_VERSION')) && existsSync(emptyDatabase)) {
    await unpackTar(await readFile(emptyDatabase), folder, 'PG_VERSION')
  }
  const client = new PGlite(folder, { startParams })
  await client.waitReady
  return client
}

/** Opens PostgreSQL embedded in this process, brought to the newest schema. */
export async function openDatabase(folder: string): Promise<OpenDatabase> {
  const client = await openClient(folder)
  const database = drizzle(client, { schema })
  await migrate(database, { migrationsFolder: fileURLToPath(new URL('./migrations', import.meta.url)) })
  return { database, close: () => client.close() }
}
