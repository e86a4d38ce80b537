import { z } from 'zod'
import { trainCount } from '../data/digits.ts'
import { granularities } from '../workload.ts'

const maxEpochs = 100

/** What every training takes; a workload adds the sizes of its network. */
export const trainingParams = {
  dataset: z.enum(['digits']).default('digits').describe('UCI handwritten digits, 8×8'),
  epochs: z.int().min(1).max(maxEpochs).default(3).describe('Passes over the training data'),
  batch: z.int().min(1).max(trainCount).default(32).describe('Images a step; what fills no batch is left out'),
  learningRate: z.number().positive().max(10).default(0.05).describe('Step size of gradient descent'),
  momentum: z.number().min(0).lt(1).default(0.9).describe('Share of the last velocity that is kept; 0 for none'),
  dropout: z.number().min(0).lt(1).default(0.25).describe('Share of activations that a step leaves out; 0 for none'),
  steps: z.int().min(1).optional().describe('Ends training after this many steps'),
  checkpoints: z.enum(granularities).default('epoch').describe('How much of the training is digested'),
}

export type TrainingParams = z.infer<z.ZodObject<typeof trainingParams>>
