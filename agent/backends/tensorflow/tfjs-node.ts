import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import util from 'node:util'
import type * as tfjs from '@tensorflow/tfjs-core'
import { BitfleetError, messageOf } from '../../../shared/errors.ts'
import { coreSymbol, layout } from '../../provision/tensorflow/layout.ts'
import { readThreads, startedBetween } from './threads.ts'

/** The part of tfjs-node's native binding that is asked for here. */
export interface Binding {
  readonly TF_Version: string
  isUsingGpuDevice(): boolean
}

/** tfjs-node in this process. */
export interface TfjsNode {
  readonly binding: Binding
  /** Version of the package whose kernels call the binding. */
  readonly packageVersion: string
  /** Threads that TensorFlow started with its context, and of these those it names as its inter-op pool. */
  readonly started?: { readonly all: number; readonly interOp: number }
}

const opened = new Map<string, TfjsNode>()

/** Why a folder holds no tfjs-node that can be loaded; undefined where it does. */
export function missingIn(folder: string): string | undefined {
  const files = [
    join(layout.libraries, 'libtensorflow_framework.so.2'),
    layout.binding,
    join(layout.package, 'package.json'),
  ]
  const missing = files.find((file) => !existsSync(join(folder, file)))
  return missing === undefined ? undefined : `${join(folder, missing)} is missing`
}

/**
 * Loads the binding of a folder and registers tfjs-node's kernels, of tfjs's backend `tensorflow`, with tfjs-core. Once
 * a process: a second TensorFlow would be given the first one's libraries.
 *
 * @throws `unavailable` where it cannot be loaded, or another TensorFlow is loaded already
 */
export function loadTfjsNode(folder: string, tf: typeof tfjs): TfjsNode {
  const known = opened.get(folder)
  if (known !== undefined) return known
  const [other] = opened.keys()
  if (other !== undefined) {
    throw new BitfleetError('unavailable', `this process has loaded TensorFlow from ${other} and takes no second one`)
  }
  restoreOldUtilities()
  Object.assign(globalThis, { [Symbol.for(coreSymbol)]: tf })
  const require = createRequire(join(folder, 'package.json'))
  const before = readThreads()
  let binding: Binding
  try {
    binding = require(join(folder, layout.binding)) as Binding
  } catch (cause) {
    throw new BitfleetError('unavailable', `TensorFlow in ${folder} cannot be loaded: ${messageOf(cause)}`, { cause })
  }
  const after = readThreads()
  const modules = join(folder, layout.package, 'dist')
  require(join(modules, 'register_all_kernels.js'))
  const { NodeJSKernelBackend } = require(join(modules, 'nodejs_kernel_backend.js')) as {
    NodeJSKernelBackend: new (binding: Binding, packageName: string) => tfjs.KernelBackend
  }
  tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node'))
  const { version } = JSON.parse(readFileSync(join(folder, layout.package, 'package.json'), 'utf8')) as {
    version: string
  }
  const loaded: TfjsNode = {
    binding,
    packageVersion: version,
    started: before && after && startedBetween(before, after),
  }
  opened.set(folder, loaded)
  return loaded
}

/** The package for NVIDIA's GPUs as a person installed it beside Bitfleet, by npm and with its own libtensorflow. */
export const ownPackage = '@tensorflow/tfjs-node-gpu'

/** Loads that package; it registers itself. @throws whatever it throws where its own parts are missing */
export function loadOwnPackage(tf: typeof tfjs): TfjsNode {
  restoreOldUtilities()
  const require = createRequire(import.meta.url)
  require(ownPackage)
  const { binding } = tf.findBackend('tensorflow') as unknown as { binding: Binding }
  const { version } = require(`${ownPackage}/package.json`) as { version: string }
  return { binding, packageVersion: version }
}

/** Whether that package is there at all, which says nothing of whether it can be loaded. */
export function hasOwnPackage(): boolean {
  try {
    createRequire(import.meta.url).resolve(`${ownPackage}/package.json`)
    return true
  } catch {
    return false
  }
}

/** tfjs-node 4.22 calls two functions that Node 23 took out of `node:util`; nothing else of it needs an older Node. */
function restoreOldUtilities(): void {
  const old = util as unknown as Record<string, unknown>
  old.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined
  old.isArray ??= Array.isArray
}
