import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { CommandResult } from './command.ts'
import { emulatorFacts, readEmulator } from './emulator.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-emulator-'))
afterAll(() => rmSync(folder, { recursive: true }))

const said = (stdout: string): CommandResult => ({ status: 'ok', stdout, stderr: '' })
const qemu = said(
  'qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c) 2003-2022 Fabrice Bellard\n',
)

/** A /proc as a process sees it; the kernel's own link stands at its thread. */
function procOf(name: string, own: string, threads: string, cmdline: readonly string[] = []): string {
  const proc = join(folder, name)
  mkdirSync(join(proc, 'self/task/7'), { recursive: true })
  symlinkSync(own, join(proc, 'self/exe'))
  symlinkSync(threads, join(proc, 'self/task/7/exe'))
  writeFileSync(join(proc, 'self/task/7/cmdline'), cmdline.map((word) => `${word}\0`).join(''))
  return proc
}

const read = async (proc: string, answer: CommandResult) => {
  const asked: string[] = []
  const run = (file: string, args: readonly string[]) => {
    asked.push([file, ...args].join(' '))
    return Promise.resolve(answer)
  }
  return { found: await readEmulator({ proc, pid: 7, run }), asked }
}

describe('an emulator', () => {
  it('is seen where the kernel runs another program than the process is shown', async () => {
    const executable = '/usr/bin/qemu-aarch64-static'
    const argv = [executable, '-L', '/p', '-cpu', 'neoverse-n1', '/b/node', 'main.js', '-cpu', 'not this']
    const { found, asked } = await read(procOf('qemu', '/b/node', executable, argv), qemu)
    expect(found).toEqual({
      ...{ title: 'qemu-aarch64 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)', executable, cpu: 'neoverse-n1' },
    })
    expect(asked).toEqual([`${executable} --version`])
  })

  it('is named by its file where it does not say what it is, and its processor is left open', async () => {
    const proc = procOf('silent', '/b/node', '/opt/fex', ['/opt/fex', '-cpu', 'x'])
    expect((await read(proc, { status: 'absent' })).found).toEqual({
      title: 'fex',
      executable: '/opt/fex',
      cpu: undefined,
    })
    const plain = procOf('plain', '/b/node', '/usr/bin/qemu-aarch64', ['/usr/bin/qemu-aarch64', '/b/node'])
    expect((await read(plain, qemu)).found).toMatchObject({ cpu: undefined })
  })

  it('is none where both are one program, or the system does not say', async () => {
    expect(await read(procOf('native', '/b/node', '/b/node'), qemu)).toEqual({ found: undefined, asked: [] })
    expect((await read(join(folder, 'no-proc'), qemu)).found).toBeUndefined()
    expect(await readEmulator()).toBeUndefined()
  })

  it('gives the facts of what is inside it', () => {
    expect(emulatorFacts({ title: 'qemu-aarch64 7.2.22', executable: '/q', cpu: 'max' })).toMatchObject({
      ...{ emulator: 'qemu-aarch64 7.2.22', 'emulator.cpu': 'max', 'os.arch': process.arch },
    })
    expect(emulatorFacts({ title: 'fex', executable: '/q' })).not.toHaveProperty(['emulator.cpu'])
  })
})
