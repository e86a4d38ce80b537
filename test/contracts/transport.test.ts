import { describe } from 'vitest'
import { transports } from '../../shared/transports/index.ts'
import { transportContract } from './transport.ts'

/** Where a transport listens in tests, by its id. */
const listenAt: Readonly<Record<string, string>> = { websocket: 'http://127.0.0.1:0/line' }

describe.each(transports.map((transport) => [transport.id, transport] as const))('transport %s', (id, transport) => {
  transportContract(transport, listenAt[id] ?? '')
})
