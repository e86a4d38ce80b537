import { crateProfiles } from '../shared/run-crate.ts'

type Entity = Readonly<Record<string, unknown>> & { readonly '@id': string; readonly '@type': string | string[] }

/**
 * What a crate breaks of the rules that must be kept: RO-Crate 1.1 on its metadata file, Workflow RO-Crate 1.0, Process
 * and Workflow Run Crate 0.5. Written from the specifications, not from what writes them.
 *
 * @param files names of all files of the crate but its metadata
 */
export function brokenRules(metadata: string, files: readonly string[]): string[] {
  const broken: string[] = []
  const must = (rule: string, holds: boolean) => {
    if (!holds) broken.push(rule)
  }
  const { '@context': context, '@graph': graph } = JSON.parse(metadata) as { '@context': unknown; '@graph': Entity[] }
  const byId = new Map(graph.map((entity) => [entity['@id'], entity]))
  const types = (entity: Entity | undefined) => [entity?.['@type'] ?? []].flat()
  const references = (value: unknown): string[] =>
    [value ?? []].flat().map((item) => (item as { '@id'?: string })['@id'] ?? '')
  const refersTo = (entity: Entity | undefined, property: string) => references(entity?.[property])

  must('the context is that of RO-Crate 1.1', [context].flat().includes('https://w3id.org/ro/crate/1.1/context'))
  must('every entity has its own @id', byId.size === graph.length && !byId.has(''))
  must(
    'every entity has a type',
    graph.every((entity) => types(entity).length > 0),
  )

  const descriptor = byId.get('ro-crate-metadata.json')
  must('the descriptor is a CreativeWork', types(descriptor).includes('CreativeWork'))
  must('the descriptor is about the root', refersTo(descriptor, 'about').includes('./'))
  must(
    'the descriptor conforms to RO-Crate and Workflow RO-Crate',
    ['https://w3id.org/ro/crate/1.1', 'https://w3id.org/workflowhub/workflow-ro-crate/1.0'].every((id) =>
      refersTo(descriptor, 'conformsTo').includes(id),
    ),
  )

  const root = byId.get('./')
  must('the root is a Dataset', types(root).includes('Dataset'))
  for (const property of ['name', 'description', 'license'])
    must(`the root has ${property}`, root?.[property] !== undefined)
  must('the root has an ISO 8601 date', /^\d{4}-\d{2}-\d{2}(T[\d:.]+Z)?$/.test(String(root?.datePublished)))
  for (const [profile] of crateProfiles) {
    must(`the root conforms to ${profile}`, refersTo(root, 'conformsTo').includes(profile))
    must(`${profile} is a CreativeWork`, types(byId.get(profile)).includes('CreativeWork'))
  }
  must('the root has each file as part', equalSets(refersTo(root, 'hasPart'), files))
  must(
    'each file is a File',
    files.every((file) => types(byId.get(file)).includes('File')),
  )

  const [main = ''] = refersTo(root, 'mainEntity')
  const workflow = byId.get(main)
  must('the main entity is a file of the crate', files.includes(main))
  must(
    'the main entity is a workflow in source form',
    ['File', 'SoftwareSourceCode', 'ComputationalWorkflow'].every((type) => types(workflow).includes(type)),
  )
  const language = refersTo(workflow, 'programmingLanguage').map((id) => byId.get(id))
  must(
    'its language is a ComputerLanguage',
    language.length > 0 && language.every((l) => types(l).includes('ComputerLanguage')),
  )

  const actions = graph.filter((entity) => types(entity).includes('CreateAction'))
  must(
    'an action has the main entity as instrument',
    actions.some((a) => refersTo(a, 'instrument').includes(main)),
  )
  must(
    'every action has an instrument',
    actions.every((a) => refersTo(a, 'instrument').some((id) => byId.has(id))),
  )

  const dangling = graph.flatMap((entity) =>
    Object.entries(entity)
      .filter(([property]) => property !== 'conformsTo' && property !== 'actionStatus')
      .flatMap(([, value]) => [value].flat())
      .flatMap((value) => (typeof value === 'object' && value !== null && '@id' in value ? String(value['@id']) : []))
      .filter((id) => !byId.has(id)),
  )
  must(`references lead somewhere (${dangling.slice(0, 3).join(', ')})`, dangling.length === 0)
  return broken
}

function equalSets(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && [...a].sort().join('\n') === [...b].sort().join('\n')
}
