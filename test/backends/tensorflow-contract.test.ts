import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Backend } from '../../agent/backends/backend.ts'
import { digestOf } from '../../shared/digest.ts'
import { drawTensor } from '../../shared/random/data-kinds.ts'
import { createStream } from '../../shared/random/stream.ts'
import { type Tensor, bitsHex, tensorFromBits } from '../../shared/tensor.ts'
import { workloads } from '../../workloads/index.ts'
import { isUnsupported } from '../../workloads/kernels.ts'
import { download, upload } from '../../workloads/training/tfjs-tensor.ts'
import { createTensorflow } from '../../agent/backends/tensorflow.ts'
import { backendContract } from '../contracts/backend.ts'
import { workloadContract } from '../contracts/workload.ts'
import { exactStepOnJs, exactStepOnTfjs } from '../exact-training.ts'
import { installedBackend } from '../installed-backend.ts'

// TensorFlow as it was installed, loaded into this process: the same contracts as of every other backend.

const driver = installedBackend('tensorflow', '2.21.0')

const small: Record<string, Record<string, unknown>> = {
  'reduce.sum': { n: 3000, data: 'wide' },
  'linalg.gemm': { m: 33, k: 50, n: 24 },
  'nn.softmax': { rows: 3, n: 40 },
  'nn.conv2d': { batch: 1, height: 5, channels: 3, filters: 2 },
  'train.mlp': { steps: 2, checkpoints: 'operation' },
  'train.cnn': { steps: 2, checkpoints: 'operation' },
}

it('says what is missing of a folder, and how to make it again', async () => {
  expect(await createTensorflow('tensorflow@2.21.0', '/nowhere', 'cpu').detect()).toEqual({
    status: 'unavailable',
    reason: expect.stringMatching(/^\/nowhere\/.* is missing$/),
    add: expect.stringContaining('bitfleet backends add tensorflow@2.21.0'),
  })
})

describe.each(driver === undefined ? [] : [[driver.id, driver] as const])('%s', (_, driver) => {
  // One at a time is open in a process.
  describe('as a backend', () => {
    backendContract(driver, 'ready')
  })

  describe.each(workloads.filter(({ id }) => id in small).map((workload) => [workload.id, workload] as const))(
    'workload %s',
    (id, workload) => {
      workloadContract(workload, small[id] as Record<string, unknown>, [driver])
    },
  )

  describe('open', () => {
    let backend: Backend
    let tf: NonNullable<Backend['tf']>
    beforeAll(async () => {
      backend = await driver.open({})
      tf = backend.tf as typeof tf
    })
    afterAll(() => backend.close())

    it('is the version that was installed, by its own word', async () => {
      expect(driver.id).toBe(`tensorflow@${backend.version}`)
      const { settings, facts } = await backend.effective()
      expect(facts['lib.tensorflow.version']).toBe(backend.version)
      expect(facts['lib.onednn.version']).toMatch(/^\d+\.\d+\.\d+$/)
      expect(settings).toMatchObject({
        intraOpThreads: expect.stringMatching(/^[1-9]\d*$/),
        interOpThreads: expect.stringMatching(/^[1-9]\d*$/),
        oneDNN: 'true',
        deterministicOps: 'false',
      })
    })

    it('tells the implementations that oneDNN took', async () => {
      const before = (await backend.effective()).facts['lib.onednn.implementations'] ?? ''
      expect(before).toMatch(/matmul /)
      await backend.kernels.conv2d?.(normal([2, 9, 9, 8]), normal([3, 3, 8, 16]))
      expect((await backend.effective()).facts['lib.onednn.implementations']).toMatch(/convolution forward_training /)
    })

    it('carries every bit pattern up and down untouched', () => {
      const hostile = tensorFromBits(
        'f32',
        [2, 4],
        ['7f800001', 'ff800001', '7fa00000', 'ffc12345', '80000000', '00000001', '807fffff', '7f7fffff'],
      )
      expect(bitsHex(download(tf.reshape(upload(tf, hostile), [8])))).toEqual(bitsHex(hostile))
    })

    it('gives no bit of its own to a step in which nothing is rounded', async () => {
      expect(await exactStepOnTfjs(tf)).toEqual(await exactStepOnJs('sequential'))
    })

    it('computes the same twice', async () => {
      const [a, b] = [normal([64, 96]), normal([96, 80])]
      const product = async () => {
        const result = await backend.kernels.gemm?.(a, b)
        if (result === undefined || isUnsupported(result)) throw new Error('it has no product')
        return digestOf(result.bytes)
      }
      expect(await product()).toBe(await product())
    })
  })
})

function normal(shape: number[]): Tensor {
  return drawTensor('normal', 'f32', shape, createStream('42', 'input'))
}
