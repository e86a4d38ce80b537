import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

// DESIGN: who may import whom. The layout is the architecture, so a test reads the imports.

const root = resolve(import.meta.dirname, '..')
const layers = ['shared', 'workloads', 'agent', 'coordinator'] as const
type Layer = (typeof layers)[number]

const mayImport: Record<Layer, readonly Layer[]> = {
  shared: [],
  workloads: ['shared'],
  agent: ['shared', 'workloads'],
  coordinator: ['shared', 'workloads'],
}

/** One home for each native or computing library; the folders that may import it by value. */
const homes: [RegExp, readonly string[]][] = [
  [/^koffi$/, ['agent/backends/', 'agent/inventory/', 'agent/runner/']],
  [/^@tensorflow\//, ['agent/backends/']],
  [/^(drizzle-orm|@electric-sql\/pglite)/, ['coordinator/store/']],
  [/^ws$/, ['shared/transports/']],
  [/^undici$/, ['coordinator/client/']],
  [/^(hono|@hono\/)/, ['coordinator/']],
  [/^systeminformation$/, ['agent/inventory/']],
  [/^(d3-scale|d3-scale-chromatic)$/, ['coordinator/report/']],
  [
    /^commander$/,
    ['shared/command-line.ts', 'agent/command-line.ts', 'agent/main.ts', 'coordinator/commands/completion.ts'],
  ],
  [/^yaml$/, ['coordinator/plan/']],
]

interface Import {
  readonly file: string
  readonly specifier: string
  readonly typeOnly: boolean
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !/\.(test|as)\.tsx?$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g
  return [...text.matchAll(pattern)].map((match) => ({
    file,
    specifier: match[2] ?? match[3] ?? '',
    typeOnly: match[1] !== undefined || isTypeQuery(text, match.index),
  }))
}

/** `typeof import('x')` names a type and loads nothing. */
function isTypeQuery(text: string, at: number): boolean {
  return /typeof\s+$/.test(text.slice(Math.max(0, at - 10), at))
}

const files = layers.flatMap(sources)
const imports = files.flatMap(importsOf)

function targetOf({ file, specifier }: Import): string {
  return relative(root, resolve(root, dirname(file), specifier))
}

describe('the layers', () => {
  it('are read at all', () => {
    expect(files.length).toBeGreaterThan(40)
    expect(imports.length).toBeGreaterThan(100)
  })

  it('import only downward', () => {
    const wrong = imports
      .filter(({ specifier }) => specifier.startsWith('.'))
      .filter((found) => {
        const from = found.file.split('/')[0] as Layer
        const to = targetOf(found).split('/')[0] as Layer
        return from !== to && !mayImport[from].includes(to)
      })
      .map((found) => `${found.file} imports ${targetOf(found)}`)
    expect(wrong).toEqual([])
  })

  it('let the coordinator see the catalogue of workloads and nothing else of them', () => {
    const wrong = imports
      .filter(({ file, specifier }) => file.startsWith('coordinator/') && specifier.startsWith('.'))
      .map((found) => ({ ...found, target: targetOf(found) }))
      .filter(
        ({ target, typeOnly }) => target.startsWith('workloads/') && target !== 'workloads/catalogue.ts' && !typeOnly,
      )
      .map(({ file, target }) => `${file} imports ${target}`)
    expect(wrong).toEqual([])
  })

  it('give each native or computing library one home', () => {
    const wrong = imports
      .filter(({ typeOnly, specifier }) => !typeOnly && !specifier.startsWith('.'))
      .filter(({ file, specifier }) => {
        const home = homes.find(([library]) => library.test(specifier))
        return home !== undefined && !home[1].some((folder) => file.startsWith(folder))
      })
      .map(({ file, specifier }) => `${file} imports ${specifier}`)
    expect(wrong).toEqual([])
  })

  it('read the environment in config.ts alone', () => {
    const wrong = files.filter(
      (file) => !file.endsWith('/config.ts') && /\bprocess\.env\b/.test(readFileSync(join(root, file), 'utf8')),
    )
    expect(wrong).toEqual([])
  })

  it('let the forms of a report only render findings, and compute no claim themselves', () => {
    const forms = files.filter((file) =>
      /^coordinator\/(?:report\/(?:text|markdown|csv|matrix|measured|kind-text|wording)\.ts$|report\/html\/|web\/(?:run|run-table|home|page|parts)\.tsx$)/.test(
        file,
      ),
    )
    expect(forms.length).toBeGreaterThan(20)
    const wrong = forms.flatMap((form) =>
      [...reachableFrom(form)]
        .filter((target) => /^coordinator\/(?:compare|explain|findings)\//.test(target))
        .map((target) => `${form} reaches ${target}`),
    )
    expect(wrong).toEqual([])
    const direct = imports
      .filter(({ file, typeOnly }) => file.startsWith('coordinator/web/') && !typeOnly)
      .map((found) => ({ ...found, target: targetOf(found) }))
      .filter(({ target }) => /^coordinator\/(?:compare|explain|findings)\//.test(target))
      .map(({ file, target }) => `${file} imports ${target}`)
    expect(direct).toEqual([])
  })

  it('keep the daemon free of backends and native modules', () => {
    const reached = reachableFrom('agent/daemon/daemon.ts')
    const wrong = [...reached].filter((target) => /^(koffi|@tensorflow\/|agent\/backends\/)/.test(target))
    expect(wrong).toEqual([])
  })
})

/** Files and packages that importing a file loads, by value and without asking. */
function reachableFrom(start: string): Set<string> {
  const reached = new Set<string>()
  const queue = [start]
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (reached.has(file)) continue
    reached.add(file)
    if (!/\.tsx?$/.test(file)) continue
    for (const found of importsOf(file)) {
      if (!found.typeOnly) queue.push(found.specifier.startsWith('.') ? targetOf(found) : found.specifier)
    }
  }
  return reached
}
