import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A control group whose processes share so much of a processor. */
export interface CpuQuota {
  /** Before a command, so that it runs in the group. */
  readonly prefix: readonly string[]
  remove(): void
}

const period = 100_000

/** By version 1 or 2 of control groups; undefined where this process may not make one. */
export function createCpuQuota(processors: number): CpuQuota | undefined {
  const name = `bitfleet-test-${process.pid}`
  const quota = processors * period
  const first = '/sys/fs/cgroup/cpu'
  const old = existsSync(join(first, 'cpu.cfs_quota_us'))
  const folder = join(old ? first : '/sys/fs/cgroup', name)
  try {
    mkdirSync(folder)
  } catch {
    return undefined
  }
  const remove = () => rmdirSync(folder)
  try {
    if (old) {
      writeFileSync(join(folder, 'cpu.cfs_period_us'), String(period))
      writeFileSync(join(folder, 'cpu.cfs_quota_us'), String(quota))
    } else writeFileSync(join(folder, 'cpu.max'), `${quota} ${period}`)
  } catch {
    remove()
    return undefined
  }
  const join1 = `echo $$ > ${join(folder, 'cgroup.procs')} && exec "$@"`
  return { prefix: ['sh', '-ec', join1, 'sh'], remove }
}
