import type * as tfjs from '@tensorflow/tfjs-core'
import type { BackendDriver } from '../agent/backends/backend.ts'
import { backends } from '../agent/backends/index.ts'
import { installedDrivers } from '../agent/backends/installed/index.ts'
import { listChoices } from '../agent/provision/choose.ts'
import { providers } from '../agent/provision/providers/index.ts'
import { backendName } from '../shared/backend-description.ts'
import { pythonDescriptions } from './python-descriptions.ts'
import { workloads } from '../workloads/index.ts'
import { program } from '../workloads/program.ts'
import type { Workload } from '../workloads/workload.ts'

// docs/backends.md, made from the registries: what stands there is what the code says of itself.

/** A backend as the page shows it; all versions of an installed one are one. */
type Shown = Pick<BackendDriver, 'id' | 'title' | 'kernels' | 'knobs'> & { readonly versions: readonly string[] }

const python = { executable: '/usr/bin/python3', version: '3.11.7', tag: 'cp311' }
const arm64 = { executable: '/usr/bin/qemu-aarch64-static', prefix: '/usr/aarch64-linux-gnu' }
const choices = listChoices(providers, { platform: 'linux', arch: 'x64', glibc: '2.36', python, arm64 })

const shown: readonly Shown[] = [
  ...backends.map((driver) => ({ ...driver, versions: [] })),
  ...installedDrivers.map(({ id, driver }) => ({
    ...driver(`${id}@VERSION`, '/not-there'),
    versions: choices.filter(({ provider }) => provider.id === id).map((choice) => choice.id),
  })),
  ...Object.entries(pythonDescriptions).map(([id, description]) => ({
    ...{ ...description, id: `${id}@VERSION` },
    versions: choices.filter(({ provider }) => provider.id === id).map((choice) => choice.id),
  })),
]

/**
 * Whether a workload finds in a backend what it asks for, seen by letting it look. What it lacks it says in its result;
 * whatever it throws, it went on to compute, for which there is nothing here.
 */
export async function runsOn(
  workload: Workload,
  { id, kernels }: Pick<BackendDriver, 'id' | 'kernels'>,
): Promise<boolean> {
  const goOn = () => {
    throw new Error('there is nothing to compute with')
  }
  // A runner in another language has its own programs for the same trainings.
  if (kernels.includes('gradients') && ['train.mlp', 'train.cnn'].includes(workload.id)) return true
  try {
    const refused = await workload.run({
      ...{ params: { dtype: 'f32' }, seed: '0', backend: id, checkpoint: goOn, input: goOn },
      kernels: Object.fromEntries(kernels.filter((name) => name !== 'tfjs').map((name) => [name, goOn])),
      tf: kernels.includes('tfjs') ? (new Proxy({}, { get: goOn }) as typeof tfjs) : undefined,
    })
    return refused === undefined
  } catch {
    return true
  }
}

const elementary = workloads.filter(({ id }) => id.startsWith('elementary.'))

export async function backendsPage(): Promise<string> {
  // The workload `program` runs on the machine's own programs alone, which no list of Bitfleet's has.
  const rows = workloads.filter((workload) => !elementary.slice(1).includes(workload) && workload !== program)
  const runs = await Promise.all(rows.map((workload) => Promise.all(shown.map((driver) => runsOn(workload, driver)))))
  const added = shown.filter(({ versions }) => versions.length > 0)
  return `${[
    '# Backends',
    'What Bitfleet computes with, made from its own lists by `test/backends-page.test.ts`; that test fails while this page ' +
      'says something else, and `npx vitest run --project unit test/backends-page.test.ts -u` writes it anew. ' +
      'What of it runs on a machine, `bitfleet backends` says there.',
    '## What there is',
    table(
      ['backend', 'is', 'comes'],
      shown.map(({ id, title, versions }) => [
        `\`${id}\``,
        title,
        versions.length === 0 ? 'with Bitfleet, or found on the system' : 'by `bitfleet backends add`',
      ]),
    ),
    '## What can be added',
    'Each version has a folder and a runner of its own, so that any number of them stand side by side and the version ' +
      'is a factor like any other. `bitfleet backends add NAME@VERSION` fetches it through npm or pip as the machine ' +
      'has them configured, and `--from DIR` takes the same files from a folder; see [Add a backend](add-a-backend.md).',
    table(
      ['backend', 'is version', 'files'],
      choices.map(({ id, version: { version, packages } }) => [
        `\`${id}\``,
        version,
        packages.map(({ file }) => `\`${file}\``).join(', '),
      ]),
    ),
    'The files are those for Linux on x64, and of wheels of Python those for CPython 3.11. `js@…-arm64` is for another ' +
      'processor, which an emulator stands in for; see [Emulated processors](emulation.md).',
    '## Which workload runs on which backend',
    `A dash is _unsupported_: the library has no such computation, and none is put in its place. So may be a data type, and some of the elementary functions (${elementary.map(({ id }) => id.slice('elementary.'.length)).join(', ')}). ${added.map(({ id }) => `\`${id}\``).join(' and ')} stand for each version that can be added.`,
    'The workload `program` runs on none of these: [a program of your own](your-own-program.md) is a backend of its name, on the machines whose owners list it.',
    table(
      ['workload', ...shown.map(({ id }) => `\`${id}\``)],
      rows.map((workload, i) => [
        workload === elementary[0] ? '`elementary.…`' : `\`${workload.id}\``,
        ...(runs[i] as boolean[]).map((does) => (does ? 'yes' : '–')),
      ]),
    ),
    '## Knobs',
    'In a plan a knob is `BACKEND.KNOB`; what is said of a name, as in `onnxruntime.intraOpThreads`, is set in each of its versions. ' +
      '_Override_ chooses the code path of another processor.',
    table(
      ['knob', 'values', 'class', 'set by', 'is'],
      // A knob of a name is the same in each of its versions.
      shown
        .filter(({ id }) => !shown.some((other) => other.id === backendName(id) && other.id !== id))
        .flatMap(({ id, knobs }) =>
          knobs.map(({ name, values, source, apply, description, override }) => [
            `\`${backendName(id)}.${name}\``,
            values,
            source,
            apply.by === 'env' ? `\`${apply.variable}\`` : apply.by === 'call' ? 'a call' : "Node's arguments",
            `${description}${override ? ' _Override._' : ''}`,
          ]),
        ),
    ),
  ].join('\n\n')}\n`
}

/** Columns as wide as their widest cell, as the formatter has them. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => (row[column] as string).length)))
  const line = (row: readonly string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i] as number)).join(' | ')} |`
  const [first, ...others] = cells.map(line)
  return [first, line(widths.map((width) => '-'.repeat(width))), ...others].join('\n')
}
