import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { expect } from 'vitest'
import { readInstalled } from '../agent/provision/installed.ts'
import type { Package } from '../agent/provision/provider.ts'

// Adding backends in processes of their own, as a person does, and registries that fail.

const dist = resolve(import.meta.dirname, '../dist')

export interface AddedEnd {
  readonly code: number | string | null
  readonly stdout: string
  /** The line that says what is wrong, without those of the progress before it. */
  readonly error: string
  readonly stderr: string
}

export interface Adding {
  readonly pid: number
  /** Resolves once it has said that. */
  said(text: string): Promise<void>
  readonly ended: Promise<AddedEnd>
  kill(): void
}

function startProcess(argv: readonly string[], environment: Readonly<Record<string, string | undefined>>): Adding {
  const child = spawn(process.execPath, argv, { env: { ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), 50_000)
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (piece: Buffer) => (stdout += piece.toString()))
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()))
  const ended = (once(child, 'close') as Promise<[number | null, string | null]>).then(([code, signal]) => {
    clearTimeout(timer)
    const error = stderr.replace(/^(?:\d+ of \d+: .*\n)*/, '')
    return { code: code ?? signal, stdout, error, stderr }
  })
  return {
    pid: child.pid as number,
    ended,
    kill: () => void child.kill('SIGKILL'),
    async said(text) {
      while (!stderr.includes(text)) {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended before it said: ${stderr}`)
        await once(child.stderr, 'data')
      }
    },
  }
}

/** `bitfleet backends add`, the whole program. */
export function addByCommand(argv: readonly string[], environment: Readonly<Record<string, string | undefined>>) {
  return startProcess([join(dist, 'main.js'), 'backends', 'add', ...argv], environment).ended
}

/** What `test/fixtures/provision/add.mjs` takes. */
export interface SmallBackend {
  readonly root: string
  readonly packages: readonly Package[]
  readonly from?: string
  readonly pauseAt?: string
  readonly fill?: string
}

/** The same of a small library that is no real one: `js@1`, or `js@2` of its first package alone. */
export function addSmall(
  id: string,
  options: SmallBackend,
  environment: Readonly<Record<string, string | undefined>> = { PATH: process.env.PATH, HOME: options.root },
): Adding {
  const file = resolve(import.meta.dirname, 'fixtures/provision/add.mjs')
  return startProcess([file, dist, id, JSON.stringify(options)], environment)
}

/** A file of a registry, pinned by its bytes. */
export function pin(client: 'npm' | 'pip', name: string, file: string, bytes: Uint8Array): Package {
  const hash = createHash(client === 'npm' ? 'sha512' : 'sha256').update(bytes)
  const integrity = client === 'npm' ? `sha512-${hash.digest('base64')}` : `sha256:${hash.digest('hex')}`
  return { client, name, version: '1.0.0', file, integrity }
}

/** That what stands in a folder of backends is these, whole, and that nothing is half made beside them. */
export function expectOnly(root: string, ids: readonly string[] = []): void {
  expect(readInstalled([root]).map(({ id, status }) => [id, status])).toEqual(ids.map((id) => [id, 'installed']))
  const names = (folder: string) => {
    try {
      return readdirSync(folder)
    } catch {
      return []
    }
  }
  expect(names(root).filter((name) => !name.startsWith('.'))).toEqual(ids)
  for (const id of names(join(root, '.work'))) {
    expect(names(join(root, '.work', id)).filter((name) => !/^lock\.\d+$/.test(name))).toEqual([])
  }
}

export interface SmallRegistry {
  readonly url: string
  /** Paths that were asked for, in order. */
  readonly asked: string[]
  /** Of the files asked for by this name from now on: what is sent of them. */
  send(file: string, how: 'whole' | 'cut' | 'short' | Uint8Array): void
  close(): Promise<void>
}

/** A registry on this machine's loopback, of npm and of PyPI at once: `/npm/NAME` and `/pip/NAME/`. */
export async function openRegistry(files: Readonly<Record<string, Uint8Array>>): Promise<SmallRegistry> {
  const asked: string[] = []
  const sending = new Map<string, 'whole' | 'cut' | 'short' | Uint8Array>()
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    asked.push(path)
    const [, kind, name = ''] = path.split('/')
    const file = Object.keys(files).find((one) => one === name || one.startsWith(`${name}-`))
    const stored = file === undefined ? undefined : files[file]
    if (file === undefined || stored === undefined) return void response.writeHead(404).end('{}')
    const how = sending.get(file) ?? 'whole'
    const bytes = how instanceof Uint8Array ? how : stored
    const half = bytes.subarray(0, bytes.byteLength >> 1)
    if (name === file) {
      if (how === 'cut') {
        response.writeHead(200, { 'content-length': bytes.byteLength })
        // The connection goes once the half of it has gone out.
        response.write(half, () => setImmediate(() => response.destroy()))
      } else response.end(how === 'short' ? half : bytes)
    } else if (kind === 'npm') {
      const tarball = `${base()}/npm/${file}`
      const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
      const versions = { '1.0.0': { name, version: '1.0.0', dist: { tarball, integrity } } }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ name, 'dist-tags': { latest: '1.0.0' }, versions }))
    } else {
      response.setHeader('content-type', 'text/html')
      response.end(`<a href="/pip/${file}">${file}</a>`)
    }
  })
  const base = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await new Promise<void>((started) => server.listen(0, '127.0.0.1', started))
  return {
    url: base(),
    asked,
    send: (file, how) => void sending.set(file, how),
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}
