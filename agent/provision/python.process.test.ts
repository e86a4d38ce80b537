import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { withoutPython } from '../../test/python.ts'
import { findPython } from './python.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-find-python-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** A program in the place of a Python. */
function script(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return path
}

const environment = { PATH: process.env.PATH, HOME: process.env.HOME }

describe.skipIf(withoutPython("this machine's Python"))("this machine's Python", () => {
  it('is the file itself, behind whatever link or shim', () => {
    const python = findPython(environment)
    expect(python?.tag).toMatch(/^[a-z]+3\d+t?$/)
    expect(python?.version).toMatch(/^3\.\d+\.\d+/)
    const path = python?.executable ?? ''
    expect(existsSync(path) && lstatSync(path).isFile()).toBe(true)
    expect(spawnSync(path, ['-I', '-c', 'print(1)'], { encoding: 'utf8' }).stdout).toBe('1\n')
    const shim = script('shim', 'exec python3 "$@"')
    expect(findPython({ ...environment, BITFLEET_PYTHON: shim })).toEqual(python)
  })
})

describe('no Python', () => {
  it.each([
    ['nothing there', join(folder, 'none')],
    ['what fails', script('fails', 'exit 1')],
    ['what says something else', script('talks', 'echo hello')],
    ['one of 32 bits', script('small', 'echo \'{"executable":"/bin/sh","version":"3.11.0","tag":"cp311","bits":32}\'')],
  ])('is %s', (_, path) => {
    expect(findPython({ ...environment, BITFLEET_PYTHON: path })).toBeUndefined()
  })
})
