import { readFileSync } from 'node:fs'
import type { FloatDType } from '../../../shared/tensor.ts'

// The memory that the kernel's threads share: a page of control words, then slots, each laid out as tally.as.ts says.

export const slotCount = 8
export const formats: readonly FloatDType[] = ['f32', 'f64', 'f16', 'bf16']

const pageBytes = 65536
const slotBytes = 5 * pageBytes
const memoryPages = 1 + (slotCount * slotBytes) / pageBytes

/** The part of the engine's WebAssembly used here; Node's own types leave it to those of browsers. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown }
  readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => SharedMemory
}
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer
}

/** What tally.as.ts exports: each counts the first elements (a multiple of 8) of the slot at an address. */
export type Kernel = Record<FloatDType, (address: number, elements: number) => void>

/** Undefined on a processor whose vectors the engine cannot use. */
export function loadKernel(): { kernel: Kernel; memory: SharedMemory } | undefined {
  const code = readFileSync(new URL('./tally.wasm', import.meta.url))
  if (!WebAssembly.validate(code)) return undefined
  const memory = new WebAssembly.Memory({ initial: memoryPages, maximum: memoryPages, shared: true })
  return { kernel: joinKernel(memory), memory }
}

/** The kernel on a memory that another thread made. */
export function joinKernel(memory: SharedMemory): Kernel {
  const code = readFileSync(new URL('./tally.wasm', import.meta.url))
  return new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } }).exports as Kernel
}

export function slotAddress(slot: number): number {
  return pageBytes + slot * slotBytes
}

/** What becomes of a slot: filled by the host, taken by the thread that counts it, done. */
const ready = 1
const taken = 2
const done = 3

/** Who may count a slot, agreed between threads by words of the shared memory. */
export interface Control {
  /** Host: this slot is filled with so many elements. */
  offer(slot: number, format: FloatDType, elements: number): void
  /** Counts this slot if it is ready and no other thread has taken it. */
  count(kernel: Kernel, slot: number): boolean
  isDone(slot: number): boolean
  /** Waits while another thread counts this slot. */
  awaitDone(slot: number): void
  /** Waits until anything is offered that was not when `seen` was read; returns what to wait with next. */
  awaitOffer(seen: number): number
}

export function createControl(memory: SharedMemory): Control {
  const words = new Int32Array(memory.buffer, 0, 4 + slotCount * 4)
  const offers = 0
  const stateAt = (slot: number) => 4 + slot * 4
  return {
    offer(slot, format, elements) {
      const at = stateAt(slot)
      words[at + 1] = formats.indexOf(format)
      words[at + 2] = elements
      Atomics.store(words, at, ready)
      Atomics.add(words, offers, 1)
      Atomics.notify(words, offers, 1)
    },
    count(kernel, slot) {
      const at = stateAt(slot)
      if (Atomics.compareExchange(words, at, ready, taken) !== ready) return false
      kernel[formats[words[at + 1] as number] as FloatDType](slotAddress(slot), words[at + 2] as number)
      Atomics.store(words, at, done)
      Atomics.notify(words, at)
      return true
    },
    isDone: (slot) => Atomics.load(words, stateAt(slot)) === done,
    awaitDone: (slot) => {
      Atomics.wait(words, stateAt(slot), taken)
    },
    awaitOffer(seen) {
      Atomics.wait(words, offers, seen)
      return Atomics.load(words, offers)
    },
  }
}
