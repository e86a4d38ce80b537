import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseCgroup, parseCgroupMounts, parseCpuMax, readCpuLimit } from './cgroup.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-cgroup-'))
afterAll(() => rmSync(folder, { recursive: true }))

let trees = 0
/** A tree of pseudo files, as the kernel would show it. */
function tree(files: Record<string, string>) {
  const root = join(folder, String(trees++))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return { proc: join(root, 'proc'), sys: join(root, 'sys'), etc: join(root, 'etc') }
}

const v2Mount = '30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n'
const v1Mount =
  '33 32 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct\n' +
  '34 32 0:30 / /sys/fs/cgroup/memory rw,nosuid shared:11 - cgroup cgroup rw,memory\n'

describe('parsers', () => {
  it('read memberships of both versions', () => {
    expect(parseCgroup('4:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n0::/user.slice\n')).toEqual([
      { controllers: ['cpu', 'cpuacct'], path: '/docker/abc' },
      { controllers: ['name=systemd'], path: '/' },
      { controllers: [], path: '/user.slice' },
    ])
  })

  it('read mounts', () => {
    expect(
      parseCgroupMounts(`22 1 8:1 / / rw - ext4 /dev/sda1 rw\n${v2Mount}${v1Mount}`).map((mount) => mount.version),
    ).toEqual([2, 1, 1])
  })

  it('read quotas, and none', () => {
    expect(parseCpuMax('max 100000\n')).toBeUndefined()
    expect(parseCpuMax('-1 100000')).toBeUndefined()
    expect(parseCpuMax('150000 100000')).toEqual({ quota: 150_000, period: 100_000 })
  })
})

describe('readCpuLimit', () => {
  it('takes the tightest of all cgroups above', async () => {
    const roots = tree({
      'proc/self/cgroup': '0::/lab.slice/agent.service\n',
      'proc/self/mountinfo': v2Mount,
      'sys/fs/cgroup/lab.slice/cpu.max': '50000 100000\n',
      'sys/fs/cgroup/lab.slice/agent.service/cpu.max': '200000 100000\n',
    })
    expect(await readCpuLimit(roots)).toBe('50000 100000')
  })

  it('says max where nothing limits', async () => {
    const roots = tree({
      'proc/self/cgroup': '0::/a\n',
      'proc/self/mountinfo': v2Mount,
      'sys/fs/cgroup/a/cpu.max': 'max 100000\n',
    })
    expect(await readCpuLimit(roots)).toBe('max')
  })

  it('reads version 1 in the words of version 2', async () => {
    const roots = tree({
      'proc/self/cgroup': '4:cpu,cpuacct:/docker/abc\n0::/\n',
      'proc/self/mountinfo': v1Mount,
      'sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us': '150000\n',
      'sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us': '100000\n',
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    })
    expect(await readCpuLimit(roots)).toBe('150000 100000')
  })

  it('sees from inside a container only what is mounted there', async () => {
    const inside = '33 32 0:29 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n'
    const roots = tree({
      'proc/self/cgroup': '4:cpu:/docker/abc\n',
      'proc/self/mountinfo': inside,
      'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '25000\n',
      'sys/fs/cgroup/cpu/cpu.cfs_period_us': '50000\n',
    })
    expect(await readCpuLimit(roots)).toBe('25000 50000')
  })

  it('knows nothing where there are no cgroups', async () => {
    expect(await readCpuLimit(tree({ 'proc/self/mountinfo': '' }))).toBeUndefined()
  })
})
