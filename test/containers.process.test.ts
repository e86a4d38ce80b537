import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createNetwork, type Host, hostTools, type Network, whyNoHosts } from './e2e/namespaces.ts'
import { needs } from './needs.ts'

// No image is built here. What can be checked without an engine: that what is copied is there, and that the steps work,
// made one after another on a host that has this machine's files where an image would have its base's.

const root = resolve(import.meta.dirname, '..')
const why = whyNoHosts()
const skipped = needs("the container files' steps", why === undefined, why ?? '', hostTools)

interface Instruction {
  readonly name: string
  readonly value: string
}

/** Instructions of a container file, by stage; comments left out and continued lines joined. */
function parseContainerfile(text: string): Instruction[][] {
  const lines = text
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join('\n')
    .replaceAll('\\\n', ' ')
    .split('\n')
  const stages: Instruction[][] = []
  for (const line of lines) {
    const [, name = '', value = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    if (name === '') throw new Error(`"${line}" is no instruction`)
    if (name === 'FROM') stages.push([])
    if (stages.length === 0) throw new Error(`"${line}" stands before the first FROM`)
    stages.at(-1)?.push({ name, value })
  }
  return stages
}

const files = ['coordinator', 'agent'] as const
const parsed = (file: string) =>
  parseContainerfile(readFileSync(join(root, 'deploy/containers', `${file}.Containerfile`), 'utf8'))

/** Steps that need a network, or change what is this repository's own. */
const skips = /^(npm ci|npm prune|apt-get update)\b/

describe.each(files)('%s.Containerfile', (file) => {
  const stages = parsed(file)
  const last = stages.at(-1) ?? []

  it('copies what the repository has', () => {
    const sources = stages
      .flat()
      .filter(({ name, value }) => name === 'COPY' && !value.startsWith('--from='))
      .flatMap(({ value }) => value.split(/\s+/).slice(0, -1))
    expect(sources.length).toBeGreaterThan(5)
    for (const source of sources) {
      const { stdout } = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', source], {
        cwd: root,
        encoding: 'utf8',
      })
      expect(stdout, `${source} is not in the repository`).not.toBe('')
    }
  })

  it('runs as a user without rights, on one base that holds a Node.js which is new enough', () => {
    const bases = stages.map(([from]) => from?.value.split(' ')[0])
    expect(new Set(bases)).toEqual(new Set(['docker.io/library/node:20-bookworm-slim']))
    const users = last.filter(({ name }) => name === 'USER').map(({ value }) => value)
    expect(users.at(-1)).toMatch(/^[1-9]\d+:[1-9]\d+$/)
    // Nothing is done as root after that.
    expect(last.findLastIndex(({ name }) => name === 'RUN')).toBeLessThan(
      last.findLastIndex(({ name }) => name === 'USER'),
    )
    for (const name of ['VOLUME', 'HEALTHCHECK', 'ENTRYPOINT']) expect(last.map((each) => each.name)).toContain(name)
  })
})

describe.skipIf(skipped)('on a host, the steps', () => {
  let network: Network
  beforeAll(async () => {
    network = await createNetwork()
  })
  afterAll(() => network?.close())

  async function build(file: (typeof files)[number]): Promise<Host> {
    const host = await network.addHost(file, { ownFiles: true })
    let folder = '/'
    for (const { name, value } of parsed(file).flat()) {
      if (name === 'FROM') folder = '/'
      if (name === 'WORKDIR') {
        folder = value
        mkdirSync(host.path(folder), { recursive: true })
      }
      if (name === 'COPY') {
        const words = value.split(/\s+/)
        const from = words[0]?.startsWith('--from=') ? words.shift() : undefined
        const target = resolve(folder, words.pop() ?? '')
        for (const source of words) {
          const path = from === undefined ? join(root, source) : host.path(source)
          const into = value.endsWith('./') ? join(target, source) : target
          // node_modules is what `npm ci` would have made; the link to it stays one.
          mkdirSync(dirname(host.path(into)), { recursive: true })
          if (from === undefined || source !== into)
            cpSync(path, host.path(into), { recursive: true, verbatimSymlinks: true })
        }
      }
      if (name === 'RUN' && value.startsWith('npm ci'))
        symlinkSync(join(root, 'node_modules'), host.path(join(folder, 'node_modules')))
      if (name === 'RUN' && !skips.test(value)) {
        const { code, stdout, stderr } = await host.run(['sh', '-c', `cd ${folder} && ${value}`])
        if (code !== 0) throw new Error(`${value}: ${stdout}${stderr}`)
      }
    }
    return host
  }

  const instruction = (file: string, name: string) =>
    parsed(file)
      .at(-1)
      ?.findLast((each) => each.name === name)?.value ?? ''
  const asUser = (file: string) => {
    const [user = '', group = ''] = instruction(file, 'USER').split(':')
    return [
      'setpriv',
      '--reuid',
      user,
      '--regid',
      group,
      '--clear-groups',
      'env',
      ...instruction(file, 'ENV').split(' '),
    ]
  }

  it('make a coordinator that runs, and is healthy while it does', async () => {
    const host = await build('coordinator')
    const entry = JSON.parse(instruction('coordinator', 'ENTRYPOINT')) as string[]
    const health = JSON.parse(instruction('coordinator', 'HEALTHCHECK').replace(/^.*CMD /, '')) as string[]
    expect((await host.run([...asUser('coordinator'), ...health])).code).toBe(1)
    const server = host.start([...asUser('coordinator'), ...entry])
    let said = ''
    server.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const deadline = performance.now() + 30_000
    while ((await host.run([...asUser('coordinator'), ...health])).code !== 0) {
      if (server.exitCode !== null || performance.now() > deadline) throw new Error(`not healthy: ${said}`)
    }
    // The volume holds all that it writes, and it is the user's.
    const { stdout } = await host.run(['find', '/var/lib/bitfleet-coordinator', '!', '-user', '7575'])
    expect(stdout).toBe('')
  }, 150_000)

  it('make an agent that has its runners', async () => {
    const host = await build('agent')
    const entry = JSON.parse(instruction('agent', 'ENTRYPOINT')) as string[]
    const { code, stdout, stderr } = await host.run([...asUser('agent'), ...entry, 'backends', '--json'])
    expect(code, stderr).toBe(0)
    const ready = (JSON.parse(stdout) as { id: string; status: string }[]).filter(({ status }) => status === 'ready')
    expect(ready.map(({ id }) => id)).toEqual(expect.arrayContaining(['js', 'tfjs-cpu', 'tfjs-wasm']))
  }, 150_000)
})
