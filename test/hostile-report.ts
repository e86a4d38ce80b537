import type { Report } from '../coordinator/report/format.ts'
import { sampleReport } from './sample-report.ts'

/** What somebody might name a machine, a label or a library to be run, obeyed or believed where a report is read. */
export const hostileText = [
  '<script>window.hostile=1</script>',
  '"><img src=x onerror="window.hostile=1">',
  "'><svg/onload=window.hostile=1>",
  '</style></title></textarea><script>window.hostile=1</script>',
  'javascript:window.hostile=1',
  '\u001b[31m\u001b]0;owned\u0007\u009b2J\u202eevil\u0000\u0008',
  '=HYPERLINK("http://evil.example","x")',
  '| cell | [link](http://evil.example) `code` ``` ~~~\n# head',
].join(' ')

/** The sample report with every free text in it hostile. */
export function hostileReport(): Report {
  const report = sampleReport()
  report.sentence += hostileText
  Object.assign(report.run, {
    name: hostileText,
    plan: `${report.run.plan}\n\`\`\`\n${hostileText}`,
    notes: [hostileText],
    software: hostileText,
  })
  for (const agent of report.agents) {
    agent.name = hostileText
    agent.labels[hostileText] = hostileText
    agent.attributes[hostileText] = hostileText
    agent.facts[`cpu.${hostileText}`] = `${agent.id} ${hostileText}`
  }
  for (const workload of report.workloads) workload.title = hostileText
  for (const cell of report.cells) {
    cell.params = { ...cell.params, hostile: hostileText }
    cell.condition.knobs = { ...cell.condition.knobs, hostile: hostileText }
    cell.condition.effective[hostileText] = hostileText
    cell.facts[hostileText] = hostileText
    cell.notes.push({ kind: 'warning', subject: hostileText, message: hostileText })
    if (cell.reason !== undefined) cell.reason = hostileText
    if (cell.stderr !== undefined) cell.stderr = `${hostileText}\n${hostileText}`
    if (cell.message !== undefined) cell.message = hostileText
  }
  for (const comparison of report.comparisons) {
    comparison.params = { ...comparison.params, hostile: hostileText }
    if (comparison.unexplained !== undefined) comparison.unexplained = hostileText
    for (const explanation of comparison.explanations) {
      explanation.inseparable = Object.fromEntries(explanation.facts.map((fact) => [fact, [hostileText]]))
      for (const combinations of Object.values(explanation.values)) {
        for (const values of combinations) for (const fact of explanation.facts) values[fact] = hostileText
      }
    }
    for (const divergence of comparison.divergences) {
      divergence.checkpoint.name = hostileText
      divergence.missing = hostileText
      divergence.growthNote = hostileText
      for (const series of divergence.growth) series.name = hostileText
      for (const output of divergence.outputs) output.name = hostileText
    }
  }
  return report
}
