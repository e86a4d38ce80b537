import { wholeProduct, wholeSum } from '../known-answers.ts'
import { createPythonProvider } from './python.ts'

const beside = ['ml_dtypes==0.5.3', 'numpy==2.2.6', 'opt_einsum==3.4.0', 'scipy==1.15.3']

const release = (version: string) => ({
  version,
  requirements: [`jax==${version}`, `jaxlib==${version}`, ...beside],
  installedBytes: 520_000_000,
})

/** JAX and XLA on the processor. */
export const jax = createPythonProvider({
  id: 'jax',
  title: 'JAX (XLA) on the processor',
  releases: ['0.6.2', '0.4.38'].map(release),
  answers: [wholeSum, wholeProduct],
})
