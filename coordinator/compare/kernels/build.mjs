// Compiles tally.as.ts to tally.wasm beside it, where the code and the tests look for it. That takes seconds, so it is
// done once for each content of its sources and each version of the compiler.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const [file, made] = [join(folder, 'tally.wasm'), join(folder, 'made.json')]
const sha256 = (...paths) => {
  const hash = createHash('sha256')
  for (const path of paths) hash.update(readFileSync(path))
  return hash.digest('hex')
}

const compiler = createRequire(import.meta.url).resolve('assemblyscript/package.json')
const from = sha256(join(folder, 'tally.as.ts'), fileURLToPath(import.meta.url), compiler)
const known = existsSync(made) ? JSON.parse(readFileSync(made, 'utf8')) : {}
if (known.from !== from || !existsSync(file) || known.sha256 !== sha256(file)) {
  const { default: asc } = await import('assemblyscript/asc')
  const draft = `tally.wasm.${process.pid}`
  const options = ['--baseDir', folder, '--outFile', draft, '--optimizeLevel', '3', '--shrinkLevel', '0']
  const features = ['--enable', 'simd', '--enable', 'threads', '--runtime', 'stub', '--noAssert']
  // As many pages as slots.ts makes.
  const memory = ['--importMemory', '--sharedMemory', '--initialMemory', '41', '--maximumMemory', '41']
  const { error } = await asc.main(['tally.as.ts', ...options, ...features, ...memory], { stderr: process.stderr })
  if (error) process.exit(1)
  renameSync(join(folder, draft), file)
  writeFileSync(made, `${JSON.stringify({ from, sha256: sha256(file) })}\n`)
}
