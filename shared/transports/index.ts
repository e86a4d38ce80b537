import type { Transport } from './transport.ts'
import { webSocketTransport } from './websocket.ts'

/** Every kind of line there is. A new one is a file in this folder and a line here. */
export const transports: readonly Transport[] = [webSocketTransport]
