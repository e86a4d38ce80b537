import { createTensorflow } from '../tensorflow.ts'
import type { InstalledDriver } from './index.ts'

/** Built for processors alone. */
export const installedTensorflow: InstalledDriver = {
  id: 'tensorflow',
  driver: (id, folder) => createTensorflow(id, folder, 'cpu'),
}

/** Built for NVIDIA's GPUs as well. */
export const installedTensorflowGpu: InstalledDriver = {
  id: 'tensorflow-gpu',
  driver: (id, folder) => createTensorflow(id, folder, 'gpu'),
}
