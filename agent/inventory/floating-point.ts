import { arch, platform } from 'node:process'

/** The floating-point mode of one thread. */
export interface FloatingPointMode {
  readonly rounding: 'nearest' | 'down' | 'up' | 'zero' | 'mixed'
  /** Subnormal results become zero. */
  readonly ftz: boolean
  /** Subnormal operands count as zero. */
  readonly daz: boolean
  /** Control registers, hex, without the sticky exception flags that any inexact operation sets. */
  readonly registers: Readonly<Record<string, string>>
}

const stickyFlags = 0x3f
const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`

/** @see Intel SDM volume 1, §10.2.3 (MXCSR): rounding in bits 13–14, FTZ bit 15, DAZ bit 6. */
export function decodeMxcsr(mxcsr: number): FloatingPointMode {
  return {
    rounding: (['nearest', 'down', 'up', 'zero'] as const)[(mxcsr >>> 13) & 3] as FloatingPointMode['rounding'],
    ftz: (mxcsr & 0x8000) !== 0,
    daz: (mxcsr & 0x40) !== 0,
    registers: { mxcsr: hex((mxcsr & ~stickyFlags) >>> 0, 4) },
  }
}

/** @see Arm ARM, C5.2.8 (FPCR): RMode in bits 22–23, FZ bit 24 flushes operands and results alike. */
export function decodeFpcr(fpcr: number): FloatingPointMode {
  const flush = (fpcr & (1 << 24)) !== 0
  return {
    rounding: (['nearest', 'up', 'down', 'zero'] as const)[(fpcr >>> 22) & 3] as FloatingPointMode['rounding'],
    ftz: flush,
    daz: flush,
    registers: { fpcr: hex(fpcr >>> 0, 8) },
  }
}

/**
 * The mode out of what `fegetenv` stored, by architecture and system; undefined where the layout is not known.
 * x86-64 (glibc, musl): 28 bytes of x87 environment, then MXCSR. aarch64 (glibc, musl): FPCR, FPSR. macOS: its own.
 */
export function decodeEnvironment(
  environment: Uint8Array,
  on: { arch: string; platform: string },
): FloatingPointMode | undefined {
  const view = new DataView(environment.buffer, environment.byteOffset, environment.byteLength)
  if (on.platform === 'linux' && on.arch === 'x64') {
    const mode = decodeMxcsr(view.getUint32(28, true))
    return { ...mode, registers: { ...mode.registers, x87: hex(view.getUint16(0, true), 4) } }
  }
  if (on.platform === 'darwin' && on.arch === 'x64') return decodeMxcsr(view.getUint32(4, true))
  if (on.platform === 'linux' && on.arch === 'arm64') return decodeFpcr(view.getUint32(0, true))
  if (on.platform === 'darwin' && on.arch === 'arm64') return decodeFpcr(view.getUint32(8, true))
  return undefined
}

// Operands come out of memory, or the engine would have folded the arithmetic at compile time.
const operand = new Float64Array(2)
const operandWords = new Uint32Array(operand.buffer)
function sum(a: number, b: number): number {
  operand[0] = a
  operand[1] = b
  return operand[0] + operand[1]
}
function product(a: number, b: number): number {
  operand[0] = a
  operand[1] = b
  return operand[0] * operand[1]
}

/** By its bits: where operands are flushed, a comparison with zero takes a subnormal for zero as well. */
function isZero(value: number): boolean {
  operand[0] = value
  return operandWords[0] === 0 && ((operandWords[1] as number) & 0x7fffffff) === 0
}

/** The mode by how arithmetic behaves, with nothing but JavaScript. */
export function probeMode(): FloatingPointMode {
  const tiny = 2 ** -60
  const above = sum(1, tiny) > 1
  const below = sum(-1, -tiny) < -1
  const nearest = sum(1, 1.5 * 2 ** -53) > 1
  const towards = { up: above && !below, down: below && !above, nearest: nearest && !above && !below }
  const zero = !nearest && !above && !below
  return {
    rounding: towards.nearest ? 'nearest' : towards.up ? 'up' : towards.down ? 'down' : zero ? 'zero' : 'mixed',
    ftz: isZero(product(2 ** -1022, 0.5)),
    daz: isZero(product(2 ** -1074, 2 ** 100)),
    registers: {},
  }
}

type ReadEnvironment = (environment: Uint8Array) => number

/** `fegetenv` of the C library this process runs on; it only reads. Undefined where it cannot be called. */
async function openFegetenv(): Promise<ReadEnvironment | undefined> {
  try {
    const { default: koffi } = await import('koffi')
    const names = platform === 'linux' ? [null, 'libm.so.6'] : [null]
    for (const name of names) {
      try {
        return koffi.load(name).func('int fegetenv(_Out_ void *environment)') as ReadEnvironment
      } catch {
        // Not there; the next place may have it.
      }
    }
  } catch {
    // No prebuilt koffi for this platform: the arithmetic itself tells.
  }
  return undefined
}

let fegetenv: Promise<ReadEnvironment | undefined> | undefined

/**
 * The mode of the thread that calls, and how it was found: registers where they can be read and agree with how
 * arithmetic behaves, else the behaviour alone.
 */
export async function readFloatingPointMode(): Promise<FloatingPointMode & { method: 'fegetenv' | 'behaviour' }> {
  fegetenv ??= openFegetenv()
  const read = await fegetenv
  const environment = new Uint8Array(256)
  const probed = probeMode()
  const decoded = read?.(environment) === 0 ? decodeEnvironment(environment, { arch, platform }) : undefined
  const agrees =
    decoded !== undefined &&
    decoded.rounding === probed.rounding &&
    decoded.ftz === probed.ftz &&
    decoded.daz === probed.daz
  return agrees ? { ...decoded, method: 'fegetenv' } : { ...probed, method: 'behaviour' }
}
