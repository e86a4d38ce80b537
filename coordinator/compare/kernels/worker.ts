import { workerData } from 'node:worker_threads'
import { type SharedMemory, createControl, joinKernel, slotCount } from './slots.ts'

// A thread that counts slots as they are offered, until the process ends.

const memory = workerData as SharedMemory
const kernel = joinKernel(memory)
const control = createControl(memory)

for (let seen = 0; ; seen = control.awaitOffer(seen)) {
  for (let slot = 0; slot < slotCount; ) slot = control.count(kernel, slot) ? 0 : slot + 1
}
