// Which files a runner needs: what its modules import, found as Node.js finds it, and what they open without importing.
import { existsSync, readdirSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, relative } from 'node:path'
import { rolldown } from 'rolldown'
import { byName } from '../single-file.mjs'

/** Processes and threads that are started by file, below dist/. */
const entries = ['agent/runner/main.js', 'agent/backends/js/race-worker.js']

const koffi = `node_modules/@koromix/koffi-linux-${process.arch}`

/** What is opened by name and not imported, as a folder and the names in it: data, WebAssembly, native libraries. */
const opened = [
  ['dist/workloads/data', /\.gz$/],
  ['dist/agent/runners/python', /\.py$/],
  ['dist/agent/runners/python/bitfleet', /\.py$/],
  ['dist/agent/runners/python/bitfleet/backends', /\.(?:py|json)$/],
  ['node_modules/@tensorflow/tfjs-backend-wasm/dist', /\.wasm$/],
  // Of this machine's architecture, for glibc.
  [koffi, /^index\.js$/],
  [join(koffi, `linux_${process.arch}`), /\.node$/],
]

/**
 * Files that a runner needs, and the folders of the packages among them.
 *
 * @param root of the built repository
 * @returns paths below root, sorted
 * @throws where something that a runner opens is not installed
 */
export async function runnerFiles(root) {
  const files = new Set()
  const strangers = new Set()
  const bundle = await rolldown({
    input: entries.map((entry) => join(root, 'dist', entry)),
    cwd: root,
    platform: 'node',
    treeshake: false,
    // Where node_modules is a link, the files are still this tree's.
    resolve: { symlinks: false },
    // What it would warn of, being unresolved, is an error below.
    onLog() {},
    plugins: [
      {
        name: 'list-files',
        async resolveId(specifier, importer) {
          const found = await this.resolve(specifier, importer, { skipSelf: true })
          if (found !== null || isBuiltin(specifier)) return found
          strangers.add(specifier)
          return { id: specifier, external: true }
        },
        load(id) {
          if (id.startsWith('/')) files.add(inTree(root, id))
        },
      },
    ],
  })
  // Only what it reads counts; nothing is written.
  await bundle.generate({ format: 'esm' })
  await bundle.close()

  for (const [folder, pattern] of opened) {
    const names = existsSync(join(root, folder))
      ? readdirSync(join(root, folder)).filter((name) => pattern.test(name))
      : []
    if (names.length === 0) throw new Error(`${folder} holds nothing like ${pattern}; npm ci && npm run build`)
    for (const name of names) files.add(join(folder, name))
  }
  const packages = [...new Set([...files].map(packageOf).filter((folder) => folder !== undefined))].sort(byName)
  // Node.js reads them to find a package's main file, and backends their versions.
  for (const folder of packages) files.add(join(folder, 'package.json'))
  return { files: [...files].sort(byName), packages, strangers: [...strangers].sort(byName) }
}

function inTree(root, id) {
  const path = relative(root, id)
  if (path.startsWith('..')) throw new Error(`${id} is not below ${root}; npm ci installs it there`)
  return path
}

function packageOf(file) {
  return /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]
}
