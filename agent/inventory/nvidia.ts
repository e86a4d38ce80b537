import type { Gpu } from './gpu.ts'
import { parseXml, textAt, type XmlElement } from './xml.ts'

/**
 * The cards that `nvidia-smi -q -x` lists, in its order.
 *
 * @param text its XML, of any version of its schema (4 to 13)
 * @returns undefined where it is not that XML
 */
export function parseNvidiaSmi(text: string): Gpu[] | undefined {
  const log = parseXml(text)
  if (log?.name !== 'nvidia_smi_log') return undefined
  const driver = textAt(log, 'driver_version')
  const cuda = textAt(log, 'cuda_version')
  return log.children
    .filter(({ name }) => name === 'gpu')
    .map((gpu) => {
      const say = (...path: string[]) => known(textAt(gpu, ...path))
      const pci = say('pci', 'pci_device_id')
      const subsystem = say('pci', 'pci_sub_system_id')
      const mig = gpu.children.find(({ name }) => name === 'mig_devices')?.children ?? []
      return {
        address: (say('pci', 'pci_bus_id') ?? '').toLowerCase().replace(/^0000(?=[0-9a-f]{4}:)/, ''),
        observed: {
          vendor: 'NVIDIA',
          model: say('product_name'),
          architecture: say('product_architecture'),
          // Eight hex digits: the device's four, then the vendor's.
          'pci.vendor': pci === undefined ? undefined : `0x${pci.slice(-4).toLowerCase()}`,
          'pci.device': pci === undefined ? undefined : `0x${pci.slice(-8, -4).toLowerCase()}`,
          'subsystem.vendor': subsystem === undefined ? undefined : `0x${subsystem.slice(-4).toLowerCase()}`,
          'subsystem.device': subsystem === undefined ? undefined : `0x${subsystem.slice(-8, -4).toLowerCase()}`,
          vbios: say('vbios_version'),
          driver: known(driver),
          cuda: known(cuda),
          mig: say('mig_mode', 'current_mig'),
          'mig.devices': mig.length === 0 ? undefined : mig.map(formatMig).join(' + '),
          ecc: say('ecc_mode', 'current_ecc'),
          virtualization: say('gpu_virtualization_mode', 'virtualization_mode'),
          'compute.mode': say('compute_mode'),
          'firmware.gsp': say('gsp_firmware_version'),
          'clocks.max.graphics': say('max_clocks', 'graphics_clock'),
          'clocks.max.sm': say('max_clocks', 'sm_clock'),
          'clocks.max.memory': say('max_clocks', 'mem_clock'),
          'clocks.applications.graphics': say('applications_clocks', 'graphics_clock'),
          'memory.total': say('fb_memory_usage', 'total'),
          part: say('gpu_part_number'),
          'board.part': say('board_part_number'),
          uuid: say('uuid'),
          serial: say('serial'),
        },
      }
    })
}

/** A slice of a card: its streaming multiprocessors and memory. */
function formatMig(device: XmlElement): string {
  const multiprocessors = textAt(device, 'device_attributes', 'shared', 'multiprocessor_count') ?? '?'
  return `${multiprocessors} SMs ${textAt(device, 'fb_memory_usage', 'total') ?? '? MiB'}`
}

function known(text: string | undefined): string | undefined {
  return text === undefined || /^(?:\[?N\/A\]?|Unknown|None|Not Supported|Requested functionality.*)$/i.test(text)
    ? undefined
    : text
}
