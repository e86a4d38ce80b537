import { readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { arch, platform } from 'node:process'
import { BitfleetError } from '../../shared/errors.ts'
import { decodeFpcr, decodeMxcsr, type FloatingPointMode } from './floating-point.ts'

// The floating-point mode of a child process's main thread. Only the kernel can read another thread's registers, and
// only while the thread is stopped: for about 0.1 ms. A wait for the child must not come between (Node.js would take
// the stop for the child's end), so everything here is synchronous, and the child is let go before it returns.

/** What one look at a thread gives. `busy` may go another time, `never` does not. */
export type ModeReading = { readonly mode: FloatingPointMode } | { readonly busy: string } | { readonly never: string }

export interface ModeReader {
  /**
   * @param pid of a child of this process
   * @throws `system` if the kernel has not let the child go; the caller must end it
   */
  read(pid: number): ModeReading
}

/** @see ptrace(2); the numbers are those of `sys/ptrace.h`, `sys/wait.h` and `elf.h`, equal on x86-64 and arm64. */
const PTRACE_DETACH = 17
const PTRACE_GETREGSET = 0x4204
const PTRACE_SEIZE = 0x4206
const PTRACE_INTERRUPT = 0x4207
const NT_PRFPREG = 2
const P_PID = 1
const WNOHANG = 1
const WSTOPPED = 2
const WALL = 0x40000000
const EPERM = 1
const ESRCH = 3

/** How long a thread that could stop may take, in ms. */
const stopMs = 10_000

/**
 * Calls that end with EINTR when their thread is stopped: a program need not expect that. A thread that sleeps in one
 * is left alone. @see signal(7), "Interruption of system calls and library functions by stop signals"
 */
const interruptible: Readonly<Record<string, readonly number[]>> = {
  // ioctl, accept, connect, sendto, recvfrom, sendmsg, recvmsg, semop, msgsnd, msgrcv, rt_sigtimedwait, io_getevents,
  // semtimedop, epoll_wait, epoll_pwait, accept4, recvmmsg, sendmmsg, io_pgetevents, io_uring_enter, epoll_pwait2
  x64: [16, 43, 42, 44, 45, 46, 47, 65, 69, 70, 128, 208, 220, 232, 281, 288, 299, 307, 333, 426, 441],
  arm64: [29, 202, 203, 206, 207, 211, 212, 193, 189, 188, 137, 4, 192, 22, 242, 243, 269, 292, 426, 441],
}

/** What of the C library is called. */
export interface Native {
  ptrace(request: number, pid: number, address: number | null, data: Uint8Array | number | null): number
  waitid(type: number, id: number, info: Uint8Array, options: number): number
  errno(): number
  addressOf(bytes: Uint8Array): bigint
}

/** @returns the reader, or why there is none here */
export async function openModeReader(): Promise<ModeReader | string> {
  const native = await openNative()
  return typeof native === 'string' ? native : createModeReader(native)
}

export function createModeReader(native: Native): ModeReader {
  return { read: (pid) => readMode(native, pid) }
}

/** @returns the calls, or why they cannot be made here */
export async function openNative(): Promise<Native | string> {
  if (platform !== 'linux' || interruptible[arch] === undefined) return `no reader for ${platform} on ${arch}`
  try {
    const { default: koffi } = await import('koffi')
    const library = koffi.load(null)
    return {
      ptrace: library.func('long ptrace(long request, int pid, void *address, void *data)') as Native['ptrace'],
      waitid: library.func('int waitid(int type, int id, _Inout_ void *info, int options)') as Native['waitid'],
      errno: () => koffi.errno(),
      addressOf: (bytes) => koffi.address(bytes),
    }
  } catch {
    return 'koffi cannot be loaded'
  }
}

function readMode(native: Native, pid: number): ModeReading {
  const hindrance = findHindrance(pid)
  if (hindrance !== undefined) return hindrance
  if (native.ptrace(PTRACE_SEIZE, pid, null, null) !== 0) return seizureReading(native.errno(), pid)
  // From here on the child is seized: every way out lets it go, or finds that it is gone.
  native.ptrace(PTRACE_INTERRUPT, pid, null, null)
  const stop = waitForStop(native, pid)
  if (stop === undefined) return { busy: 'it ended, or started another program' }
  const reading = readRegisters(native, pid)
  native.ptrace(PTRACE_DETACH, pid, null, stop.signal)
  return reading
}

/** Why a process is not to be stopped now, or ever. */
function findHindrance(pid: number): ModeReading | undefined {
  const { state } = statusOf(pid)
  if (state === undefined || !/[RS]/.test(state))
    return { busy: state === undefined ? 'it has ended' : `it is in state ${state}` }
  const executable = linkOf(`/proc/${pid}/exe`)
  if (executable !== undefined && basename(executable).startsWith('qemu-')) {
    return { never: `${basename(executable)} emulates its processor` }
  }
  if (state === 'R') return undefined
  const call = Number.parseInt(textOf(`/proc/${pid}/syscall`) ?? '', 10)
  // Of a thread that just woke up, the file says `running`, which is no number.
  return interruptible[arch]?.includes(call) ? { busy: `it waits in system call ${call}` } : undefined
}

function seizureReading(errno: number, pid: number): ModeReading {
  if (errno === ESRCH) return { busy: 'it has ended' }
  if (statusOf(pid).tracer !== 0) return { busy: 'another process traces it' }
  return { never: errno === EPERM ? 'ptrace is not permitted' : `ptrace fails with errno ${errno}` }
}

/**
 * Waits until a seized child has stopped. One that sleeps where nothing wakes it (a disk that does not answer, a vfork)
 * does nothing meanwhile either, and the execution's limit of time ends both.
 *
 * @returns the signal that the child is owed (0: none), or undefined if it is not seized any more
 */
function waitForStop({ waitid, ptrace }: Native, pid: number): { signal: number } | undefined {
  const info = new Uint8Array(128)
  const view = new DataView(info.buffer)
  let waitedMs = 0
  for (let round = 0; ; round++) {
    info.fill(0)
    // Only stops: the child's end is for Node.js to see.
    if (waitid(P_PID, pid, info, WSTOPPED | WNOHANG | WALL) === 0 && view.getInt32(16, true) === pid) {
      const status = view.getInt32(24, true)
      // An event of ptrace in the second byte: no signal of the child's.
      return { signal: status >> 8 === 0 ? status : 0 }
    }
    const { state, tracer } = statusOf(pid)
    if (state === undefined || /[ZX]/.test(state) || tracer === 0) return undefined
    const pauseMs = round < 20 ? 0.05 : 2
    if (state !== 'D') waitedMs += pauseMs
    if (waitedMs > stopMs) break
    sleep(pauseMs)
  }
  if (ptrace(PTRACE_DETACH, pid, null, null) === 0) return undefined
  throw new BitfleetError('system', `process ${pid} was not let go after its floating-point mode was asked for`)
}

function readRegisters({ ptrace, addressOf, errno }: Native, pid: number): ModeReading {
  const registers = new Uint8Array(4096)
  const vector = new BigUint64Array([addressOf(registers), BigInt(registers.byteLength)])
  if (ptrace(PTRACE_GETREGSET, pid, NT_PRFPREG, new Uint8Array(vector.buffer)) !== 0) {
    return { never: `its registers cannot be read: errno ${errno()}` }
  }
  const mode = decodeRegisterSet(registers.subarray(0, Number(vector[1])), arch)
  return mode === undefined ? { never: `its registers are of another architecture than ${arch}` } : { mode }
}

/**
 * The mode out of a thread's floating-point register set. x86-64: the 512 bytes of FXSAVE, with the x87 control word at
 * 0 and MXCSR at 24. arm64: 32 vector registers, then FPSR and FPCR. A process of 32 bits has a set of another length.
 *
 * @see Intel SDM volume 1, table 10-2; struct user_fpsimd_state in the kernel's asm/ptrace.h
 */
export function decodeRegisterSet(set: Uint8Array, on: string): FloatingPointMode | undefined {
  const view = new DataView(set.buffer, set.byteOffset, set.byteLength)
  if (on === 'x64' && set.byteLength === 512) {
    const mode = decodeMxcsr(view.getUint32(24, true))
    const x87 = `0x${view.getUint16(0, true).toString(16).padStart(4, '0')}`
    return { ...mode, registers: { ...mode.registers, x87 } }
  }
  if (on === 'arm64' && set.byteLength === 528) return decodeFpcr(view.getUint32(516, true))
  return undefined
}

/** Of the main thread: its state by one letter, and the process that traces it (0: none). */
function statusOf(pid: number): { state?: string; tracer?: number } {
  const status = textOf(`/proc/${pid}/status`)
  if (status === undefined) return {}
  return { state: /^State:\s+(\S)/m.exec(status)?.[1], tracer: Number(/^TracerPid:\s+(\d+)/m.exec(status)?.[1] ?? 0) }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

const nothing = new Int32Array(new SharedArrayBuffer(4))
function sleep(ms: number): void {
  Atomics.wait(nothing, 0, 0, ms)
}
