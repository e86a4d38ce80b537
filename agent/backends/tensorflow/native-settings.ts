import type { NativeLibrary } from '../native/library.ts'

/** What TensorFlow's own functions say is in force. Each is left out where this version has no such function. */
export interface NativeSettings {
  /** Whether operations are taken over by oneDNN. */
  readonly oneDnn?: boolean
  readonly deterministicOps?: boolean
  readonly tensorFloat32?: boolean
  /** Threads asked for by the environment; 0 for none. */
  readonly intraOpAsked?: number
  readonly interOpAsked?: number
  /** Processors that this process may run on, which is the size of a pool nobody gave one. */
  readonly processors?: number
}

/**
 * Asks the functions that TensorFlow itself asks. They are C++ without arguments, exported under their mangled names;
 * which namespace one is in has changed with versions.
 *
 * @param framework libtensorflow_framework.so.2 of this process
 */
export function readNativeSettings(framework: NativeLibrary): NativeSettings {
  const ask = (result: 'bool' | 'int', names: readonly string[]): unknown => {
    const name = names.find((candidate) => framework.has(candidate))
    return name === undefined ? undefined : framework.bind(name, result, [])()
  }
  const flag = (...names: string[]) => ask('bool', names) as boolean | undefined
  const count = (...names: string[]) => ask('int', names) as number | undefined
  return {
    oneDnn: flag('_ZN10tensorflow12IsMKLEnabledEv'),
    deterministicOps: flag('_ZN3tsl21OpDeterminismRequiredEv', '_ZN10tensorflow21OpDeterminismRequiredEv'),
    tensorFloat32: flag(
      '_ZN3tsl33tensor_float_32_execution_enabledEv',
      '_ZN10tensorflow33tensor_float_32_execution_enabledEv',
    ),
    intraOpAsked: count('_ZN10tensorflow32NumIntraOpThreadsFromEnvironmentEv'),
    interOpAsked: count('_ZN10tensorflow32NumInterOpThreadsFromEnvironmentEv'),
    processors: count('_ZN3tsl4port14MaxParallelismEv', '_ZN10tensorflow4port14MaxParallelismEv'),
  }
}
