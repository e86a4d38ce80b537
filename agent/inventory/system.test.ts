import { describe, expect, it } from 'vitest'
import { runCommand } from './command.ts'
import { parseDmi } from './dmi.ts'
import { readInventory } from './index.ts'
import { nameContainer, nameVirtualMachine, parseMemory, parseOsRelease, readLibc } from './system.ts'

describe('parseDmi', () => {
  it('reads a board, and leaves out what its maker did not fill', () => {
    expect(
      parseDmi({
        sys_vendor: 'Supermicro\n',
        product_name: 'SYS-221H-TNR\n',
        product_version: '0123456789\n',
        board_vendor: 'Supermicro\n',
        board_name: 'X13DEM\n',
        board_version: 'Default string\n',
        bios_vendor: 'American Megatrends International, LLC.\n',
        bios_version: '2.1\n',
        product_family: 'To be filled by O.E.M.\n',
        board_serial: 'HM238S000000\n',
        product_uuid: '00000000-0000-0000-0000-3cecef000000\n',
      }),
    ).toEqual({
      'board.system.vendor': 'Supermicro',
      'board.system.product': 'SYS-221H-TNR',
      'board.system.version': '0123456789',
      'board.vendor': 'Supermicro',
      'board.product': 'X13DEM',
      'board.bios.vendor': 'American Megatrends International, LLC.',
      'board.bios.version': '2.1',
      'board.serial': 'HM238S000000',
      'board.system.uuid': '00000000-0000-0000-0000-3cecef000000',
    })
  })
})

describe('parseOsRelease', () => {
  it('takes quotes off', () => {
    const text =
      'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nHOME_URL="https://www.ubuntu.com/"\n'
    expect(parseOsRelease(text)).toEqual({ 'os.id': 'ubuntu', 'os.version': '24.04', 'os.name': 'Ubuntu 24.04.1 LTS' })
  })
})

describe('parseMemory', () => {
  it('is the same after a boot that reserved a little more', () => {
    expect(parseMemory('MemTotal:       65774688 kB\nMemFree: 1 kB\n')).toEqual({ 'memory.total': '63 GiB' })
    expect(parseMemory('MemTotal:       65774592 kB\n')).toEqual({ 'memory.total': '63 GiB' })
    expect(parseMemory('')).toEqual({ 'memory.total': undefined })
  })
})

describe('nameVirtualMachine', () => {
  it.each([
    [{ hypervisorFlag: true, systemVendor: 'QEMU', systemProduct: 'Standard PC (Q35 + ICH9, 2009)' }, 'kvm'],
    [{ hypervisorFlag: true, systemVendor: 'VMware, Inc.', systemProduct: 'VMware7,1' }, 'vmware'],
    [{ hypervisorFlag: true, systemVendor: 'Microsoft Corporation', systemProduct: 'Virtual Machine' }, 'hyper-v'],
    [{ hypervisorFlag: true, systemVendor: 'Amazon EC2', systemProduct: 'c6i.large' }, 'amazon-ec2'],
    [{ hypervisorFlag: false, systemVendor: 'Amazon EC2', systemProduct: 'c6i.metal' }, undefined],
    [{ hypervisorFlag: true, systemVendor: 'Google', systemProduct: 'Google Compute Engine' }, 'google-compute-engine'],
    [
      { hypervisorFlag: false, systemVendor: 'Apple Inc.', systemProduct: 'Apple Virtualization Generic Platform' },
      'apple',
    ],
    [{ hypervisorFlag: true, hypervisorType: 'xen' }, 'xen'],
    [{ hypervisorFlag: true }, 'unknown'],
    [{ hypervisorFlag: false, systemVendor: 'Dell Inc.', systemProduct: 'PowerEdge R750' }, undefined],
  ])('of %o', (signs, expected) => {
    expect(nameVirtualMachine(signs)).toBe(expected)
  })
})

describe('nameContainer', () => {
  const bare = { dockerEnvironment: false, containerEnvironment: false, kubernetes: false, cgroup: '0::/user.slice\n' }
  it.each([
    [bare, 'none'],
    [{ ...bare, dockerEnvironment: true }, 'docker'],
    [{ ...bare, cgroup: '0::/system.slice/docker-0123456789abcdef.scope\n' }, 'docker'],
    [{ ...bare, cgroup: '11:cpu:/kubepods/besteffort/pod3/abc\n', dockerEnvironment: true }, 'kubernetes'],
    [{ ...bare, containerEnvironment: true }, 'podman'],
    [{ ...bare, cgroup: '0::/lxc.payload.c1\n' }, 'lxc'],
  ])('of %o', (signs, expected) => {
    expect(nameContainer(signs)).toBe(expected)
  })
})

describe('runCommand', () => {
  it('tells absent from failed', async () => {
    expect(await runCommand('bitfleet-no-such-tool', [])).toEqual({ status: 'absent' })
    expect(await runCommand('sh', ['-c', 'echo broken >&2; exit 3'])).toEqual({
      status: 'failed',
      reason: 'sh ended with 3: broken',
    })
    expect(await runCommand('sh', ['-c', 'kill -9 $$'])).toMatchObject({ reason: 'sh was ended by SIGKILL' })
    expect(await runCommand('sh', ['-c', 'echo $LC_ALL'])).toEqual({ status: 'ok', stdout: 'C\n', stderr: '' })
  })

  it('stops a tool that never stops talking', async () => {
    expect(await runCommand('sh', ['-c', 'while :; do echo talk talk talk talk talk talk talk; done'])).toMatchObject({
      status: 'failed',
      reason: expect.stringMatching(/wrote more than|did not end/),
    })
  }, 15_000)
})

describe('this machine', () => {
  it('has processors, memory, a kernel and a C library', async () => {
    const { facts, attributes, devices } = await readInventory()
    expect(Number(facts['cpu.threads'])).toBeGreaterThan(0)
    expect(facts['memory.total']).toMatch(/^\d+ GiB$/)
    expect(facts['os.arch']).toBe(process.arch)
    expect(facts.kernel).toMatch(/\d/)
    expect(attributes.hostname).toMatch(/./)
    expect(devices[0]).toMatchObject({ id: 'cpu', kind: 'cpu' })
    if (process.platform === 'linux') expect(facts.libc).toMatch(/^(?:glibc|musl) \d/)
    for (const key of Object.keys(facts)) expect(key).not.toMatch(/serial|uuid|hostname|mhz/)
  })

  it('says the same twice', async () => {
    const [a, b] = [await readInventory(), await readInventory()]
    expect(a.facts).toEqual(b.facts)
  })
})

describe('readLibc', () => {
  it('knows neither where there is neither', async () => {
    expect(await readLibc(() => Promise.resolve({ status: 'absent' }), '/no/such/folder')).toBeUndefined()
  })
})
