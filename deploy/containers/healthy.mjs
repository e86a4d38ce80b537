// Whether the coordinator of this container accepts connections: exit code 0 or 1. Not what it answers, and no request:
// its certificate is for the names that machines call it by, and this is none of them.
import { connect } from 'node:net'

const socket = connect({ host: '127.0.0.1', port: Number(process.argv[2] ?? 7575), timeout: 4_000 })
const end = (code) => {
  socket.destroy()
  process.exit(code)
}
socket.once('connect', () => end(0))
socket.once('timeout', () => end(1))
socket.once('error', () => end(1))
