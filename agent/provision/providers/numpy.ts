import { wholeProduct, wholeSum } from '../known-answers.ts'
import { createPythonProvider } from './python.ts'

const release = (version: string) => ({
  version,
  requirements: [`numpy==${version}`],
  installedBytes: 110_000_000,
})

/** NumPy with the OpenBLAS that its wheels bring along: other versions have another one. */
export const numpy = createPythonProvider({
  id: 'numpy',
  title: 'NumPy, with the OpenBLAS it brings along',
  releases: ['2.3.5', '2.2.6', '2.0.2', '1.26.4'].map(release),
  answers: [wholeSum, wholeProduct],
})
