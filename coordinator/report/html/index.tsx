import type { Report } from '../format.ts'
import { Configuration } from './configuration.tsx'
import { Document, documentText } from './document.tsx'
import { FactsSection } from './facts.tsx'
import { MachinesSection } from './machines.tsx'
import { MatrixSection } from './matrix.tsx'
import { Notices } from './notices.tsx'
import { Overview, Summary } from './overview.tsx'
import { createView } from './view.ts'
import { WorkloadSection } from './workload.tsx'

/**
 * The report as one file: it needs no network and no script, and equal reports give equal bytes. Text of agents and
 * plans is escaped, and its control characters are made visible.
 */
export function renderHtml(report: Report): string {
  return documentText(
    <Document
      title={`${report.run.name}: ${report.verdict}`}
      standalone={true}
      banner={<p class="brand">Bitfleet report</p>}
    >
      <ReportBody report={report} />
    </Document>,
  )
}

/** Everything between the banner and the end; the coordinator's pages show the same. */
export function ReportBody({ report }: { report: Report }) {
  const view = createView(report)
  const numbered = report.comparisons.map((comparison, index) => ({ comparison, index }))
  const differing = numbered.filter(({ comparison }) => comparison.verdict !== 'identical')
  const identical = numbered.filter(({ comparison }) => comparison.verdict === 'identical')
  return (
    <>
      <Summary report={report} />
      <MachinesSection view={view} />
      <Notices view={view} />
      <MatrixSection view={view} />
      <Overview view={view} />
      <section id="workloads" aria-labelledby="workloads-title">
        <div class="wide">
          <h2 id="workloads-title">Workload by workload</h2>
          {differing.map(({ comparison, index }) => (
            <WorkloadSection view={view} comparison={comparison} index={index} />
          ))}
          {identical.length > 0 ? (
            <details class="fold" open={differing.length === 0}>
              <summary>
                {identical.length} identical {identical.length === 1 ? 'workload' : 'workloads'}
              </summary>
              {identical.map(({ comparison, index }) => (
                <WorkloadSection view={view} comparison={comparison} index={index} />
              ))}
            </details>
          ) : null}
        </div>
      </section>
      <FactsSection view={view} />
      <Configuration report={report} />
    </>
  )
}
