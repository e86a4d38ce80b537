import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openBundleFolder } from '../agent/once/bundle-folder.ts'
import { expandPlan, parsePlan } from '../coordinator/plan/index.ts'
import type { CellRecord, ExecutionRecord } from '../shared/cell.ts'
import { digestOf } from '../shared/digest.ts'
import { agentIdOf } from '../shared/keys.ts'
import type { AgentRecord } from '../shared/messages.ts'
import { createTrace, formatTrace } from '../shared/trace.ts'
import { fakeKey } from './fake-agent.ts'
import { agentRecord, planOf } from './scheduler-harness.ts'
import { f32 } from './synthetic-run.ts'

/** An agent by the id that its own key gives it, as bundles must have it; the key is that of the id it had. */
export const ownAgent = (agent: AgentRecord): AgentRecord => ({
  ...agent,
  id: agentIdOf(fakeKey(agent.id).publicKey),
})

/** Begins a bundle that nobody computed, of one agent and a small plan; `record` fills it with honest bits. */
export async function beginBundle(folder: string, named: AgentRecord = agentRecord('a'), planText = planOf()) {
  const agent = ownAgent(named)
  const { cells, notes } = expandPlan(parsePlan(planText), [agent])
  const start = { name: 'sums', planText, planNotes: notes, inputs: [], payloads: new Map(), agent, cells }
  const bundle = await openBundleFolder(folder, start)
  return {
    ...{ bundle, cells, start },
    record: async (cell: CellRecord, repetition: number, sum = 4) => {
      const { record, trace, tensors } = honestExecution(cell, repetition, sum)
      for (const tensor of tensors) await bundle.artifacts.put(tensor)
      await bundle.record(record, trace)
    },
  }
}

/** What a sum of four ones looks like where it comes out as `sum`. */
export function honestExecution(cell: CellRecord, repetition: number, sum = 4) {
  const [input, output] = [f32([1, 1, 1, 1]), f32([sum], [])]
  const trace = createTrace(
    [input, output].map(({ dtype, shape, bytes }, seq) => ({
      ...{ seq, step: 0, name: seq === 0 ? 'input' : 'sum', dtype, shape },
      digest: digestOf(bytes),
    })),
  )
  const record: ExecutionRecord = {
    ...{ cell: cell.id, repetition, attempt: 1 },
    execution: {
      outcome: { status: 'completed' },
      ...{ version: '1', label: 'native', effective: {}, facts: {}, notes: [], trace: trace.digest },
      outputs: [{ name: 'sum', dtype: 'f32', shape: [], digest: digestOf(output.bytes) }],
      resources: { wallMs: 1 },
      log: '',
    },
  }
  return { record, trace: formatTrace(trace), tensors: [input.bytes, output.bytes] }
}

/** A closed bundle of one agent; the sums it reports differ where `sum` does. */
export async function makeBundle(out: string, agent: AgentRecord = agentRecord('a'), sum = 4): Promise<string> {
  const { bundle, cells, record } = await beginBundle(`${out}.partial`, agent)
  for (const cell of cells) for (let i = 0; i < cell.repetitions; i++) await record(cell, i, sum)
  await bundle.close(out, fakeKey(agent.id))
  return out
}

export function temporaryFolder(): { dir: string; remove(): void } {
  const dir = mkdtempSync(join(tmpdir(), 'bitfleet-bundle-'))
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}
