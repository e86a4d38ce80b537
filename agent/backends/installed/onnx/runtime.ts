import { createRequire } from 'node:module'
import { join } from 'node:path'

/** Of onnxruntime-node's interface, what is used here; the package is the installed version's own. */
export interface OnnxRuntime {
  readonly env: { readonly versions: { readonly node?: string } }
  readonly Tensor: new (type: string, data: ArrayBufferView, dims: readonly number[]) => OnnxTensor
  readonly InferenceSession: {
    create(model: Uint8Array, options: SessionOptions): Promise<Session>
  }
}

export interface OnnxTensor {
  readonly type: string
  readonly dims: readonly number[]
  readonly data: ArrayBufferView
}

export interface Session {
  run(feeds: Readonly<Record<string, OnnxTensor>>): Promise<Readonly<Record<string, OnnxTensor>>>
  release(): Promise<void>
}

/** @see https://onnxruntime.ai/docs/api/js/interfaces/InferenceSession.SessionOptions.html */
export interface SessionOptions {
  readonly executionProviders?: readonly string[]
  readonly intraOpNumThreads?: number
  readonly interOpNumThreads?: number
  readonly graphOptimizationLevel?: string
  readonly executionMode?: string
  readonly optimizedModelFilePath?: string
  readonly logSeverityLevel?: number
}

/** Loads the runtime of a folder. @throws what its native part says where it does not run here */
export function loadRuntime(folder: string): OnnxRuntime {
  return createRequire(join(folder, 'node_modules', 'here.js'))('onnxruntime-node') as OnnxRuntime
}

export function versionOf({ env }: OnnxRuntime): string {
  return env.versions.node ?? 'unknown'
}
