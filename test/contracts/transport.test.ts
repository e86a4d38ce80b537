import { describe } from 'vitest'
import { transports } from '../../shared/transports/index.ts'
import { transportContract } from './transport.ts'

describe.each(transports.map((transport) => [transport.id, transport] as const))('transport %s', (_, transport) => {
  transportContract(transport)
})
