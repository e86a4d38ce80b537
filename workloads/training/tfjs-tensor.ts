import type * as tfjs from '@tensorflow/tfjs-core'
import { BitfleetError } from '../../shared/errors.ts'
import { type Tensor, alignedCopy, asFloat32, bytesOf, createTensor } from '../../shared/tensor.ts'

/** A tensor's bytes as a tfjs tensor of the backend in force; `f32` and `i32`, which is all that tfjs computes in. */
export function upload(tf: typeof tfjs, tensor: Tensor): tfjs.Tensor {
  const shape = [...tensor.shape]
  if (tensor.dtype === 'f32') return tf.tensor(asFloat32(tensor), shape, 'float32')
  if (tensor.dtype === 'i32') return tf.tensor(new Int32Array(alignedCopy(tensor.bytes)), shape, 'int32')
  throw new BitfleetError('internal', `tfjs has no tensors of ${tensor.dtype}`)
}

/** The bytes that a tfjs tensor holds, as the library's buffer has them: no element is read as a number. */
export function download(tensor: tfjs.Tensor): Tensor {
  const data = tensor.dataSync()
  if (data instanceof Float32Array) return createTensor('f32', tensor.shape, bytesOf(data))
  if (data instanceof Int32Array) return createTensor('i32', tensor.shape, bytesOf(data))
  throw new BitfleetError('internal', `tfjs gave a tensor of ${tensor.dtype}`)
}
