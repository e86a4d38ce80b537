// Makes dist/bitfleet-agent.mjs: the agent with all that it imports in one file, for machines without npm. From what
// `npm run build` left in dist/, so that it is the same code. Beside it, the licences of what it has taken in.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const buildModule = join(root, 'dist', 'agent', 'build.js')

/** The bound that DESIGN sets: runners and their libraries install apart. */
export const maxBytes = 2_000_000

/**
 * What is imported where it happens to be there and done without where it is not: faster masks for ws, temperatures on
 * macOS, and koffi, by which `doctor` reads floating-point registers that it otherwise infers from arithmetic.
 */
const optional = ['bufferutil', 'utf-8-validate', 'osx-temperature-sensor', 'koffi']

/** Makes the single file and its licences. @param folder where they go; @returns their paths and the file's size */
export async function makeSingleFile(folder = join(root, 'dist')) {
  const build = { version, backends: describeBackends() }
  const bundle = await rolldown({
    input: join(root, 'dist', 'agent', 'main.js'),
    cwd: root,
    platform: 'node',
    external: optional,
    resolve: { symlinks: false },
    plugins: [
      {
        name: 'bitfleet-build',
        transform(code, id) {
          if (id !== buildModule) return null
          const line = 'export const singleFile = undefined;'
          if (!code.includes(line)) throw new Error(`${relative(root, id)} has no line "${line}" to put the build into`)
          return code.replace(line, () => `export const singleFile = ${JSON.stringify(build)};`)
        },
      },
    ],
  })
  const { output } = await bundle.generate({ format: 'esm', codeSplitting: false, comments: { annotation: false } })
  await bundle.close()
  if (output.length !== 1) throw new Error(`the agent came out as ${output.length} files, not one`)
  const [{ code, fileName, moduleIds, imports, dynamicImports }] = output
  const foreign = [
    ...imports,
    ...dynamicImports.filter((name) => name !== fileName && !optional.includes(name)),
  ].filter((name) => !isBuiltin(name))
  if (foreign.length > 0) throw new Error(`the agent's single file would still import ${foreign.join(', ')}`)
  const sizeBytes = Buffer.byteLength(code)
  if (sizeBytes >= maxBytes) throw new Error(`the agent's single file has ${sizeBytes} bytes, not under ${maxBytes}`)

  const file = join(folder, 'bitfleet-agent.mjs')
  const licences = join(folder, 'bitfleet-agent.LICENSES.txt')
  writeFileSync(file, code, { mode: 0o755 })
  writeFileSync(licences, licencesOf(packagesOf(moduleIds)))
  return { file, licences, sizeBytes, version }
}

/** The backends there are, as the runner of this build tells them. */
function describeBackends() {
  const runner = join(root, 'dist', 'agent', 'runner', 'main.js')
  const { status, stdout, stderr } = spawnSync(process.execPath, [runner, 'describe'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the runner cannot describe its backends; is dist/ built? ${stderr}`)
  return JSON.parse(stdout).map(({ id, title, kernels, knobs }) => ({ id, title, kernels, knobs }))
}

/** Folders of the packages that the modules are of, by name. */
function packagesOf(moduleIds) {
  const folders = moduleIds
    .map((id) => /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1])
    .filter((folder) => folder !== undefined)
  return [...new Set(folders)].sort(byName)
}

/**
 * The licences of packages, in full, and where each is from.
 *
 * @param folders of packages as npm installed them
 */
export function licencesOf(folders) {
  return folders
    .map((folder) => {
      const { name, version: packageVersion, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      if (typeof license !== 'string') throw new Error(`${name} does not say what licence it is under`)
      const texts = readdirSync(folder)
        .filter((entry) => /^(licen[cs]e|notice|copying)/i.test(entry) && statSync(join(folder, entry)).isFile())
        .sort(byName)
        .map((entry) => readFileSync(join(folder, entry), 'utf8').trim())
      const head = `${name} ${packageVersion}, ${license}, https://www.npmjs.com/package/${name}`
      return [head, '='.repeat(head.length), ...texts, ''].join('\n')
    })
    .join('\n')
}

/** The same order wherever it is built. */
export function byName(a, b) {
  return a < b ? -1 : a > b ? 1 : 0
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (!existsSync(buildModule)) throw new Error('dist/ is not there: npm run build')
  const { file, sizeBytes } = await makeSingleFile()
  process.stdout.write(`${relative(process.cwd(), file)}: ${sizeBytes} bytes\n`)
}
