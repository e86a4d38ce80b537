import { fileURLToPath } from 'node:url'

/**
 * The file to start as a process or a worker thread: beside the module that asks, or, while running from source
 * (tests), its built form under `dist/`.
 *
 * @param moduleUrl the asking module's `import.meta.url`
 * @param relative  path of the source file seen from there, such as `./main.ts`
 */
export function entryPoint(moduleUrl: string, relative: string): string {
  const source = fileURLToPath(new URL(relative, moduleUrl))
  if (!moduleUrl.endsWith('.ts')) return source.replace(/\.ts$/, '.js')
  const root = fileURLToPath(new URL('..', import.meta.url))
  return `${root}dist/${source.slice(root.length).replace(/\.ts$/, '.js')}`
}
