import { js } from '../js.ts'
import type { InstalledDriver } from './index.ts'

/** The reference under another Node.js: the runner itself is started by the one that was installed. */
export const installedJs: InstalledDriver = {
  id: 'js',
  driver: (id) => ({ ...js, id, title: `${js.title}, under a Node.js of its own` }),
}
