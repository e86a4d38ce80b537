import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { needs } from '../../test/needs.ts'
import { createModeReader, type ModeReader, openNative } from './thread-mode.ts'

// Programs that a debugger disturbs easily, looked at as often as a runner ever would.

vi.setConfig({ testTimeout: 60_000 })

const source = `
#define _GNU_SOURCE
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
enum { signals = 2000 };
static volatile int seen;
static void count(int s) { (void)s; seen++; }
static void *send(void *to) {
  for (int i = 0; i < signals; i++) {
    while (pthread_sigqueue(*(pthread_t *)to, SIGRTMIN, (union sigval){.sival_int = i}) == EAGAIN) usleep(100);
    usleep(20);
  }
  return 0;
}
static void *live(void *unused) { usleep(400000); exit(6); return unused; }
int main(int argc, char **argv) {
  (void)argc;
  volatile double x = 1;
  if (!strcmp(argv[1], "signals")) {
    struct sigaction act = {.sa_handler = count};
    sigaction(SIGRTMIN, &act, 0);
    pthread_t self = pthread_self(), sender;
    pthread_create(&sender, 0, send, &self);
    for (long i = 0; seen < signals && i < 40000000000; i++) x = x * 1.0000001 + 1e-9;
    pthread_join(sender, 0);
    return seen == signals ? 0 : 1;
  }
  if (!strcmp(argv[1], "one signal")) {
    struct sigaction act = {.sa_handler = count};
    sigaction(SIGUSR1, &act, 0);
    puts("set"); fflush(stdout);
    for (long i = 0; !seen && i < 3000000000; i++) x = x * 1.0000001 + 1e-9;
    return seen == 1 ? 0 : 1;
  }
  if (!strcmp(argv[1], "rounding")) {
    fesetround(FE_UPWARD);
    puts("set"); fflush(stdout);
    for (;;) x = x * 1.0000001 + 1e-9;
  }
  if (!strcmp(argv[1], "vfork")) {
    if (vfork() == 0) { write(1, "set\\n", 4); usleep(500000); _exit(0); }
    return 5;
  }
  if (!strcmp(argv[1], "leaves")) {
    pthread_t other;
    pthread_create(&other, 0, live, 0);
    puts("set"); fflush(stdout);
    pthread_exit(0);
  }
  if (!strcmp(argv[1], "traced")) {
    pid_t pid = getpid();
    if (fork() == 0) {
      puts(ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 ? "set" : "not permitted"); fflush(stdout);
      usleep(500000);
      _exit(0);
    }
    wait(0);
    return 4;
  }
  return 9;
}
`
const folder = mkdtempSync(join(tmpdir(), 'bitfleet-thread-mode-'))
const started: ChildProcess[] = []
afterAll(() => {
  // Those of a test that failed; `kill` does nothing to one that has ended.
  for (const child of started) child.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})
const readable = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)
const compiled = readable && spawnSync('cc', ['--version']).status === 0
const absent = needs('the floating-point mode of another process', compiled, 'no Linux on x86-64 or arm64 with cc')
const binary = join(folder, 'program')
if (!absent) {
  writeFileSync(join(folder, 'program.c'), source)
  execFileSync('cc', ['-O1', '-pthread', '-frounding-math', '-o', binary, join(folder, 'program.c'), '-lm'])
}
const native = await openNative()

/** Starts a program, and resolves once it says so. */
async function start(executable: string, ...argv: string[]) {
  const child = spawn(executable, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const said = once(child.stdout, 'data').then(([data]) => String(data).trim())
  return { child, pid: child.pid as number, ended, said }
}

/** Looks again and again until the program has ended. @returns how many times the mode was read */
async function lookUntilEnd(child: ChildProcess, reader: ModeReader, pauseMs = 1): Promise<number> {
  let count = 0
  while (child.exitCode === null && child.signalCode === null) {
    if ('mode' in reader.read(child.pid as number)) count++
    await delay(pauseMs)
  }
  return count
}

const statusOf = (pid: number) => readFileSync(`/proc/${pid}/status`, 'utf8')

describe.skipIf(absent)('a program whose floating-point mode is read', () => {
  const calls = native as Exclude<typeof native, string>
  const reader = createModeReader(calls)

  it('shows what it has set, is let go, and goes on', async () => {
    const { child, pid, said, ended } = await start(binary, 'rounding')
    expect(await said).toBe('set')
    const registers = process.arch === 'x64' ? { mxcsr: '0x5f80', x87: '0x0b7f' } : { fpcr: '0x00400000' }
    expect(reader.read(pid)).toEqual({ mode: { rounding: 'up', ftz: false, daz: false, registers } })
    expect(statusOf(pid)).toMatch(/^TracerPid:\s+0$/m)
    expect(statusOf(pid)).toMatch(/^State:\s+R/m)
    child.kill('SIGTERM')
    expect(await ended).toEqual([null, 'SIGTERM'])
    expect(reader.read(pid)).toEqual({ busy: 'it has ended' })
  })

  it('gets every signal that it is sent meanwhile', async () => {
    const { child, ended } = await start(binary, 'signals')
    expect(await lookUntilEnd(child, reader, 0)).toBeGreaterThan(20)
    expect(await ended).toEqual([0, null])
  })

  it('gets a signal that stops it before the reader does', async () => {
    const { child, said, ended } = await start(binary, 'one signal')
    expect(await said).toBe('set')
    const seize = 0x4206
    const late = createModeReader({
      ...calls,
      ptrace(request, pid, address, data) {
        const result = calls.ptrace(request, pid, address, data)
        if (request !== seize) return result
        expect(process.kill(pid, 'SIGUSR1')).toBe(true)
        for (let i = 0; i < 500 && !/^State:\s+t/m.test(statusOf(pid)); i++) {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
        }
        return result
      },
    })
    expect(late.read(child.pid as number)).toMatchObject({ mode: { rounding: 'nearest' } })
    expect(await ended).toEqual([0, null])
  })

  it('may start others, and become another', async () => {
    const script = 'i=0; while [ $i -lt 60 ]; do /bin/true; i=$((i+1)); done; exec /bin/sh -c "sleep 0.1; exit 7"'
    const { child, ended } = await start('/bin/sh', '-c', script)
    expect(await lookUntilEnd(child, reader)).toBeGreaterThan(5)
    expect(await ended).toEqual([7, null])
  })

  it('is left alone while nothing can stop it', async () => {
    const { pid, said, ended } = await start(binary, 'vfork')
    expect(await said).toBe('set')
    expect(reader.read(pid)).toEqual({ busy: 'it is in state D' })
    expect(await ended).toEqual([5, null])
  })

  it('is left alone while it waits in a call that would end with EINTR', async () => {
    const { child, pid, said, ended } = await start(
      process.execPath,
      '-e',
      `console.log('set'); setInterval(() => {}, 1e6)`,
    )
    expect(await said).toBe('set')
    await expect
      .poll(() => reader.read(pid))
      .toMatchObject({ busy: expect.stringMatching(/^it waits in system call \d+$/) })
    child.kill('SIGKILL')
    expect(await ended).toEqual([null, 'SIGKILL'])
  })

  it('is left alone while it is stopped, and after its main thread has ended', async () => {
    const stopped = await start('/bin/sh', '-c', 'echo set; sleep 0.3; exit 3')
    await stopped.said
    stopped.child.kill('SIGSTOP')
    await expect.poll(() => reader.read(stopped.pid)).toEqual({ busy: 'it is in state T' })
    stopped.child.kill('SIGCONT')
    expect(await stopped.ended).toEqual([3, null])

    const left = await start(binary, 'leaves')
    await left.said
    await expect.poll(() => reader.read(left.pid)).toEqual({ busy: 'it is in state Z' })
    expect(await left.ended).toEqual([6, null])
  })

  it('is left alone while another process traces it', async (context) => {
    const { pid, said, ended } = await start(binary, 'traced')
    if ((await said) !== 'set') context.skip()
    expect(reader.read(pid)).toEqual({ busy: 'another process traces it' })
    expect(await ended).toEqual([4, null])
  })

  it('is never read where that is not permitted', () => {
    // No process traces itself.
    expect(reader.read(process.pid)).toEqual({ never: 'ptrace is not permitted' })
  })
})

it.skipIf(readable)('says why no mode can be read here', () => {
  expect(native).toBe(`no reader for ${process.platform} on ${process.arch}`)
})
