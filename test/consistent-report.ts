import type { Report } from '../coordinator/report/format.ts'
import { renderMarkdown } from '../coordinator/report/markdown.ts'
import { renderText } from '../coordinator/report/text.ts'

/**
 * What must hold of every report, however it was made: verdict, exit code, counts and classes say the same, and no knob
 * both has no effect and is followed by the bits.
 *
 * @throws an error that names the first contradiction
 */
export function assertConsistent(report: Report): void {
  const { findings, comparisons, cells, verdict, sentence } = report
  const fail = (fact: string) => {
    throw new Error(`the report of ${report.run.name} contradicts itself: ${fact}`)
  }
  if (findings.verdict !== verdict || findings.sentence !== sentence) fail('findings say something else')
  const codes = { identical: 0, incomplete: 3, 'nothing compared': 3, divergent: 1, nondeterministic: 1 }
  if (codes[verdict] !== findings.exitCode) fail(`${verdict} ends with ${findings.exitCode}`)

  const completed = new Set(cells.filter(({ traces }) => traces.some((trace) => trace !== null)).map(({ id }) => id))
  let compared = 0
  for (const comparison of comparisons) {
    const members = [
      ...comparison.classes.flatMap((one) => one.cells),
      ...comparison.nondeterministic.map(({ cell }) => cell),
    ].filter((id) => completed.has(id))
    const expected = members.length > 1 ? members.length : 0
    if (comparison.compared.length !== expected) fail(`${comparison.workload} compared ${comparison.compared.length}`)
    compared += expected
    if (comparison.verdict === 'identical' && (comparison.classes.length !== 1 || expected < 2)) {
      fail(`${comparison.workload} is called identical`)
    }
  }
  if (findings.counts.cells.compared !== compared)
    fail(`${findings.counts.cells.compared} cells are counted as compared`)
  if (verdict === 'identical' && compared === 0) fail('nothing was compared and it is identical')
  if (findings.machines.status === 'differ' && findings.exitCode !== 1)
    fail('machines differ and the exit code is not 1')

  const followed = new Set(
    findings.settings.filter(({ outcome }) => outcome === 'followed').map(({ setting }) => setting),
  )
  for (const { knob, state } of findings.knobs) {
    if (state === 'no effect' && followed.has(knob)) fail(`${knob} had no effect and the bits followed it`)
  }
  for (const form of [renderText(report, { color: false }), renderMarkdown(report).replaceAll(/\\(.)/g, '$1')]) {
    if (/\bhad no effect\b/.test(form)) {
      for (const setting of followed) {
        if (form.includes(`${setting}=`) && new RegExp(`${escaped(setting)}=\\S+ had no effect`).test(form)) {
          fail(`${setting} in words`)
        }
      }
    }
  }
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
