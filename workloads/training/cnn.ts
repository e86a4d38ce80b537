import { z } from 'zod'
import { digitClasses, digitSide } from '../data/digits.ts'
import { strictParams } from '../params.ts'
import { createConvolutional } from './network.ts'
import { trainingParams } from './params.ts'
import { createTfjsTraining } from './tfjs-workload.ts'

export const cnn = createTfjsTraining({
  id: 'train.cnn',
  version: 1,
  title: 'Training of a convolutional network on handwritten digits',
  summary:
    'Two convolutions of 3×3 with ReLU, 2×2 maxima, dropout and a dense layer are trained on the UCI digits by gradient ' +
    'descent with momentum. Convolutions are written as im2col and a matrix product, forward and backward, so that ' +
    'every backend of tfjs computes the same program. Everything random comes from named streams, made on the host.',
  params: strictParams({
    ...trainingParams,
    channels: z
      .int()
      .min(1)
      .max(256)
      .default(8)
      .describe('Channels of the first convolution; the second has twice as many'),
  }),
  network: ({ channels }) => createConvolutional(channels, digitSide, digitClasses),
})
