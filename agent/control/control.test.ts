import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { connectControl } from './client.ts'
import type { AgentStatus } from './messages.ts'
import { openControlServer } from './server.ts'
import { readSocketPath, type SocketPlaces, socketPaths } from './socket-path.ts'

const root = mkdtempSync(join(tmpdir(), 'bitfleet-control-'))
afterAll(() => rmSync(root, { recursive: true }))
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})
let folders = 0
const fresh = (name = String(folders++)) => {
  const folder = join(root, name)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

const hostile = '\u001b[2J"\n{"ended":"drained"}\u202e'
const status: AgentStatus = {
  ...{ pid: 1, startedAt: '2030-01-01T00:00:00Z', id: 'a-1', fingerprint: 'ab'.repeat(32), name: hostile },
  ...{ labels: { [hostile]: hostile }, software: 'bitfleet', coordinator: 'http://lab:7575/' },
  connection: { state: 'disconnected', since: '2030-01-01T00:00:00Z', reason: hostile.repeat(1000) },
  ...{ draining: false, slots: 1, jobs: { running: 0, waiting: 0, unwritten: 0 } },
  spool: { records: 0, bytes: 0, quotaRecords: 1, quotaBytes: 1, damaged: 0, refused: 0 },
  backends: [{ id: 'js', status: 'ready' }],
}

async function serverOf(stateDir: string, places: SocketPlaces = {}) {
  const logged: string[] = []
  const drain = vi.fn<() => void>()
  const server = await openControlServer(
    stateDir,
    { status: () => status, drain },
    { log: (line) => logged.push(line), temporary: [], ...places },
  )
  cleanups.push(async () => (await server?.close())?.('stopped'))
  return { server, logged, drain }
}

const clientOf = async (stateDir: string) => {
  const client = await connectControl(stateDir)
  if (client === undefined) throw new Error('nobody listens')
  cleanups.push(() => client.close())
  return client
}

/** What a socket answers to bytes, until it is closed. */
function raw(path: string, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    let text = ''
    socket.on('data', (chunk) => (text += chunk.toString()))
    socket.on('close', () => resolve(text)).on('error', reject)
    socket.write(bytes)
  })
}

describe('the control socket', () => {
  it('answers many at once with what the agent says, hostile words and all, and is its owner alone', async () => {
    const stateDir = fresh()
    const { server } = await serverOf(stateDir)
    expect(statSync(server?.path as string).mode & 0o777).toBe(0o600)
    expect(statSync(join(stateDir, 'control')).mode & 0o777).toBe(0o700)
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => (await clientOf(stateDir)).ask({ command: 'status' })),
    )
    for (const answer of answers) expect(answer).toEqual({ status })
  })

  it('drains when it is told to, however often, and says how the agent ended', async () => {
    const stateDir = fresh()
    const { server, drain } = await serverOf(stateDir)
    const [first, second, looker] = [await clientOf(stateDir), await clientOf(stateDir), await clientOf(stateDir)]
    expect(await first.ask({ command: 'drain' })).toEqual({ draining: true, pid: process.pid })
    expect(await second.ask({ command: 'drain' })).toEqual({ draining: true, pid: process.pid })
    await looker.ask({ command: 'status' })
    expect(drain).toHaveBeenCalledTimes(2)
    const farewell = await server?.close()
    // Gone from its folder before the folder is free for another agent.
    expect(existsSync(server?.path as string)).toBe(false)
    expect(await connectControl(stateDir)).toBeUndefined()
    farewell?.('drained')
    expect(await first.next()).toEqual({ ended: 'drained' })
    expect(await second.next()).toEqual({ ended: 'drained' })
    expect(await second.next()).toBeUndefined()
  })

  it('takes no long question and no other words, and goes on', async () => {
    const stateDir = fresh()
    const { server, drain } = await serverOf(stateDir)
    const path = server?.path as string
    expect(await raw(path, 'x'.repeat(100_000))).toMatch(/at most 4096 bytes/)
    expect(await raw(path, `{"command":"reset"}\nnull\n\u0000\n${'x'.repeat(5000)}\n`)).toMatch(/at most/)
    const client = await clientOf(stateDir)
    await expect(client.ask({ command: 'format' } as never)).rejects.toMatchObject({
      code: 'protocol',
      message: expect.stringMatching(/"status" and "drain"/),
    })
    expect(await client.ask({ command: 'status' })).toEqual({ status })
    expect(drain).not.toHaveBeenCalled()
  })

  it('takes the place of one whose agent was killed', async () => {
    const stateDir = fresh()
    mkdirSync(join(stateDir, 'control'), { mode: 0o700 })
    writeFileSync(join(stateDir, 'control', 'socket'), 'left behind')
    writeFileSync(join(stateDir, 'control.json'), '{"socket":"/nowhere"}')
    expect(await connectControl(stateDir)).toBeUndefined()
    await serverOf(stateDir)
    expect(await (await clientOf(stateDir)).ask({ command: 'status' })).toEqual({ status })
  })

  it('is told from an agent that hangs up, and from one of another release', async () => {
    const stateDir = fresh()
    const path = join(stateDir, 'socket')
    let answer = ''
    const other = createServer((socket) => socket.end(answer))
    await new Promise<void>((resolve) => other.listen(path, resolve))
    cleanups.push(() => other.close())
    writeFileSync(join(stateDir, 'control.json'), JSON.stringify({ socket: 'socket' }))
    await expect((await clientOf(stateDir)).ask({ command: 'status' })).rejects.toMatchObject({ code: 'unavailable' })
    answer = '{"status":{"pid":1}}\n'
    await expect((await clientOf(stateDir)).ask({ command: 'status' })).rejects.toMatchObject({ code: 'protocol' })
    writeFileSync(join(stateDir, 'control.json'), 'half')
    expect(await connectControl(stateDir)).toBeUndefined()
  })
})

describe('the place of the control socket', () => {
  const long = 'x'.repeat(120)

  it('is a short one where the state folder has a long path, and is found from the state folder', async () => {
    const stateDir = fresh(join('deep', long))
    const runtimeDir = fresh('run')
    const { server } = await serverOf(stateDir, { runtimeDir })
    expect(server?.path).toMatch(new RegExp(`^${join(runtimeDir, 'bitfleet')}/[0-9a-f]{16}\\.sock$`))
    expect(lstatSync(join(runtimeDir, 'bitfleet')).mode & 0o777).toBe(0o700)
    expect(await readSocketPath(stateDir)).toBe(server?.path)
    expect(await (await clientOf(stateDir)).ask({ command: 'status' })).toEqual({ status })
    // By a link to the folder too, and not from a copy of it.
    symlinkSync(stateDir, join(root, 'link'))
    expect(await readSocketPath(join(root, 'link'))).toBe(server?.path)
    const copy = fresh()
    cpSync(join(stateDir, 'control.json'), join(copy, 'control.json'))
    expect(await connectControl(copy)).toBeUndefined()
    // Another agent of this user has another.
    const other = await serverOf(fresh(join('deep', `${long}2`)), { runtimeDir })
    expect(other.server?.path).not.toBe(server?.path)
  })

  it('is not a folder that others could have made or may open, nor a path that is too long', async () => {
    const stateDir = fresh(join('deeper', long))
    const user = process.getuid?.() ?? 0
    const open = fresh('open')
    mkdirSync(join(open, `bitfleet-${user}`))
    chmodSync(join(open, `bitfleet-${user}`), 0o777)
    const linked = fresh('linked')
    symlinkSync(root, join(linked, `bitfleet-${user}`))
    const good = fresh('good')
    const { server } = await serverOf(stateDir, { runtimeDir: join(root, long), temporary: [open, linked, good] })
    expect(server?.path.startsWith(join(good, `bitfleet-${user}`))).toBe(true)
    expect(socketPaths(stateDir, { runtimeDir: join(root, long), temporary: [] })).toEqual([])

    const none = await serverOf(stateDir, { temporary: [open, linked] })
    expect(none.server).toBeUndefined()
    expect(none.logged.join()).toMatch(/will not reach this agent.*open to other users.*not a folder/)
  })
})
