import { createRequire } from 'node:module'
import type * as tfjs from '@tensorflow/tfjs-core'
import type { BackendDescription } from '../../../shared/backend-description.ts'
import { BitfleetError } from '../../../shared/errors.ts'

type Detected = Pick<BackendDescription, 'status' | 'version' | 'reason' | 'add'>

/** Whether a package of tfjs is installed, without loading it. */
export function detectTfjs(packageName: string): Detected {
  try {
    return { status: 'ready', version: versionOf(packageName) }
  } catch {
    return { status: 'unavailable', reason: `the package ${packageName} is not installed`, add: 'npm ci' }
  }
}

function versionOf(packageName: string): string {
  const require = createRequire(import.meta.url)
  return (require(`${packageName}/package.json`) as { version: string }).version
}

export interface TfjsLibrary {
  readonly tf: typeof tfjs
  readonly facts: Record<string, string>
  close(): void
}

/**
 * Loads tfjs with one backend and puts that backend into force. tfjs is one per process, and falls back to another
 * backend without an error where one does not start; hence the question afterwards.
 *
 * @param name    as tfjs names the backend: `cpu`, `wasm` or `tensorflow`
 * @param load    imports the package that registers it
 * @param prepare sets flags before it starts
 * @throws `unavailable` if another backend is in force afterwards
 */
export async function openTfjs(
  name: 'cpu' | 'wasm' | 'tensorflow',
  load: (tf: typeof tfjs) => Promise<unknown>,
  prepare: (tf: typeof tfjs) => void = () => {},
): Promise<TfjsLibrary> {
  const tf = await import('@tensorflow/tfjs-core')
  await load(tf)
  // Registers the gradients, which tfjs-core with a bare backend lacks.
  await import('@tensorflow/tfjs-layers')
  // Spares the log an advertisement; bits do not depend on it.
  tf.env().set('PROD', true)
  const factory = tf.findBackendFactory(name)
  // Flags are read when a backend starts; one that was opened before in this process has to start anew.
  const forget = () => {
    if (tf.findBackendFactory(name)) tf.removeBackend(name)
    tf.registerBackend(name, factory)
  }
  forget()
  prepare(tf)
  const started = await tf.setBackend(name)
  if (!started || tf.getBackend() !== name) {
    throw new BitfleetError('unavailable', `tfjs: backend ${name} did not start; in force is ${tf.getBackend()}`)
  }
  return {
    tf,
    facts: {
      'lib.tfjs-core.version': tf.version_core,
      'lib.tfjs-layers.version': versionOf('@tensorflow/tfjs-layers'),
      // TensorFlow's package is not Bitfleet's, and its driver says its version.
      ...(name === 'tensorflow'
        ? {}
        : { [`lib.tfjs-backend-${name}.version`]: versionOf(`@tensorflow/tfjs-backend-${name}`) }),
    },
    close: forget,
  }
}
