// What the provider makes and the driver opens; it loads nothing, so that both may know it.

/** Where things lie in the folder of an installed backend. */
export const layout = {
  /** libtensorflow_cc.so.2, libtensorflow_framework.so.2 and, beside them, the binding. */
  libraries: 'tensorflow',
  binding: 'tensorflow/tfjs_binding.node',
  /** The package, whose JavaScript is used and whose C++ sources the binding is built from. */
  package: 'node_modules/@tensorflow/tfjs-node',
  modules: 'node_modules',
} as const

/** Under which the one tfjs-core of this process waits for tfjs-node's modules. */
export const coreSymbol = 'bitfleet.tfjs-core'

/**
 * What stands in the folder for `@tensorflow/tfjs` and `@tensorflow/tfjs-core`: tfjs-node's modules are given the
 * tfjs-core that Bitfleet computes with. A copy of their own would be a second engine, and megabytes of WebGL.
 */
export const coreModule = `module.exports = globalThis[Symbol.for('${coreSymbol}')]\n`
