// Builds dist/: TypeScript by tsc, and beside it the files that the code reads at run time.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(dirname(fileURLToPath(import.meta.url)))
const run = (...argv) => {
  const { status } = spawnSync(process.execPath, argv, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json')
run('coordinator/compare/kernels/build.mjs')
run('coordinator/store/empty-database/build.mjs')

const assets = new Set(['.sql', '.css', '.gz', '.wasm', '.json', '.npy', '.yaml', '.csv', '.py'])
const copyAssets = (folder) => {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) copyAssets(path)
    else if (assets.has(extname(name))) {
      mkdirSync(join('dist', folder), { recursive: true })
      cpSync(path, join('dist', path))
    }
  }
}
for (const folder of ['shared', 'workloads', 'agent', 'coordinator']) if (existsSync(folder)) copyAssets(folder)
chmodSync('dist/main.js', 0o755)
