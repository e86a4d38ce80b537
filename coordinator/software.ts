import { readFileSync } from 'node:fs'

/** Name and version of this program, as reports state it. */
export function softwareName(): string {
  const path = import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json'
  const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as Record<string, string>
  return `${name} ${version}`
}
