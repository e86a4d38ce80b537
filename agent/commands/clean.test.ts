import { expect, it } from 'vitest'
import { readAgentConfig } from '../config.ts'
import { applyClean } from './clean.ts'

const environment = { PATH: '/bin', OPENBLAS_CORETYPE: 'Haswell', OMP_NUM_THREADS: '2', CUDA_VISIBLE_DEVICES: '0' }
const config = readAgentConfig(environment)

function apply(clean: boolean | undefined, from = config) {
  const lines: string[] = []
  return { lines, environment: applyClean(from, { clean }, (line) => lines.push(line)).environment }
}

it('keeps code paths and threads from the runners, and says which', () => {
  const { lines, environment } = apply(true)
  expect(environment).toEqual({ PATH: '/bin', CUDA_VISIBLE_DEVICES: '0' })
  expect(lines).toEqual(['--clean keeps from what computes: OPENBLAS_CORETYPE=Haswell, OMP_NUM_THREADS=2'])
})

it('says so if there was nothing to remove', () => {
  expect(apply(true, readAgentConfig({ PATH: '/bin' })).lines).toEqual(['--clean found nothing to remove'])
})

it('changes nothing if it is left out', () => {
  expect(apply(undefined)).toEqual({ lines: [], environment })
})
