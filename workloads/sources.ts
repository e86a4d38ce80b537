/** A source of irreproducibility in the literature; ids are stable and shown in plans, reports and the web. */
export interface Source {
  /** `AF` algorithmic, `IF` implementation, `OF` observation. */
  readonly id: `${'AF' | 'IF' | 'OF'}.${string}`
  readonly title: string
}

/** @see Gundersen, Coakley, Kirkpatrick, Gil: Sources of Irreproducibility in Machine Learning. arXiv 2204.07610 */
export const sources: readonly Source[] = [
  { id: 'AF.hpo', title: 'Hyperparameter search' },
  { id: 'AF.weights', title: 'Random initial weights' },
  { id: 'AF.shuffle', title: 'Shuffling of the data' },
  { id: 'AF.batch-order', title: 'Order of the batches' },
  { id: 'AF.stochastic-layers', title: 'Stochastic layers' },
  { id: 'AF.feature-selection', title: 'Random selection of features' },
  { id: 'IF.seed-semantics', title: 'Meaning of a seed in different generators' },
  { id: 'IF.software', title: 'Versions of frameworks, libraries and runtimes' },
  { id: 'IF.parallel', title: 'Parallel execution and order of accumulation' },
  { id: 'IF.compiler', title: 'Compilers and their settings' },
  { id: 'IF.autotune', title: 'Automatic selection of kernels' },
  { id: 'IF.processor', title: 'Processors and instruction sets' },
  { id: 'IF.rounding', title: 'Rounding and precision' },
  { id: 'OF.dataset-bias', title: 'Bias of the data set' },
  { id: 'OF.preprocessing', title: 'Preprocessing of the data' },
  { id: 'OF.augmentation', title: 'Augmentation of the data' },
  { id: 'OF.splits', title: 'Splits of the data' },
  { id: 'OF.environment', title: 'Environment and its simulation' },
  { id: 'OF.annotation', title: 'Quality of the annotation' },
  { id: 'OF.leakage', title: 'Leakage between training and test data' },
]
