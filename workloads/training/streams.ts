/**
 * The named streams of a training and the sources of irreproducibility that they are: one can vary while the others
 * stand still.
 */
export const trainingStreams = [
  { name: 'split', source: 'OF.splits', draws: 'which images are trained on and which are tested on' },
  { name: 'weights', source: 'AF.weights', draws: 'initial weights' },
  { name: 'shuffle', source: 'AF.shuffle', draws: 'which images come together in a batch, for each epoch' },
  { name: 'batch-order', source: 'AF.batch-order', draws: 'the order of the batches, for each epoch' },
  { name: 'dropout', source: 'AF.stochastic-layers', draws: 'activations that dropout keeps, for each step' },
] as const

export type TrainingStream = (typeof trainingStreams)[number]['name']
