import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect } from 'vitest'
import type { Report } from '../../coordinator/report/format.ts'
import { buildHelper, type Case, casePrograms } from '../listed-cases.ts'
import { needs } from '../needs.ts'
import { python } from '../python.ts'
import {
  bitfleet,
  type Ended,
  end,
  folder,
  readReport,
  runPlan,
  type Start,
  startAgent,
  startCoordinator,
  until,
} from './bitfleet.ts'

// What the tests of test/fixtures/cases share: programs that are listed, runs, and the forms of a report as one reads them.

export const fixtures = resolve(import.meta.dirname, '../fixtures/cases')

/** What a reader finds in each form. */
export interface Forms {
  readonly text: string
  readonly markdown: string
  readonly html: string
  /** All texts of `report.json`, one a line. */
  readonly json: string
}

export interface CaseRun extends Ended {
  readonly report: Report
  readonly out: string
  readonly forms: Forms
  /** One for each cell, in the order of `report.cells`. */
  readonly csv: readonly Readonly<Record<string, string>>[]
}

/** Runs a plan by `bitfleet local`, and reads all forms of its report. */
export async function runCase(
  plan: string,
  options: Start & { readonly argv?: readonly string[]; readonly out?: string } = {},
): Promise<CaseRun> {
  const ended = await runPlan(plan, options)
  return { ...ended, ...readForms(ended.out, ended.stdout) }
}

/** @param text the form for a terminal */
export function readForms(out: string, text: string): Pick<CaseRun, 'report' | 'forms' | 'csv'> {
  const read = (name: string) => readFileSync(join(out, name), 'utf8')
  const report = readReport(out)
  const forms: Forms = {
    text,
    markdown: read('report.md')
      .replaceAll(/`(@+|:\/\/|#)`/g, '$1')
      .replaceAll(/\\(.)/g, '$1')
      .replaceAll('**', ''),
    html: textOfHtml(read('report.html')),
    json: textsIn(report).join('\n'),
  }
  for (const [form, content] of Object.entries(forms)) expect(content, form).not.toBe('')
  return { report, forms, csv: parseCsv(read('report.csv')) }
}

function textOfHtml(html: string): string {
  const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
  return html
    .replaceAll(/<style.*?<\/style>/gs, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name] as string)
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(textsIn)
}

function parseCsv(text: string): Record<string, string>[] {
  const rows: string[][] = [[]]
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    rows.at(-1)?.push(quoted === undefined ? (plain as string) : quoted.replaceAll('""', '"'))
    if (end !== ',') rows.push([])
  }
  rows.pop()
  const [names = [], ...cells] = rows
  return cells.map((cell) => Object.fromEntries(names.map((name, i) => [name, cell[i] as string])))
}

/** Without line breaks and columns: they do not change what is said. */
const squeezed = (text: string) => text.replaceAll(/\s+/g, '')

function expectPhrases(forms: Readonly<Record<string, string>>, phrases: readonly string[], expected: boolean): void {
  for (const [form, content] of Object.entries(forms)) {
    const said = squeezed(content)
    for (const phrase of phrases) expect(said.includes(squeezed(phrase)), `${form} says "${phrase}"`).toBe(expected)
  }
}

/** Each form says it. */
export function expectInAll({ forms }: CaseRun, ...phrases: readonly string[]): void {
  expectPhrases({ ...forms }, phrases, true)
}

/** Each form that is made of sentences says it; JSON has it as figures. */
export function expectInWords({ forms: { text, markdown, html } }: CaseRun, ...phrases: readonly string[]): void {
  expectPhrases({ text, markdown, html }, phrases, true)
}

/** No form says it. */
export function expectInNone({ forms, csv }: CaseRun, ...phrases: readonly string[]): void {
  expectPhrases({ ...forms, csv: textsIn(csv).join('\n') }, phrases, false)
}

/** The first sentence stands in every form as it is. */
export function expectSentence(run: CaseRun, sentence: string, code: number): void {
  expect(run.report.findings.sentence).toBe(sentence)
  expectInAll(run, sentence)
  expect([run.code, run.report.findings.exitCode]).toEqual([code, code])
}

/** Lists programs of the cases in a state folder, as an agent's owner does. */
export async function addPrograms(names: readonly Case[], env: Readonly<Record<string, string>> = {}): Promise<void> {
  const interpreter = execFileSync(python, ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim()
  for (const name of names) {
    const { file, knobs } = casePrograms[name]
    const command = [interpreter, '-B', join(fixtures, file)]
    if (name.startsWith('subnormal')) command.push(buildHelper(folder(), name === 'subnormal@fast'))
    const options = knobs.flatMap((knob) => ['--knob', knob])
    const { code, stderr } = await bitfleet(['programs', 'add', name, ...options, '--', ...command], { env })
    expect(code, stderr).toBe(0)
  }
}

/** A folder with the arrays of a case, in which its plan can stand. */
export function folderOf(name: string): string {
  const made = join(folder(), name)
  mkdirSync(made)
  cpSync(join(fixtures, name), made, { recursive: true })
  return made
}

/** Whether a backend runs on this machine. */
export async function isReady(id: string): Promise<boolean> {
  const { stdout } = await bitfleet(['backends', '--json'])
  return (JSON.parse(stdout) as { id: string; status: string }[]).some((row) => row.id === id && row.status === 'ready')
}

/** True to skip, said loudly. */
export async function withoutOpenblas(name: string): Promise<boolean> {
  return needs(name, await isReady('openblas'), 'libopenblas is not installed', 'bash deploy/tests/install.sh')
}

/** Whether this processor has a flag. */
export function hasFlag(flag: string): boolean {
  return spawnSync('grep', ['-qwE', `^flags.*\\b${flag}\\b`, '/proc/cpuinfo']).status === 0
}

/** How an agent of a small lab is started: `prefix` such as `nice -n 5`. */
export type Machine = Start & { readonly argv?: readonly string[] }

/** Runs a plan on agents of their own names, and reads all forms of the report. */
export async function runOnMachines(machines: Readonly<Record<string, Machine>>, plan: string): Promise<CaseRun> {
  return await withMachines(machines, (run) => run(plan))
}

/** Starts agents of their own names and a coordinator, for one plan or several, and ends them. */
export async function withMachines<T>(
  machines: Readonly<Record<string, Machine>>,
  use: (run: (plan: string) => Promise<CaseRun>) => Promise<T>,
): Promise<T> {
  const dir = folder()
  const store = join(dir, 'store')
  const coordinator = await startCoordinator(store)
  const processes = [coordinator.child]
  try {
    for (const [name, { argv = [], env, ...how }] of Object.entries(machines)) {
      const state = { BITFLEET_STATE: join(dir, name) }
      processes.push(
        await startAgent(store, coordinator.url, ['--name', name, ...argv], { ...how, env: { ...state, ...env } }),
      )
    }
    await until('the agents', async () => {
      const { stdout } = await bitfleet(['agents', 'list', '--json', '--store', store])
      const agents = JSON.parse(stdout) as { connected: boolean }[]
      return agents.filter(({ connected }) => connected).length === processes.length - 1
    })
    return await use((plan) => runAndRead(store, plan))
  } finally {
    for (const child of processes.reverse()) await end(child)
  }
}

async function runAndRead(store: string, plan: string): Promise<CaseRun> {
  const dir = folder()
  const file = join(dir, 'plan.yaml')
  writeFileSync(file, plan)
  const ended = await bitfleet(['run', file, '--watch', '--store', store])
  if (ended.code === 2 || ended.code === null) throw new Error(`bitfleet run: ${ended.code}\n${ended.stderr}`)
  const [run = ''] = /\b\d{8}-\d{6}-[0-9a-f]+/.exec(ended.stdout + ended.stderr) ?? []
  const out = join(dir, 'report')
  const { code, stderr } = await bitfleet(['report', run, '--store', store, '--out', out])
  expect(code, stderr).toBe(0)
  const text = (await bitfleet(['report', run, '--store', store, '--format', 'text'])).stdout
  return { ...ended, out, ...readForms(out, text) }
}
