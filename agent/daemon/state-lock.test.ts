import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { lockStateDir } from './state-lock.ts'

const root = mkdtempSync(join(tmpdir(), 'bitfleet-lock-'))
afterAll(() => rmSync(root, { recursive: true }))
let folders = 0
const folder = () => join(root, String(folders++))

describe('a state folder', () => {
  it('is held once, and free again after', () => {
    const dir = folder()
    const unlock = lockStateDir(dir)
    expect(() => lockStateDir(dir)).toThrow(
      expect.objectContaining({ code: 'conflict', message: expect.stringContaining(`${process.pid}`) }),
    )
    unlock()
    unlock()
    expect(readdirSync(dir)).toEqual([])
    lockStateDir(dir)()
  })

  it('is taken over from a process that died', async () => {
    const dir = folder()
    lockStateDir(dir)()
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    writeFileSync(join(dir, 'agent.pid'), `${child.pid} 12345\n`)
    lockStateDir(dir)()
    expect(readdirSync(dir)).toEqual([])
  })

  it.runIf(existsSync('/proc/self/stat'))('is taken over when the process id is another process by now', () => {
    const dir = folder()
    lockStateDir(dir)()
    writeFileSync(join(dir, 'agent.pid'), `${process.pid} 1\n`)
    const unlock = lockStateDir(dir)
    expect(readFileSync(join(dir, 'agent.pid'), 'utf8')).toMatch(new RegExp(`^${process.pid} \\d{2,}|-$`))
    unlock()
  })

  it('is taken over from a lock that says nothing', () => {
    const dir = folder()
    lockStateDir(dir)()
    writeFileSync(join(dir, 'agent.pid'), '')
    const unlock = lockStateDir(dir)
    expect(readFileSync(join(dir, 'agent.pid'), 'utf8')).toMatch(new RegExp(`^${process.pid} \\d{2,}|-$`))
    unlock()
  })
})
