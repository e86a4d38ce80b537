import { join } from 'node:path'
import { wholeProduct, wholeSum } from '../known-answers.ts'
import { createPythonProvider } from './python.ts'

/**
 * PyTorch on the processor. The wheel for x64 is the one for GPUs: it computes without NVIDIA's libraries, and is given
 * stand-ins for them, or the dynamic loader would refuse it.
 */
export const pytorch = createPythonProvider({
  id: 'pytorch',
  title: 'PyTorch on the processor',
  releases: [
    { version: '2.13.0', requirements: ['torch==2.13.0', 'typing_extensions==4.15.0'], installedBytes: 1_200_000_000 },
    { version: '2.6.0', requirements: ['torch==2.6.0', 'typing_extensions==4.15.0'], installedBytes: 1_600_000_000 },
  ],
  answers: [wholeSum, wholeProduct],
  async finish({ program, folder, run, say }, python) {
    say("making stand-ins for NVIDIA's libraries")
    const script = join(program, 'agent', 'runners', 'python', 'stand_in_libraries.py')
    await run(python, ['-I', '-B', script, join(folder, 'site', 'torch', 'lib')], {
      remedy: 'install what it names, or choose another version',
    })
  },
})
