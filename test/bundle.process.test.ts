import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { importBundles, joinBundles } from '../coordinator/bundle/import.ts'
import { checkFiles, openStore } from '../coordinator/store/index.ts'
import { openBundle, openBundles, signManifest, verifyBundle } from '../shared/bundle.ts'
import { canonicalJson } from '../shared/canonical-json.ts'
import { digestOf } from '../shared/digest.ts'
import { isSignedBy } from '../shared/envelope.ts'
import { openFileSource, readZip, writeZip } from '../shared/zip.ts'
import { beginBundle, makeBundle, temporaryFolder } from './bundles.ts'
import { fakeKey } from './fake-agent.ts'
import { brokenRules } from './run-crate.ts'
import { agentRecord } from './scheduler-harness.ts'

const { dir, remove } = temporaryFolder()
afterAll(remove)
let files = 0
const fresh = () => join(dir, `${files++}.bundle`)

async function unpack(path: string): Promise<Map<string, Buffer>> {
  const source = await openFileSource(path)
  const zip = await readZip(source)
  const entries = new Map<string, Buffer>()
  for (const name of zip.names) entries.set(name, await zip.read(name, 1 << 20))
  return entries
}

/** Packs a bundle again with changes; `honestly` also lists the changes in the manifest, and signs that. */
async function tamper(
  path: string,
  change: (entries: Map<string, Buffer>) => void,
  honestly: boolean,
  key = fakeKey('a'),
): Promise<string> {
  const entries = await unpack(path)
  change(entries)
  if (honestly) {
    const listed = [...entries].filter(([name]) => name !== 'manifest.json' && name !== 'signature.json')
    const digests = Object.fromEntries(listed.map(([name, bytes]) => [name, digestOf(bytes)]))
    const manifest = Buffer.from(canonicalJson({ schema: 'bitfleet/bundle@1', files: digests }))
    entries.set('manifest.json', manifest)
    entries.set('signature.json', Buffer.from(canonicalJson(signManifest(manifest, key))))
  }
  const out = fresh()
  await writeZip(
    out,
    [...entries].map(([name, bytes]) => ({ name, content: async () => bytes })),
  )
  return out
}

const find = (entries: Map<string, Buffer>, start: string) =>
  [...entries.keys()].find((name) => name.startsWith(start)) as string

describe('a bundle', () => {
  it('holds what was put into it, and nothing is left beside it', async () => {
    const path = await makeBundle(fresh())
    expect(await verifyBundle(path)).toEqual([])
    expect(existsSync(`${path}.partial`)).toBe(false)
    const bundle = await openBundle(path)
    expect(bundle.cells).toHaveLength(2)
    expect(bundle.executions).toHaveLength(4)
    expect(bundle.tensors).toHaveLength(2)
    for (const digest of bundle.tensors) expect(digestOf((await bundle.tensor(digest)) as Uint8Array)).toBe(digest)
    expect(await bundle.tensor(digestOf('something else'))).toBeUndefined()
  })

  it('is a Workflow Run Crate', async () => {
    const entries = await unpack(await makeBundle(fresh()))
    const others = [...entries.keys()].filter(
      (name) => !['ro-crate-metadata.json', 'manifest.json', 'signature.json'].includes(name),
    )
    const metadata = (entries.get('ro-crate-metadata.json') as Buffer).toString()
    expect(brokenRules(metadata, others)).toEqual([])
    expect(brokenRules(metadata.replaceAll('CreateAction', 'Action'), others)).not.toEqual([])
    expect(brokenRules(metadata, [...others, 'x'])).not.toEqual([])
    expect(brokenRules(metadata.replace('"license"', '"licence"'), others)).toEqual(['the root has license'])
  })

  it('carries the signature of its machine over its manifest', async () => {
    const { signature, manifest, agent, id } = await openBundle(await makeBundle(fresh()))
    expect(signature).toMatchObject({ agent: agent.id, key: fakeKey('a').publicKey })
    expect(digestOf(manifest)).toBe(id)
    const payload: unknown = JSON.parse(Buffer.from(manifest).toString())
    expect(isSignedBy(signature.key, 'bitfleet/bundle@1', payload, signature.signature)).toBe(true)
  })

  it.each<[string, (path: string) => Promise<string>, RegExp]>([
    ['no signature', (path) => tamper(path, (e) => e.delete('signature.json'), false), /it is not signed/],
    [
      'another machine’s signature',
      (path) => tamper(path, () => {}, true, fakeKey('b')),
      /is of agent .*, the bundle of/,
    ],
    [
      'a signature of another manifest',
      async (path) => {
        const other = await unpack(await makeBundle(fresh(), agentRecord('a'), 5))
        return tamper(path, (e) => e.set('signature.json', other.get('signature.json') as Buffer), false)
      },
      /not of this manifest/,
    ],
    [
      'a key that is not its agent’s',
      (path) =>
        tamper(
          path,
          (e) => {
            const signed = JSON.parse((e.get('signature.json') as Buffer).toString()) as object
            e.set('signature.json', Buffer.from(canonicalJson({ ...signed, key: fakeKey('b').publicKey })))
          },
          false,
        ),
      /is not agent .*'s/,
    ],
  ])('is refused with %s', async (_, change, message) => {
    const bad = await change(await makeBundle(fresh()))
    expect(await verifyBundle(bad)).toHaveLength(1)
    await expect(openBundle(bad)).rejects.toMatchObject({ code: 'refused', message: expect.stringMatching(message) })
  })

  it('goes on where it was, and has the same bytes however often it was interrupted', async () => {
    const [one, other] = [fresh(), fresh()]
    const begun = await beginBundle(`${one}.partial`)
    const [first, second] = begun.cells
    if (!first || !second) throw new Error('two cells')
    await begun.record(first, 0)
    const again = await beginBundle(`${one}.partial`)
    expect(again.bundle.has(first.id, 0)).toBe(true)
    expect(again.bundle.has(first.id, 1)).toBe(false)
    for (const [cell, i] of [
      [first, 1],
      [second, 0],
      [second, 1],
    ] as const)
      await again.record(cell, i)
    await again.bundle.close(one, fakeKey('a'))

    // The same folder, filled in another order by another process, and told the same times.
    const copy = await beginBundle(`${other}.partial`)
    for (const cell of [second, first]) for (const i of [1, 0]) await copy.record(cell, i)
    writeFileSync(join(`${other}.partial`, 'run.json'), (await unpack(one)).get('run.json') as Buffer)
    await copy.bundle.close(other, fakeKey('a'))
    expect(readFileSync(other)).toEqual(readFileSync(one))
  })

  it('is not gone on with by another machine, a changed one, or for another plan', async () => {
    const folder = `${fresh()}.partial`
    await beginBundle(folder)
    const agent = agentRecord('a')
    await expect(beginBundle(folder, agentRecord('b'))).rejects.toThrow(/of agent a/)
    await expect(beginBundle(folder, { ...agent, facts: { ...agent.facts, kernel: '9' } })).rejects.toThrow(
      /machine has changed since: kernel was 6.1.0 and is 9/,
    )
    const upgraded = agent.backends.map((backend) => ({ ...backend, version: '2' }))
    await expect(beginBundle(folder, { ...agent, backends: upgraded })).rejects.toThrow(/backends are not the same/)
    await expect(
      beginBundle(
        folder,
        agent,
        'name: x\nworkloads: [{ reduce.sum: { dtype: f32, n: 4 } }]\nfactors: { backend: [js] }\n',
      ),
    ).rejects.toThrow(/another plan/)
    await expect(beginBundle(folder, { ...agent, attributes: { hostname: 'renamed' } })).resolves.toBeDefined()
  })

  it('that is not whole is neither made nor taken', async () => {
    const path = fresh()
    const { bundle, cells, record } = await beginBundle(`${path}.partial`)
    if (cells[0]) await record(cells[0], 0)
    await expect(bundle.close(path, fakeKey('a'))).rejects.toThrow(
      /makes no bundle: 4 executions are planned, 1 are there/,
    )
    expect(existsSync(path)).toBe(false)
    expect(bundle.has(cells[0]?.id ?? '', 0)).toBe(true)
    const partial = await tamper(
      await makeBundle(fresh()),
      (entries) => entries.delete(find(entries, 'executions/')),
      true,
    )
    await expect(openBundle(partial)).rejects.toThrow(/4 executions are planned, 3 are there/)
  })
})

describe('a bundle that was tampered with', () => {
  it.each<[string, (entries: Map<string, Buffer>) => void, RegExp]>([
    ['a tensor', (e) => e.set(find(e, 'artifacts/'), Buffer.from('xxxx')), /holds bytes of|the manifest says/],
    ['a trace', (e) => e.set(find(e, 'traces/'), Buffer.from('')), /holds the trace|the manifest says/],
    ['a trace that is gone', (e) => e.delete(find(e, 'traces/')), /its trace is not there|has no traces/],
    ['an execution that is gone', (e) => e.delete(find(e, 'executions/')), /executions are planned|has no executions/],
    ['an execution', (e) => e.set(find(e, 'executions/'), Buffer.from('{"a":1}')), /Invalid|the manifest says/],
    ['the plan', (e) => e.set('plan.yaml', Buffer.from('name: other')), /not the plan|the manifest says/],
    [
      'the agent',
      (e) => e.set('agent.json', Buffer.from(canonicalJson(agentRecord('b')))),
      /what its id says|the manifest says/,
    ],
    ['a file of its own', (e) => e.set('x.sh', Buffer.from('x')), /no file that a bundle has|not in the manifest/],
    ['no metadata', (e) => e.delete('ro-crate-metadata.json'), /has no ro-crate/],
  ])('in %s is refused, whether the manifest agrees or not', async (_, change, message) => {
    const path = await makeBundle(fresh())
    for (const honestly of [true, false]) {
      const bad = await tamper(path, change, honestly)
      expect(await verifyBundle(bad)).not.toEqual([])
      await expect(openBundle(bad)).rejects.toThrow(message)
    }
  })

  it('has every damaged file named', async () => {
    const bad = await tamper(
      await makeBundle(fresh()),
      (entries) => {
        for (const name of ['plan.yaml', 'agent.json']) entries.set(name, Buffer.from('x'))
      },
      false,
    )
    expect((await verifyBundle(bad)).map(({ file, code }) => [file, code])).toEqual([
      ['agent.json', 'digest-mismatch'],
      ['plan.yaml', 'digest-mismatch'],
    ])
  })
})

describe('an import', { timeout: 60_000 }, () => {
  const context = { software: 'test', find: () => undefined }

  it('of a machine that is revoked here is refused', async () => {
    const [bundle] = await openBundles([await makeBundle(fresh())])
    if (!bundle) throw new Error('one bundle')
    const { id, name } = bundle.agent
    const find = () => ({
      ...{ id, name, key: '', labels: {}, enrolledAt: '', sequence: 0, mark: '', inventories: new Set<string>() },
      ...{ standing: 'revoked', reason: 'sold' },
    })
    const store = await openStore(join(dir, 'revoked'))
    const taking = importBundles(store, [bundle], { ...context, find: find as never })
    await expect(taking).rejects.toMatchObject({ code: 'refused', message: expect.stringMatching(/revoked: sold/) })
    expect(await store.listRuns()).toEqual([])
    await store.close()
  })

  it('makes one run of several bundles, the same whatever their order and however often', async () => {
    const paths = [await makeBundle(fresh(), agentRecord('b'), 5), await makeBundle(fresh(), agentRecord('a'))]
    const store = await openStore(join(dir, 'store'))
    try {
      const take = (some: readonly string[]) =>
        openBundles(some).then((bundles) => importBundles(store, bundles, context))
      const [first] = await take(paths)
      const before = await snapshot(store, first?.run ?? '')
      const objects = readdirSync(join(dir, 'store'), { recursive: true }).filter((name) =>
        /^(objects|records)/.test(String(name)),
      )
      const [again] = await take([...paths].reverse())
      const [doubled] = await take([...paths, ...paths])
      expect(first).toMatchObject({ agents: ['a', 'b'], executions: 8, imported: true })
      expect(again).toEqual({ ...first, imported: false })
      expect(doubled).toEqual(again)
      expect(await snapshot(store, first?.run ?? '')).toEqual(before)
      const after = readdirSync(join(dir, 'store'), { recursive: true }).filter((name) =>
        /^(objects|records)/.test(String(name)),
      )
      expect(new Set(after)).toEqual(new Set(objects))

      const report = await store.loadReport(first?.run ?? '')
      expect(report?.comparisons[0]).toMatchObject({ verdict: 'divergent', classes: [{}, {}] })
      expect(report?.comparisons[0]?.divergences).toHaveLength(1)
      expect(await store.listRuns()).toHaveLength(1)
      // Who signed it stays with the run, and is checked with the rest.
      expect((await checkFiles(join(dir, 'store'))).problems).toEqual([])
    } finally {
      await store.close()
    }
  })

  it('finishes what an earlier one was interrupted in', async () => {
    const path = await makeBundle(fresh())
    const store = await openStore(join(dir, 'interrupted'))
    try {
      const bundles = await openBundles([path])
      const [joined] = await joinBundles(bundles)
      if (!joined) throw new Error('one run')
      const { run, cells, executions } = joined.data
      await store.createRun({ ...run, state: 'running' }, cells)
      const [record] = executions
      if (record)
        await store.recordExecution(run.id, record, await joined.artifacts.trace(record.execution.trace ?? ''))
      // As the next start of a coordinator marks it.
      await store.setRunState(run.id, 'failed', { endedAt: run.createdAt, failure: 'ended' })
      const [done] = await importBundles(store, bundles, context)
      expect(done).toMatchObject({ run: run.id, imported: true })
      expect((await store.loadRun(run.id)).executions).toEqual(executions)
      expect((await store.loadPlan(run.id)).run.state).toBe('done')
    } finally {
      await store.close()
    }
  })

  it('refuses two bundles of one agent as one run', async () => {
    const paths = [await makeBundle(fresh()), await makeBundle(fresh(), agentRecord('a'), 5)]
    await expect(openBundles(paths).then(joinBundles)).rejects.toThrow(/both of agent a .*import them apart/)
  })

  it('refuses two bundles whose arrays have equal bytes and another shape, as a cell could mean either', async () => {
    const bundles = await openBundles([await makeBundle(fresh()), await makeBundle(fresh(), agentRecord('b'))])
    const array = { digest: digestOf('bytes'), dtype: 'f32' } as const
    const withArray = (shapes: number[][]) =>
      bundles.map((bundle, i) => ({
        ...bundle,
        run: { ...bundle.run, inputs: [{ ...array, shape: shapes[i] as number[] }] },
        cells: bundle.cells.map((cell) => ({ ...cell, params: { input: { file: 'u.npy', digest: array.digest } } })),
        executions: [],
      }))
    const wide = [2, 8]
    const square = [4, 4]
    const [joined] = await joinBundles(withArray([square, square]))
    expect(joined?.data.run.inputs).toEqual([{ ...array, shape: square }])
    await expect(joinBundles(withArray([wide, square]))).rejects.toThrow(
      /an array with the bytes of another bundle's, and with another dtype or shape; import them apart/,
    )
  })

  it('records a lie as a failure, as it does for a live agent', async () => {
    const path = await makeBundle(fresh())
    const lying = await tamper(
      path,
      (entries) => {
        const name = find(entries, 'executions/')
        const text = (entries.get(name) as Buffer).toString()
        entries.set(name, Buffer.from(text.replace('"outputs":[{"', '"outputs":[{"bits":["00000000"],"')))
      },
      true,
    )
    const [joined] = await joinBundles(await openBundles([lying]))
    const outcomes = joined?.data.executions.map(({ execution }) => execution.outcome.status).sort()
    expect(outcomes).toEqual(['completed', 'completed', 'completed', 'failed'])
  })
})

async function snapshot(store: Awaited<ReturnType<typeof openStore>>, run: string) {
  return { data: await store.loadRun(run), report: await store.loadReport(run), runs: await store.listRuns() }
}
