import { z } from 'zod'
import { digitClasses, digitPixels } from '../data/digits.ts'
import { strictParams } from '../params.ts'
import { createPerceptron } from './network.ts'
import { trainingParams } from './params.ts'
import { createTfjsTraining } from './tfjs-workload.ts'

export const mlp = createTfjsTraining({
  id: 'train.mlp',
  version: 1,
  title: 'Training of a perceptron on handwritten digits',
  summary:
    'A perceptron with one hidden layer (64 pixels, ReLU, dropout, 10 classes) is trained on the UCI digits by gradient ' +
    'descent with momentum. Split, weights, shuffle, batch order and dropout masks come from named streams, made on the ' +
    "host; all else is the library's arithmetic: matrix products, softmax, and its own gradients.",
  params: strictParams({
    ...trainingParams,
    hidden: z.int().min(1).max(4096).default(32).describe('Width of the hidden layer'),
  }),
  network: ({ hidden }) => createPerceptron(hidden, digitPixels, digitClasses),
})
