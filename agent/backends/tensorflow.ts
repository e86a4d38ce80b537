import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type * as tfjs from '@tensorflow/tfjs-core'
import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { parseMaps } from '../inventory/mapped-libraries.ts'
import type { Backend, BackendDriver } from './backend.ts'
import { isLibrary, openLibrary } from './native/library.ts'
import { tensorflowGpuKnobs, tensorflowKnobs } from './tensorflow/knobs.ts'
import { listenToOnednn } from './tensorflow/listener.ts'
import { type NativeSettings, readNativeSettings } from './tensorflow/native-settings.ts'
import { settingsOf } from './tensorflow/read-back.ts'
import {
  type TfjsNode,
  hasOwnPackage,
  loadOwnPackage,
  loadTfjsNode,
  missingIn,
  ownPackage,
} from './tensorflow/tfjs-node.ts'
import { createSubstitutions } from './substitutions.ts'
import { createTfjsKernels, tfjsKernelNames } from './tfjs/kernels.ts'
import { openTfjs } from './tfjs/library.ts'

const kernels = [...tfjsKernelNames, 'tfjs'] as const

/** How an installed TensorFlow is built: for processors alone, or for NVIDIA's GPUs too. */
export type TensorflowBuild = 'cpu' | 'gpu'

/**
 * TensorFlow of one version, by tfjs-node's binding.
 *
 * @param id such as `tensorflow@2.21.0`; what follows the `@` is the version
 * @param folder absolute path of what the provider made
 */
export function createTensorflow(id: string, folder: string, build: TensorflowBuild): BackendDriver {
  const version = id.slice(id.indexOf('@') + 1)
  return {
    id,
    title: build === 'gpu' ? 'TensorFlow, built for NVIDIA GPUs' : 'TensorFlow on processors',
    kernels,
    knobs: build === 'gpu' ? tensorflowGpuKnobs : tensorflowKnobs,
    async detect() {
      const missing = missingIn(folder)
      if (missing === undefined) return { status: 'ready', version }
      return {
        status: 'unavailable',
        reason: missing,
        add: `bitfleet backends remove ${id} && bitfleet backends add ${id}`,
      }
    },
    async open() {
      const backend = await openTensorflow(build, (tf) => loadTfjsNode(folder, tf))
      if (backend.version === version) return backend
      await backend.close()
      throw new BitfleetError('unavailable', `${id}: what is installed there is TensorFlow ${backend.version}`)
    },
  }
}

/** The package `@tensorflow/tfjs-node-gpu` where a person installed it beside Bitfleet and it works. */
export const tensorflowGpu: BackendDriver = {
  id: 'tensorflow-gpu',
  title: `TensorFlow by an ${ownPackage} of your own`,
  kernels,
  knobs: tensorflowGpuKnobs,
  async detect() {
    const add = 'bitfleet backends add tensorflow-gpu@2.21.0'
    if (!hasOwnPackage()) return { status: 'unavailable', reason: `the package ${ownPackage} is not installed`, add }
    try {
      const backend = await tensorflowGpu.open({})
      await backend.close()
      return { status: 'ready', version: backend.version }
    } catch (error) {
      const reason = `the package ${ownPackage} is installed and cannot be loaded: ${messageOf(error).split('\n')[0]}`
      return { status: 'unavailable', reason, add }
    }
  },
  open: () => openTensorflow('gpu', loadOwnPackage),
}

/** @param load loads the binding and registers tfjs's backend `tensorflow` */
async function openTensorflow(build: TensorflowBuild, load: (tf: typeof tfjs) => TfjsNode): Promise<Backend> {
  const loaded: TfjsNode[] = []
  const library = await openTfjs('tensorflow', async (tf) => {
    loaded.push(load(tf))
  })
  const { tf } = library
  const substitutions = createSubstitutions()
  const { binding, packageVersion, started } = loaded[0] as TfjsNode
  const native = readNative()
  const listener = listenToOnednn(native.oneDnn === true, () => probe(tf))
  const [version, usesGpu] = [binding.TF_Version, binding.isUsingGpuDevice()]
  const tensorflow = { packageVersion, started, version, usesGpu, build }
  return {
    version,
    kernels: createTfjsKernels(tf, 'tensorflow', true, substitutions),
    tf,
    async effective() {
      const read = settingsOf({ tensorflow, native, onednn: listener.hear() })
      return { ...read, facts: { ...library.facts, ...read.facts }, notes: [...read.notes, ...substitutions.notes()] }
    },
    async close() {
      listener.close()
      library.close()
    },
  }
}

/** Asks the framework library that this process has mapped, wherever it came from. */
function readNative(): NativeSettings {
  const mapped = parseMaps(readFileSync('/proc/self/maps', 'utf8'))
  const path = mapped.find((file) => basename(file).startsWith('libtensorflow_framework.so'))
  const framework = path === undefined ? undefined : openLibrary([path])
  return framework !== undefined && isLibrary(framework) ? readNativeSettings(framework) : {}
}

/** A small matrix product, in which oneDNN has a part; it must be right, too. */
function probe(tf: typeof tfjs): void {
  const size = 64
  const right = tf.tidy(() => {
    const product = tf.matMul(tf.ones([size, size]), tf.ones([size, size]))
    return product.dataSync().every((value) => value === size)
  })
  if (!right) throw new BitfleetError('internal', `TensorFlow multiplies matrices of ${size} × ${size} ones wrongly`)
}
