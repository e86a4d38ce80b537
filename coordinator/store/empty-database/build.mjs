// Makes an empty database, once for each version of PGlite: a copy of it opens in a second and in half the memory that
// making one takes, which the coordinator would keep for as long as it runs.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'

const folder = dirname(fileURLToPath(import.meta.url))
const [file, made] = [join(folder, 'empty-database.tar.gz'), join(folder, 'made.json')]
const sha256 = (path) => createHash('sha256').update(readFileSync(path)).digest('hex')

const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite')
const { version } = JSON.parse(readFileSync(join(dirname(entry), '..', 'package.json'), 'utf8'))
const known = existsSync(made) ? JSON.parse(readFileSync(made, 'utf8')) : {}
if (known.version !== version || !existsSync(file) || known.sha256 !== sha256(file)) {
  const database = new PGlite()
  await database.waitReady
  const dump = await database.dumpDataDir('gzip')
  await database.close()
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, Buffer.from(await dump.arrayBuffer()))
  renameSync(draft, file)
  writeFileSync(made, `${JSON.stringify({ version, sha256: sha256(file) })}\n`)
}
