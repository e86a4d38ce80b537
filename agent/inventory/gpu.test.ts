import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseRocmSmi } from './amd-gpu.ts'
import type { CommandResult, RunCommand } from './command.ts'
import { readGpus } from './gpu.ts'
import { readInventory } from './index.ts'
import { parseNvidiaSmi } from './nvidia.ts'
import { parseLspci } from './pci.ts'

const captured = (name: string) =>
  readFileSync(new URL(`../../test/fixtures/inventory/${name}`, import.meta.url), 'utf8')

describe('parseNvidiaSmi', () => {
  it('reads a card cut into slices', () => {
    expect(parseNvidiaSmi(captured('nvidia-smi-a100-mig.xml'))).toMatchObject([
      {
        address: '0000:01:00.0',
        observed: {
          model: 'NVIDIA A100-SXM4-80GB',
          architecture: 'Ampere',
          driver: '535.54.03',
          cuda: '12.2',
          vbios: '92.00.36.00.02',
          'pci.vendor': '0x10de',
          'pci.device': '0x20b2',
          'subsystem.vendor': '0x10de',
          'subsystem.device': '0x147f',
          mig: 'Enabled',
          'mig.devices': ['14 SMs 19968 MiB', '14 SMs 19968 MiB', '14 SMs 19968 MiB', '14 SMs 19968 MiB'].join(' + '),
          ecc: 'Enabled',
          'clocks.max.sm': '1410 MHz',
          'clocks.max.memory': '1593 MHz',
          'firmware.gsp': '535.54.03',
          uuid: 'GPU-513536b6-7d19-9063-b049-1e69664bb298',
          serial: '1650522003820',
        },
      },
    ])
  })

  it('reads a card of another maker, and leaves out what does not apply', () => {
    const [card] = parseNvidiaSmi(captured('nvidia-smi-rtx-3060.xml')) ?? []
    expect(card?.observed).toMatchObject({ model: 'NVIDIA GeForce RTX 3060', 'subsystem.vendor': '0x3842' })
    expect([card?.observed.mig, card?.observed.ecc, card?.observed.serial]).toEqual([undefined, undefined, undefined])
  })

  it('reads the schema of older drivers', () => {
    const [card] = parseNvidiaSmi(captured('nvidia-smi-tesla-t4.xml')) ?? []
    expect(card?.observed).toMatchObject({ model: 'Tesla T4', driver: '515.105.01', ecc: 'Enabled' })
  })

  it('is not taken in by other text', () => {
    for (const text of ['', 'No devices were found', '<other/>']) expect(parseNvidiaSmi(text)).toBeUndefined()
  })
})

describe('parseRocmSmi', () => {
  it('reads two cards of a data centre', () => {
    const cards = parseRocmSmi(captured('rocm-smi-mi100.json'))
    expect(cards?.map(({ address }) => address)).toEqual(['0000:83:00.0', '0000:a3:00.0'])
    expect(cards?.[0]?.observed).toMatchObject({
      model: 'Arcturus GL-XL [Instinct MI100]',
      'pci.device': '0x738c',
      vbios: '113-D3431401-101',
      'firmware.smc': '00.54.29.00',
      'memory.total': '32752 MiB',
      uuid: '0x79ccd55167a2124a',
      serial: undefined,
    })
  })

  it('reads the keys of newer versions', () => {
    expect(
      parseRocmSmi(`WARNING: AMD GPU device(s) is/are in a low-power state\n${captured('rocm-smi-rx6700xt.json')}`),
    ).toMatchObject([{ observed: { architecture: 'gfx1031', driver: '6.3.6', 'subsystem.device': '0x6601' } }])
  })

  it('is not taken in by other text', () => {
    for (const text of ['', 'ERROR: no GPU', '[1']) expect(parseRocmSmi(text)).toBeUndefined()
  })
})

describe('parseLspci', () => {
  it('names devices by address', () => {
    const text =
      'Slot:\t00:02.0\nClass:\tVGA compatible controller [0300]\nVendor:\tIntel Corporation [8086]\n' +
      'Device:\tAlder Lake-P Integrated Graphics Controller [46a6]\nSVendor:\tLenovo [17aa]\n\n' +
      'Slot:\t0000:01:00.0\nClass:\t3D controller [0302]\nVendor:\tNVIDIA Corporation [10de]\nDevice:\tDevice [2330]\n'
    expect(parseLspci(text).get('0000:00:02.0')).toEqual({
      vendor: 'Intel Corporation',
      device: 'Alder Lake-P Integrated Graphics Controller',
    })
    expect(parseLspci(text).get('0000:01:00.0')?.device).toBe('Device')
  })
})

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-gpu-'))
afterAll(() => rmSync(folder, { recursive: true }))

function bus(
  name: string,
  devices: Record<string, { class: string; vendor: string; device: string; driver?: string }>,
) {
  const sys = join(folder, name)
  for (const [address, { driver, ...files }] of Object.entries(devices)) {
    const path = join(sys, 'bus/pci/devices', address)
    mkdirSync(path, { recursive: true })
    for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), `${text}\n`)
    if (driver !== undefined) symlinkSync(`../../../../bus/pci/drivers/${driver}`, join(path, 'driver'))
  }
  return { proc: join(folder, 'none'), sys, etc: join(folder, 'none') }
}

const tools =
  (results: Record<string, CommandResult>): RunCommand =>
  (file) =>
    Promise.resolve(results[file] ?? { status: 'absent' })
const ok = (stdout: string): CommandResult => ({ status: 'ok', stdout, stderr: '' })

describe('readGpus', () => {
  const h100 = { class: '0x030200', vendor: '0x10de', device: '0x2330' }

  it('says of a card without a driver that it cannot be used, and why', async () => {
    const { gpus } = await readGpus(bus('bare', { '0000:19:00.0': h100 }), tools({}))
    expect(gpus).toMatchObject([
      { address: '0000:19:00.0', observed: { vendor: 'NVIDIA', 'pci.device': '0x2330', usable: 'no' } },
    ])
    expect(gpus[0]?.observed.unusable).toContain('nvidia-smi is not installed')
  })

  it('says in the words of the tool why a card with a broken driver cannot be used', async () => {
    const reason = 'nvidia-smi ended with 18: Failed to initialize NVML: Driver/library version mismatch'
    const { gpus, warnings } = await readGpus(
      bus('mismatch', { '0000:19:00.0': { ...h100, driver: 'nvidia' } }),
      tools({ 'nvidia-smi': { status: 'failed', reason } }),
    )
    expect(gpus[0]?.observed).toMatchObject({ usable: 'no', unusable: reason, 'driver.module': 'nvidia' })
    expect(warnings).toEqual({ 'warning.nvidia-smi': reason })
  })

  it('lists a card once, and what only the bus shows after it', async () => {
    const roots = bus('mixed', {
      '0000:00:02.0': { class: '0x030000', vendor: '0x8086', device: '0x46a6', driver: 'i915' },
      '0000:01:00.0': { class: '0x030200', vendor: '0x10de', device: '0x20b2', driver: 'nvidia' },
      '0000:02:00.0': { class: '0x030000', vendor: '0x1a03', device: '0x2000', driver: 'ast' },
      '0000:03:00.0': { class: '0x020000', vendor: '0x8086', device: '0x1572', driver: 'i40e' },
    })
    const { gpus } = await readGpus(
      roots,
      tools({
        'nvidia-smi': ok(captured('nvidia-smi-a100-mig.xml')),
        lspci: ok('Slot:\t0000:00:02.0\nVendor:\tIntel Corporation [8086]\nDevice:\tAlder Lake-P [46a6]\n'),
      }),
    )
    expect(gpus.map(({ address, observed }) => [address, observed.model, observed.usable])).toEqual([
      ['0000:01:00.0', 'NVIDIA A100-SXM4-80GB', 'yes'],
      ['0000:00:02.0', 'Alder Lake-P', 'yes'],
    ])
  })

  it('warns of output it cannot read', async () => {
    const { gpus, warnings } = await readGpus(bus('garbage', {}), tools({ 'rocm-smi': ok('segfault') }))
    expect([gpus, warnings]).toEqual([[], { 'warning.rocm-smi': 'rocm-smi printed what cannot be read' }])
  })
})

describe('an inventory with cards', () => {
  it('keeps identity out of the facts', async () => {
    const { facts, attributes, devices } = await readInventory({
      roots: bus('inventory', {}),
      run: tools({ 'nvidia-smi': ok(captured('nvidia-smi-a100-mig.xml')) }),
      systemInformation: () => Promise.resolve({}),
    })
    expect(facts).toMatchObject({
      'gpu.0.model': 'NVIDIA A100-SXM4-80GB',
      'gpu.0.clocks.max.sm': '1410 MHz',
      'gpu.0.usable': 'yes',
    })
    expect(attributes).toMatchObject({
      'gpu.0.uuid': 'GPU-513536b6-7d19-9063-b049-1e69664bb298',
      'gpu.0.serial': '1650522003820',
      'gpu.0.address': '0000:01:00.0',
    })
    expect(Object.values(facts).join('\n')).not.toMatch(/GPU-5135|1650522003820/)
    expect(devices).toMatchObject([{ id: 'cpu' }, { id: 'gpu0', kind: 'gpu', title: 'NVIDIA A100-SXM4-80GB' }])
  })
})
