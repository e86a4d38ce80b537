import { spawn } from 'node:child_process'
import { dirname, join, resolve } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { installedCommand } from '../agent/daemon/runners.ts'
import type { Installed } from '../agent/provision/installed.ts'
import { entryPoint } from '../shared/entry-point.ts'
import type { Tensor } from '../shared/tensor.ts'
import type { Checkpoint, Trace } from '../shared/trace.ts'
import { exactProblem, exactStepOnJs, traceOf } from './exact-training.ts'

// The step of exact-training.ts in a process of an installed library, started as its runner is.

const runner = entryPoint(import.meta.url, '../agent/runner/main.ts')
const dist = dirname(dirname(dirname(runner)))

/** Runs under the library's own Node, from the built program. */
const script = `
import { readFileSync, writeFileSync } from 'node:fs'
const asked = JSON.parse(readFileSync(0, 'utf8'))
const load = (path) => import(new URL(path, asked.dist).href)
const { digestOf } = await load('shared/digest.js')
const { createTensor } = await load('shared/tensor.js')
const { createPerceptron } = await load('workloads/training/network.js')
const { createRecorder } = await load('workloads/training/recorder.js')
const { trainOnTfjs } = await load('workloads/training/tfjs-training.js')
const { createPlainArithmetic } = await load('workloads/training/plain-arithmetic.js')
const { trainPlainly } = await load('workloads/training/plain-training.js')
const { installedDrivers } = await load('agent/backends/installed/index.js')
const revive = (flat) => createTensor(flat.dtype, flat.shape, new Uint8Array(Buffer.from(flat.bytes, 'base64')))
const { train, test, weights, epochs } = asked.inputs
const pair = ({ images, labels }) => ({ images: revive(images), labels: revive(labels) })
const inputs = {
  train: pair(train),
  test: pair(test),
  weights: weights.map(revive),
  epochs: epochs.map((epoch) => Object.fromEntries(Object.entries(epoch).map(([name, flat]) => [name, revive(flat)]))),
}
const made = []
const recorder = createRecorder(asked.places, (step, name, { dtype, shape, bytes }) =>
  made.push({ step, name, dtype, shape, digest: digestOf(bytes) }))
const network = createPerceptron(asked.hidden, 64, 10)
const [, driverId, id, folder] = asked.installed
const backend = await installedDrivers.find((driver) => driver.id === driverId).driver(id, folder).open({})
const { tf, kernels } = backend
if (tf) {
  const softmax = (logits) => tf.step(tf.sub(tf.softmax(logits), tf.scalar(0.5)))
  trainOnTfjs({ ...tf, softmax }, network, asked.params, inputs, recorder)
} else {
  const multiply = async (a, b) => {
    const product = await kernels.gemm(a, b)
    if ('unsupported' in product) throw new Error(product.unsupported)
    return product
  }
  await trainPlainly(network, asked.params, createPlainArithmetic('f32'), inputs, multiply, recorder)
}
// What libraries print is a log.
writeFileSync(3, JSON.stringify(made))
process.exit(0)
`

/** An entry of a state folder's backends. */
export interface InstalledBackend {
  readonly id: string
  readonly folder: string
  readonly installed: Installed
}

/**
 * Trains where the library trains; else all products are the library's, and plain arithmetic what is no product.
 *
 * @throws with the log of a process that died
 */
export async function exactStepInstalled({ id, folder, installed }: InstalledBackend): Promise<Trace> {
  const { executable, argv, environment } = installedCommand(installed.runner, folder, runner)
  const { hidden, params, inputs, batch, places } = exactProblem()
  const step1 = places.filter(({ step }) => step === 1)
  const python = installed.runner.kind === 'python'
  const at = argv.findIndex((argument) => argument.endsWith('bitfleet_runner.py'))
  const own = resolve(import.meta.dirname, 'exact_training.py')
  const child = spawn(
    executable,
    python ? [...argv.slice(0, at), own, ...argv.slice(at + 1)] : ['--input-type=module', '-e', script],
    {
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      timeout: 170_000,
      killSignal: 'SIGKILL',
    },
  )
  const [input, stdout, stderr, answer] = child.stdio as unknown as [Writable, Readable, Readable, Readable]
  input.on('error', () => {})
  input.end(
    JSON.stringify({
      ...{ hidden, params },
      ...(python
        ? {
            runner: join(dist, 'agent/runners/python'),
            batch: flat(batch),
            test: flat(inputs.test.images),
            weights: inputs.weights.map(flat),
          }
        : {
            dist: pathToFileURL(`${dist}/`).href,
            installed: argv.slice(argv.indexOf('--installed')),
            places: step1,
            inputs: flat(inputs),
          }),
    }),
  )
  const [json, out, log, code] = await Promise.all([
    text(answer),
    text(stdout),
    text(stderr),
    new Promise((done) => child.once('close', done)),
  ])
  if (code !== 0) throw new Error(`${id} ended with ${String(code)}: ${out}${log}`)
  // What the process was given is not for it to tell.
  const given = (await exactStepOnJs('sequential')).checkpoints.filter(({ step }) => step === 0)
  const made = JSON.parse(json) as Omit<Checkpoint, 'seq'>[]
  return traceOf([...given, ...made.map((checkpoint, i) => ({ ...checkpoint, seq: given.length + i }))])
}

/** Tensors anywhere in a value, their bytes in base64. */
function flat(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(flat)
  if (typeof value !== 'object' || value === null) return value
  if ('bytes' in value) {
    const { dtype, shape, bytes } = value as Tensor
    return { dtype, shape, bytes: Buffer.from(bytes).toString('base64') }
  }
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, flat(part)]))
}
