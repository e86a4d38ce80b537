import { digestOf } from './digest.ts'
import type { AgentRecord } from './messages.ts'

export const crateFile = 'ro-crate-metadata.json'

/** The profiles a bundle keeps to, each with the name its entity gets. */
export const crateProfiles = [
  ['https://w3id.org/ro/wfrun/process/0.5', 'Process Run Crate', '0.5'],
  ['https://w3id.org/ro/wfrun/workflow/0.5', 'Workflow Run Crate', '0.5'],
  ['https://w3id.org/workflowhub/workflow-ro-crate/1.0', 'Workflow RO-Crate', '1.0'],
] as const

/** RO-Crate 1.1 has no word for a digest; the community of workflow runs has. */
const context = ['https://w3id.org/ro/crate/1.1/context', { sha256: 'https://w3id.org/ro/terms/workflow-run#sha256' }]

const bioschemasWorkflow = 'https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE'

export interface CrateFile {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
}

export interface RunCrate {
  readonly name: string
  readonly planFile: string
  /** User's own arrays, by their file names in the crate. */
  readonly inputFiles: readonly string[]
  readonly startedAt: string
  readonly endedAt: string
  readonly agent: AgentRecord
  /** All files but the metadata itself, sorted. */
  readonly files: readonly CrateFile[]
}

/**
 * The metadata of a bundle as Workflow Run RO-Crate: the plan is the workflow, its run on one machine the action, the
 * other files the result.
 *
 * @see RO-Crate 1.1; Workflow Run Crate 0.5 (https://w3id.org/ro/wfrun/workflow/0.5)
 */
export function formatRunCrate(crate: RunCrate): string {
  const { name, planFile, inputFiles, agent, files } = crate
  // The profile asks for whole seconds; run.json has the milliseconds.
  const [startedAt, endedAt] = [crate.startedAt, crate.endedAt].map((time) => time.replace(/\.\d+Z$/, 'Z'))
  const reference = (id: string) => ({ '@id': id })
  const isInput = new Set([planFile, ...inputFiles])
  const graph = [
    {
      '@id': crateFile,
      '@type': 'CreativeWork',
      about: reference('./'),
      conformsTo: [
        reference('https://w3id.org/ro/crate/1.1'),
        reference('https://w3id.org/workflowhub/workflow-ro-crate/1.0'),
      ],
    },
    {
      '@id': './',
      '@type': 'Dataset',
      name: `Bitfleet plan "${name}" on ${agent.name}`,
      description: 'A plan, the machine it ran on, and the bits that it computed there.',
      datePublished: endedAt,
      license: reference('#license'),
      conformsTo: crateProfiles.map(([id]) => reference(id)),
      mainEntity: reference(planFile),
      hasPart: files.map((file) => reference(file.name)),
      mentions: reference('#run'),
    },
    ...crateProfiles.map(([id, title, version]) => ({ '@id': id, '@type': 'CreativeWork', name: title, version })),
    {
      '@id': '#license',
      '@type': 'CreativeWork',
      name: 'No licence is stated',
      description: 'Whoever ran the plan has the rights in its results; ask them before you pass them on.',
    },
    ...files.map((file) => ({
      '@id': file.name,
      '@type': file.name === planFile ? ['File', 'SoftwareSourceCode', 'ComputationalWorkflow'] : 'File',
      name: file.name === planFile ? name : file.name,
      encodingFormat: encodingOf(file.name),
      contentSize: String(file.bytes),
      sha256: file.sha256,
      ...(file.name === planFile
        ? { programmingLanguage: reference('#plan-language'), conformsTo: reference(bioschemasWorkflow) }
        : {}),
    })),
    { '@id': '#plan-language', '@type': 'ComputerLanguage', name: 'Bitfleet plan (YAML)', alternateName: 'bitfleet' },
    { '@id': '#software', '@type': 'SoftwareApplication', name: agent.software, softwareVersion: versionOf(agent) },
    {
      '@id': '#machine',
      '@type': 'Thing',
      name: agent.name,
      identifier: agent.id,
      description: 'The machine that computed; agent.json holds its inventory.',
    },
    {
      '@id': '#engine',
      '@type': 'OrganizeAction',
      name: `Bitfleet runs ${name}`,
      instrument: reference('#software'),
      object: reference('#run'),
      startTime: startedAt,
      endTime: endedAt,
    },
    {
      '@id': '#run',
      '@type': 'CreateAction',
      name: `${name} on ${agent.name}`,
      description: `Every cell of the plan on this machine, each repetition in a process of its own.`,
      instrument: reference(planFile),
      startTime: startedAt,
      endTime: endedAt,
      actionStatus: reference('http://schema.org/CompletedActionStatus'),
      object: [...inputFiles].sort().map(reference),
      result: files.filter((file) => !isInput.has(file.name)).map((file) => reference(file.name)),
      location: reference('#machine'),
    },
  ]
  return `${JSON.stringify({ '@context': context, '@graph': graph }, null, 1)}\n`
}

export function describeFile(name: string, bytes: Uint8Array): CrateFile {
  return { name, bytes: bytes.byteLength, sha256: digestOf(bytes).slice('sha256:'.length) }
}

function encodingOf(name: string): string {
  if (name.endsWith('.json')) return 'application/json'
  if (name.endsWith('.jsonl')) return 'application/jsonl'
  if (name.endsWith('.yaml')) return 'application/yaml'
  return 'application/octet-stream'
}

function versionOf({ software }: AgentRecord): string {
  return software.split(' ').at(-1) ?? software
}
