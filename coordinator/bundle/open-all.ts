import { type Bundle, openBundle } from '../../shared/bundle.ts'
import type { ByteSource } from '../../shared/zip.ts'

/**
 * Opens bundles, uses them, and closes them whatever comes.
 *
 * @throws as `openBundle`, before `use` is called
 */
export async function withBundles<T>(
  sources: readonly (string | ByteSource)[],
  use: (bundles: readonly Bundle[]) => Promise<T>,
): Promise<T> {
  const bundles: Bundle[] = []
  try {
    for (const source of sources) bundles.push(await openBundle(source))
    return await use(bundles)
  } finally {
    for (const bundle of bundles) await bundle.close()
  }
}
