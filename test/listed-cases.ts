import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type ListedPrograms, listPrograms } from './listed-programs.ts'
import { needs } from './needs.ts'
import { python } from './python.ts'

// The programs of test/fixtures/cases, listed as an agent's owner would list them.

const cases = resolve(import.meta.dirname, 'fixtures/cases')
const helper = resolve(import.meta.dirname, '../python')

/** Each with its file, and the knobs that `programs add --knob` would take. */
export const casePrograms = {
  fallback: { file: 'no-effect/fallback.py', knobs: ['core=CORE:Zen,NEOVERSEN1'] },
  order: { file: 'no-effect/order.py', knobs: ['parts=PARTS:1,4'] },
  row: { file: 'inputs-differ/plain.py', knobs: ['batch=ROW_BATCH:1,2,8', 'dtype=ROW_DTYPE:f32,bf16'] },
  loader: { file: 'dataloader/plain.py', knobs: ['workers=WORKERS:0,2', 'seeded=SEEDED:yes,no'] },
  aug: { file: 'dataloader/aug.py', knobs: ['workers=WORKERS:0,2', 'seeded=SEEDED:yes,no'] },
  nan: { file: 'nan/nan.py', knobs: ['k=NANK:0,1,2'] },
  mach: { file: 'machines/mach.py', knobs: ['dummy=DUMMY:1,2,3,4,5,6,7,8'] },
  coin: { file: 'coin/coin.py', knobs: ['mode=COIN_MODE:clock,p50,p10,p02,five,steady', 'dummy=COIN_DUMMY:1,2'] },
  'subnormal@plain': { file: 'flush/subnormal.py', knobs: [] },
  'subnormal@fast': { file: 'flush/subnormal.py', knobs: [] },
} as const
export type Case = keyof typeof casePrograms

/**
 * Lists some of the cases.
 *
 * @param interpreter a Python, by its absolute path or a name on the PATH
 */
export async function listCases(names: readonly Case[], interpreter = python): Promise<ListedPrograms> {
  const executable = execFileSync(interpreter, ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim()
  const libraries = realpathSync(mkdtempSync(join(tmpdir(), 'bitfleet-cases-')))
  const commandOf = (name: Case) => {
    // The folder of the trace helper goes first among the modules: no plan and no list may set PYTHONPATH by a knob.
    const start = `import sys, runpy; sys.path.insert(0, ${JSON.stringify(helper)}); del sys.argv[0]; runpy.run_path(sys.argv[0], run_name="__main__")`
    const script = join(cases, casePrograms[name].file)
    const command = name === 'aug' ? [executable, '-B', '-c', start, script] : [executable, '-B', script]
    return name.startsWith('subnormal') ? [...command, buildHelper(libraries, name === 'subnormal@fast')] : command
  }
  const listed = await listPrograms(
    Object.fromEntries(names.map((name) => [name, ''])),
    Object.fromEntries(names.map((name) => [name, () => commandOf(name)])),
    Object.fromEntries(names.map((name) => [name, casePrograms[name].knobs])),
  )
  const remove = () => {
    listed.remove()
    rmSync(libraries, { recursive: true })
  }
  return { ...listed, remove }
}

/** True to skip, said loudly. */
export function withoutCompiler(name: string): boolean {
  return needs(name, spawnSync('cc', ['--version']).status === 0, 'there is no cc', 'apt-get install gcc')
}

/** Builds the library of case `flush`, with or without `-ffast-math`. */
export function buildHelper(folder: string, fast: boolean): string {
  const library = join(folder, fast ? 'fast.so' : 'plain.so')
  // From version 13 on, GCC links this file into programs only; any library may have it all the same.
  const object = execFileSync('cc', ['-print-file-name=crtfastmath.o'], { encoding: 'utf8' }).trim()
  const flags = fast ? ['-ffast-math', object] : []
  execFileSync('cc', ['-shared', '-fPIC', '-o', library, join(cases, 'flush/helper.c'), ...flags])
  return library
}
