// Builds dist/: TypeScript by tsc, and beside it the files that the code reads at run time.
// `npm run build` builds always and checks types. Tests call `buildIfStale`: their processes and threads start in dist/.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const folders = ['shared', 'workloads', 'agent', 'coordinator']
const assets = new Set(['.sql', '.css', '.gz', '.wasm', '.json', '.npy', '.yaml', '.csv', '.py'])
const scripts = ['coordinator/compare/kernels/build.mjs', 'coordinator/store/empty-database/build.mjs']
/** Made by the scripts, beside the sources, where tests from source open them too. */
const generated = ['coordinator/compare/kernels/tally.wasm', 'coordinator/store/empty-database/empty-database.tar.gz']
/** The scripts' own: from what they made it. */
const notes = ['coordinator/compare/kernels/made.json', 'coordinator/store/empty-database/made.json']
/** In dist/, written last: which inputs it was built from, and what was built. */
const sealName = 'built-from.json'

/** Builds dist/ if it is not what the sources make. @throws if it cannot be built */
export function buildIfStale(root = here) {
  const reason = whyStale(root)
  if (reason === undefined) return
  process.stderr.write(`${reason}: building\n`)
  // Types do not change what is built, and have a check of their own.
  build(root, ['--noCheck'])
}

/** Why dist/ is not what the sources make, or undefined if it is. Contents count, and dates do not. */
export function whyStale(root = here) {
  const dist = join(root, 'dist')
  const text = contentOf(join(dist, sealName))
  if (text === undefined) return 'dist/ was never built to its end'
  const seal = JSON.parse(text.toString())
  if (seal.inputs !== digestOf(root, inputsOf(root))) return 'dist/ was built from other sources'
  if (seal.outputs !== digestOf(dist, outputsOf(dist))) return 'the files in dist/ are not those that were built'
  if (!generated.every((path) => sameContent(join(root, path), join(dist, path)))) {
    return `${generated.join(' or ')} is not the one that was built`
  }
  return undefined
}

/**
 * Builds beside dist/ and moves file by file into it. No lock: a file is replaced whole, equal files stay as they are,
 * and a mixture of two builds has the digest of neither, so that it is built again.
 */
export function build(root = here, compilerOptions = []) {
  const dist = join(root, 'dist')
  mkdirSync(dist, { recursive: true })
  removeDrafts(dist)
  const draft = join(dist, `.draft-${process.pid}`)
  try {
    for (let round = 1; ; round++) {
      rmSync(draft, { recursive: true, force: true })
      const sources = inputsOf(root)
      const inputs = digestOf(root, sources)
      run(root, 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', draft, ...compilerOptions)
      for (const script of scripts) run(root, script)
      for (const path of [...sources.filter(isAsset), ...generated]) copyInto(draft, root, path)
      chmodSync(join(draft, 'main.js'), 0o755)
      const outputs = outputsOf(draft)
      refuseStrangers(outputs, new Set(sources))
      const seal = { inputs, outputs: digestOf(draft, outputs) }
      moveInto(dist, draft, outputs, seal)
      const reason = whyStale(root)
      if (reason === undefined) return
      // Somebody saved a file, or built at the same time.
      if (round === 5) throw new Error(`${reason}, although it was built ${round} times; do its sources change?`)
    }
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

function run(root, ...argv) {
  const { status, signal } = spawnSync(process.execPath, argv, { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${argv[0]} ended with ${signal ?? `exit code ${status}`}`)
}

/** Everything that decides what is built, as sorted paths below root. */
function inputsOf(root) {
  const derived = new Set([...generated, ...notes])
  const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.build.json'), 'utf8'))
  const sources = include.flatMap((path) => (extname(path) === '' ? filesBelow(root, path) : [path])).filter(isInput)
  const settings = ['build.mjs', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']
  return [...settings, ...sources.filter((path) => !derived.has(path))].sort(byName)
}

function isInput(path) {
  return isAsset(path) || (/\.(?:ts|tsx|mjs)$/.test(path) && !/\.test\.tsx?$/.test(path))
}

function isAsset(path) {
  return assets.has(extname(path)) && folders.some((folder) => path.startsWith(`${folder}/`))
}

/** What a build leaves, as sorted paths below dist/: not the packages that other commands put there. */
function outputsOf(dist) {
  const main = existsSync(join(dist, 'main.js')) ? ['main.js'] : []
  return [...main, ...[...folders, 'test'].flatMap((folder) => filesBelow(dist, folder))].sort(byName)
}

function byName(a, b) {
  return a < b ? -1 : a > b ? 1 : 0
}

function filesBelow(root, folder) {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    return entry.isDirectory() ? filesBelow(root, path) : [path]
  })
}

function digestOf(root, paths) {
  const hash = createHash('sha256')
  for (const path of paths) {
    const bytes = contentOf(join(root, path))
    hash.update(`${path}\0${bytes?.length ?? 'absent'}\0`).update(bytes ?? '')
  }
  return hash.digest('hex')
}

/** Undefined if there is no such file: another build may remove one at any moment. */
function contentOf(path) {
  try {
    return readFileSync(path)
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

function sameContent(a, b) {
  const [left, right] = [contentOf(a), contentOf(b)]
  return left !== undefined && right !== undefined && left.equals(right)
}

/** What is built from a file that is not an input would be stale without anyone noticing. */
function refuseStrangers(outputs, sources) {
  for (const path of outputs) {
    const stem = path.replace(/\.js$/, '')
    if (path.endsWith('.js') && !sources.has(`${stem}.ts`) && !sources.has(`${stem}.tsx`)) {
      throw new Error(`dist/${path} comes from a source that tsconfig.build.json does not include`)
    }
  }
}

function copyInto(draft, root, path) {
  mkdirSync(join(draft, dirname(path)), { recursive: true })
  copyFileSync(join(root, path), join(draft, path))
}

function moveInto(dist, draft, outputs, seal) {
  rmSync(join(dist, sealName), { force: true })
  const wanted = new Set(outputs)
  for (const path of outputs) {
    if (sameContent(join(draft, path), join(dist, path))) continue
    mkdirSync(join(dist, dirname(path)), { recursive: true })
    renameSync(join(draft, path), join(dist, path))
  }
  for (const path of outputsOf(dist)) if (!wanted.has(path)) rmSync(join(dist, path), { force: true })
  writeFileSync(join(draft, sealName), `${JSON.stringify(seal)}\n`)
  renameSync(join(draft, sealName), join(dist, sealName))
}

/** Left by builds that were killed. */
function removeDrafts(dist) {
  for (const name of readdirSync(dist)) {
    const pid = Number(/^\.draft-(\d+)$/.exec(name)?.[1])
    if (pid > 0 && !isAlive(pid)) rmSync(join(dist, name), { recursive: true, force: true })
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) build()
