import { readFileSync } from 'node:fs'
import type { Facts } from '../../shared/facts.ts'
import { readCpuLimit } from '../inventory/cgroup.ts'
import { parseMaps } from '../inventory/mapped-libraries.ts'
import { parseAffinity } from '../inventory/process.ts'
import { systemRoots } from '../inventory/roots.ts'

/** What is seen of a program's processes from outside, while they run. */
export interface Observer {
  /** Looks once more. */
  sample(): void
  facts(): Promise<Facts>
  /** Paths of the numeric libraries that any of them had mapped when looked at; undefined where none could be seen. */
  mapped(): string[] | undefined
}

/** Processes of one program that are looked at. */
const maxProcesses = 256

/** @param pid of the program's first process */
export function observeProgram(pid: number): Observer {
  const mapped = new Set<string>()
  let seen = false
  let affinity: string | undefined
  // While the process is surely there.
  const limit = readCpuLimit(systemRoots, String(pid))
  return {
    sample() {
      for (const id of treeOf(pid)) {
        const maps = read(`/proc/${id}/maps`)
        seen ||= maps !== ''
        for (const path of parseMaps(maps)) mapped.add(path)
      }
      affinity = parseAffinity(read(`/proc/${pid}/status`)) ?? affinity
    },
    async facts() {
      const facts: Record<string, string> = {}
      if (affinity !== undefined) facts['cpu.affinity'] = affinity
      const quota = await limit
      if (quota !== undefined) facts['cgroup.cpu.max'] = quota
      return facts
    },
    mapped: () => (seen ? [...mapped].sort() : undefined),
  }
}

/** A process and its descendants. @see proc_tid_children(5) */
function treeOf(pid: number): number[] {
  const found = [pid]
  for (let i = 0; i < found.length && found.length < maxProcesses; i++) {
    // Most programs start others from their first thread.
    const children = read(`/proc/${found[i]}/task/${found[i]}/children`)
    found.push(...children.split(' ').filter(Boolean).map(Number))
  }
  return found
}

/** Processor time of this process's ended children, in ms; undefined where the system does not say. */
export function childrenCpuMs(): number | undefined {
  const text = read('/proc/self/stat')
  // Fields 16 and 17, behind the command's closing bracket; the kernel tells them in hundredths of a second.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[13]) + Number(fields[14])
  return text === '' || !Number.isFinite(ticks) ? undefined : ticks * 10
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
