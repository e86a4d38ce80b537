import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Where the kernel's pseudo file systems stand; tests point them at captured trees. */
export interface Roots {
  readonly proc: string
  readonly sys: string
  readonly etc: string
}

export const systemRoots: Roots = { proc: '/proc', sys: '/sys', etc: '/etc' }

/** What a small text file says, trimmed; undefined where it is absent, unreadable or empty. */
export async function readText(...path: string[]): Promise<string | undefined> {
  try {
    const text = (await readFile(join(...path), 'utf8')).replaceAll('\0', ' ').trim()
    return text === '' ? undefined : text
  } catch {
    return undefined
  }
}

/** Names in a folder in order; none where it is absent. */
export async function readNames(...path: string[]): Promise<string[]> {
  try {
    return (await readdir(join(...path))).sort()
  } catch {
    return []
  }
}
