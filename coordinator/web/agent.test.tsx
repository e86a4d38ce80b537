import { expect, it } from 'vitest'
import { Environment } from './agent.tsx'

const render = (facts: Record<string, string>) => (<Environment facts={facts} />).toString()

it('shows the variables that an agent was started with, and says which select a code path', () => {
  const html = render({ 'cpu.brand': 'x', 'env.OPENBLAS_CORETYPE': 'Haswell', 'env.OMP_NUM_THREADS': '2' })
  expect(html).toBe(
    '<div><code>OPENBLAS_CORETYPE=Haswell</code> selects a code path: its conditions are overrides</div>' +
      '<div><code>OMP_NUM_THREADS=2</code></div>',
  )
})

it('says so if there is none', () => {
  expect(render({ 'cpu.brand': 'x' })).toBe('no variable that changes what libraries compute')
})
