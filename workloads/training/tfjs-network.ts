import type * as tfjs from '@tensorflow/tfjs-core'
import type { Layer, Network } from './network.ts'

/** Sees the result of an operation (`forward`), and the gradient of the loss with respect to a tensor (`backward`). */
export type Watch = (direction: 'forward' | 'backward', name: string, tensor: tfjs.Tensor) => void

/**
 * The network's logits for images [n, …]. Functions alone and no chained methods, which tfjs-core has only where another
 * package adds them.
 *
 * @param factors of dropout, left out where nothing is dropped
 */
export function applyNetwork(
  tf: typeof tfjs,
  network: Network,
  weights: ReadonlyMap<string, tfjs.Tensor>,
  images: tfjs.Tensor,
  factors?: tfjs.Tensor,
  watch: Watch = () => {},
): tfjs.Tensor2D {
  let x = images
  for (const layer of network.layers) {
    const [kernel, bias] = layer.parameters.map(({ name }) =>
      watchGradient(tf, name, weights.get(name) as tfjs.Tensor, watch),
    )
    x = watchGradient(tf, layer.name, applyLayer(tf, layer, x, kernel, bias, factors), watch)
    watch('forward', layer.name, x)
  }
  return x as tfjs.Tensor2D
}

function applyLayer(
  tf: typeof tfjs,
  layer: Layer,
  x: tfjs.Tensor,
  kernel: tfjs.Tensor | undefined,
  bias: tfjs.Tensor | undefined,
  factors: tfjs.Tensor | undefined,
): tfjs.Tensor {
  switch (layer.kind) {
    case 'dense': {
      const rows = tf.reshape(x, [x.shape[0], -1])
      return tf.add(tf.matMul(rows, kernel as tfjs.Tensor), bias as tfjs.Tensor)
    }
    case 'convolution':
      return tf.add(convolve(tf, x as tfjs.Tensor4D, kernel as tfjs.Tensor4D), bias as tfjs.Tensor)
    case 'relu':
      return tf.relu(x)
    case 'pool':
      return tf.maxPool(x as tfjs.Tensor4D, 2, 2, 'valid')
    case 'dropout':
      // A copy where nothing is dropped, so that the operation is there all the same.
      return factors ? tf.mul(x, factors) : tf.clone(x)
  }
}

/**
 * NHWC images and an HWIO kernel, valid padding, stride 1. tfjs-wasm lacks the kernel for a filter's gradient, so it is
 * asked for as another convolution: dK[i, j, c, d] = Σ x[n, h + i, w + j, c]·dy[n, h, w, d] convolves the images, their
 * channels as the batch, with dy as the kernel, the batch as its channels.
 */
function convolve(tf: typeof tfjs, images: tfjs.Tensor4D, kernel: tfjs.Tensor4D): tfjs.Tensor4D {
  const convolution = tf.customGrad((...inputs) => {
    const [x, k] = inputs as unknown as [tfjs.Tensor4D, tfjs.Tensor4D]
    const save = inputs[2] as unknown as (tensors: tfjs.Tensor[]) => void
    save([x, k])
    return {
      value: tf.conv2d(x, k, 1, 'valid'),
      gradFunc(gradient: tfjs.Tensor, saved: tfjs.Tensor[]) {
        const [x, k] = saved as [tfjs.Tensor4D, tfjs.Tensor4D]
        const dy = gradient as tfjs.Tensor4D
        const channelsFirst = tf.transpose(x, [3, 1, 2, 0])
        const asKernel = tf.transpose(dy, [1, 2, 0, 3])
        const dk = tf.transpose(tf.conv2d(channelsFirst, asKernel, 1, 'valid'), [1, 2, 0, 3])
        return [tf.conv2dTranspose(dy, k, x.shape, 1, 'valid'), dk]
      },
    }
  })
  return convolution(images, kernel)
}

/** The same tensor, whose gradient is seen when the backward pass comes by. */
function watchGradient(tf: typeof tfjs, name: string, tensor: tfjs.Tensor, watch: Watch): tfjs.Tensor {
  const identity = tf.customGrad((x) => ({
    value: tf.clone(x as tfjs.Tensor),
    gradFunc(gradient: tfjs.Tensor) {
      watch('backward', name, gradient)
      return gradient
    },
  }))
  return identity(tensor)
}

/**
 * Softmax cross-entropy, the mean over a batch; its gradient with respect to the logits is (softmax − targets)/n.
 *
 * @param targets [n, classes], 1 at the label and else 0
 */
export function crossEntropy(
  tf: typeof tfjs,
  logits: tfjs.Tensor2D,
  targets: tfjs.Tensor,
  watch: Watch = () => {},
): tfjs.Scalar {
  const loss = tf.customGrad((x, save) => {
    const [input, keep] = [x as tfjs.Tensor2D, save as (tensors: tfjs.Tensor[]) => void]
    const probabilities = tf.softmax(input)
    watch('forward', 'softmax', probabilities)
    keep([probabilities])
    return {
      value: tf.mean(tf.sub(tf.logSumExp(input, 1), tf.sum(tf.mul(input, targets), 1))),
      gradFunc(gradient: tfjs.Tensor, saved: tfjs.Tensor[]) {
        const difference = tf.sub(saved[0] as tfjs.Tensor, targets)
        return tf.mul(gradient, tf.mul(difference, tf.scalar(1 / input.shape[0])))
      },
    }
  })
  return loss(logits) as tfjs.Scalar
}
