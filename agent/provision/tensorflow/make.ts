import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { coreModule, layout } from './layout.ts'
import { BitfleetError } from '../../../shared/errors.ts'
import { unpackTarball } from '../archive.ts'
import type { InstallPlace, NeededProgram } from '../provider.ts'
import { unpackWheel } from '../wheel.ts'
import { bindingPackages, type Wheel } from './pins.ts'

const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'] as const

/** Of some 300 MB of headers, those that the C interface includes; where they lie has changed with versions. */
const headers =
  /^tensorflow\/include\/((?:tensorflow\/c|tensorflow\/tsl|tensorflow\/core\/platform|tsl|xla\/tsl)\/.*\.h)$/

const licenses = /^[^/]+\.dist-info\/(?:licenses\/)?(?:LICENSE[^/]*|THIRD_PARTY[^/]*|Copyright[^/]*)$/i

/**
 * Makes a backend's folder: TensorFlow's own libraries out of the wheel, and tfjs-node's binding to them built from its
 * sources. tfjs-node's installation would download a libtensorflow of its own choice, from a place that refuses.
 *
 * @param wheel of `tensorflow` or `tensorflow-cpu`
 * @param others wheels whose shared libraries TensorFlow opens, where it looks for them: `nvidia/…` beside its own
 */
export async function makeTensorflow(wheel: Wheel, others: readonly Wheel[], place: InstallPlace): Promise<void> {
  const { folder, say } = place
  const build = join(folder, 'build')
  say(`unpacking ${wheel.file}`)
  const unpacked = await unpackWheel(place.file(wheel.file), folder, (path) => {
    const library = libraries.find((name) => path === `tensorflow/${name}`)
    if (library !== undefined) return join(layout.libraries, library)
    const header = headers.exec(path)?.[1]
    if (header !== undefined) return join('build', 'include', header)
    return licenses.test(path) ? join('licenses', path.replaceAll('/', '-')) : undefined
  })
  for (const library of libraries) {
    if (unpacked.includes(join(layout.libraries, library))) continue
    throw new BitfleetError('format', `${wheel.file} has no ${library}`)
  }
  for (const other of others) {
    say(`unpacking ${other.file}`)
    await unpackWheel(place.file(other.file), folder, (path) =>
      /^nvidia\/[^/]+\/(?:lib|nvvm\/libdevice|bin)\/[^/]+$/.test(path) || licenses.test(path) ? path : undefined,
    )
  }
  say('unpacking tfjs-node')
  await unpackPackages(place)
  say('building the binding of tfjs-node')
  await buildBinding(place, build)
  await rm(build, { recursive: true })
}

async function unpackPackages({ folder, file }: InstallPlace): Promise<void> {
  const [tfjsNode, nodeHeaders, protobuf] = bindingPackages
  const inner = (path: string) => path.replace(/^package\//, '')
  await unpackTarball(file(tfjsNode.file), folder, (path) =>
    /^package\/(?:dist\/.*\.js|binding\/.*\.(?:cc|h)|package\.json|LICENSE)$/.test(path) && !path.endsWith('_test.js')
      ? join(layout.package, inner(path))
      : undefined,
  )
  await unpackTarball(file(nodeHeaders.file), folder, (path) =>
    /^package\/include\/[^/]+\.h$/.test(path) ? join('build', 'node', inner(path)) : undefined,
  )
  await unpackTarball(file(protobuf.file), folder, (path) =>
    path.startsWith('package/') ? join(layout.modules, 'google-protobuf', inner(path)) : undefined,
  )
  for (const name of ['tfjs', 'tfjs-core']) {
    const module = join(folder, layout.modules, '@tensorflow', name)
    await mkdir(module, { recursive: true })
    await writeFile(join(module, 'index.js'), coreModule)
  }
}

/** What builds the binding. */
export const compiler: NeededProgram = {
  command: 'g++',
  argv: ['--version'],
  remedy:
    'the binding is built by g++ 8 or newer; install it (`apt-get install g++`, `dnf install gcc-c++`) and add the backend again',
}

/** The library's folder stands in the binding relative to the binding itself, so that the backend's folder may move. */
async function buildBinding({ folder, run }: InstallPlace, build: string): Promise<void> {
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc']
  const argv = [
    ...['-std=c++17', '-O2', '-fPIC', '-shared', '-DNAPI_VERSION=8', '-DBUILDING_NODE_EXTENSION'],
    ...['-I', join('build', 'node', 'include'), '-I', join('build', 'include'), '-I', layout.package],
    ...sources.map((name) => join(layout.package, 'binding', name)),
    ...['-o', layout.binding, '-L', layout.libraries, ...libraries.map((name) => `-l:${name}`), '-Wl,-rpath,$ORIGIN'],
  ]
  const { command, remedy } = compiler
  await run(command, argv, { remedy, cwd: folder, environment: { TMPDIR: build }, timeMs: 900_000 })
}
