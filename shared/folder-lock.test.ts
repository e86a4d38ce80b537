import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { lockHolder, takeLock } from './folder-lock.ts'

const remedy = 'stop it'
const folders: string[] = []
async function createFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bitfleet-lock-'))
  folders.push(folder)
  return folder
}
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

describe('the lock of a folder', () => {
  it('is held once and free again after, and says who has it and what to do', async () => {
    const folder = await createFolder()
    const release = await takeLock(folder, remedy)
    await expect(takeLock(folder, remedy)).rejects.toMatchObject({
      code: 'conflict',
      message: `${folder} is held by process ${process.pid}; stop it`,
    })
    await release()
    await release()
    await (await takeLock(folder, remedy))()
  })

  it('is looked at without being touched', async () => {
    const folder = await createFolder()
    expect(await lockHolder(join(folder, 'absent'))).toBeUndefined()
    expect(await lockHolder(folder)).toBeUndefined()
    const release = await takeLock(folder, remedy)
    const before = await readdir(folder)
    expect(await lockHolder(folder)).toEqual({ pid: process.pid, host: hostname() })
    await release()
    expect(await lockHolder(folder)).toBeUndefined()
    expect(await readdir(folder)).toEqual(before)
    await writeFile(join(folder, 'lock.9'), JSON.stringify({ pid: process.pid, host: hostname(), started: 'long ago' }))
    expect(await lockHolder(folder)).toBeUndefined()
    await writeFile(join(folder, 'lock.10'), 'half')
    expect(await lockHolder(folder)).toBeUndefined()
    await writeFile(join(folder, 'lock.11'), JSON.stringify({ pid: 1, host: 'elsewhere', started: '1' }))
    expect(await lockHolder(folder)).toEqual({ pid: 1, host: 'elsewhere' })
  })

  it('is given back in silence where its folder is gone', async () => {
    const folder = await createFolder()
    const release = await takeLock(folder, remedy)
    await rm(folder, { recursive: true })
    await expect(release()).resolves.toBeUndefined()
  })

  it('is taken over from a process that died, by one of those who try', async () => {
    const dead = spawn(process.execPath, ['-e', ''])
    await once(dead, 'exit')
    for (let round = 0; round < 20; round++) {
      const folder = await createFolder()
      await writeFile(join(folder, 'lock.7'), JSON.stringify({ pid: dead.pid, host: hostname(), started: '1' }))
      const tries = await Promise.allSettled(Array.from({ length: 12 }, () => takeLock(folder, remedy)))
      const taken = tries.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []))
      expect(taken).toHaveLength(1)
      await expect(takeLock(folder, remedy)).rejects.toMatchObject({ code: 'conflict' })
      await taken[0]?.()
      await (await takeLock(folder, remedy))()
      expect((await readdir(folder)).length).toBeLessThanOrEqual(2)
    }
  }, 30_000)

  it('is held by one at a time, however many take and release it', async () => {
    const folder = await createFolder()
    let holders = 0
    let taken = 0
    const contend = async () => {
      for (let i = 0; i < 15; i++) {
        const release = await takeLock(folder, remedy).catch((error: { code: string }) => {
          expect(error.code).toBe('conflict')
          return undefined
        })
        if (!release) continue
        taken++
        expect(++holders).toBe(1)
        await new Promise((resolve) => setImmediate(resolve))
        holders--
        await release()
      }
    }
    await Promise.all(Array.from({ length: 8 }, contend))
    expect(taken).toBeGreaterThan(0)
  }, 30_000)

  it('is taken over where its pid is another process by now', async () => {
    const folder = await createFolder()
    await writeFile(
      join(folder, 'lock.1'),
      JSON.stringify({ pid: process.ppid, host: hostname(), started: 'long ago' }),
    )
    const release = await takeLock(folder, remedy)
    expect(JSON.parse(await readFile(join(folder, 'lock.2'), 'utf8'))).toMatchObject({ pid: process.pid })
    await release()
  })

  it('is left alone on another host, and where something else wrote it', async () => {
    const folder = await createFolder()
    const path = join(folder, 'lock.1')
    await writeFile(path, JSON.stringify({ pid: 1, host: 'elsewhere', started: '1' }))
    await expect(takeLock(folder, remedy)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('elsewhere'),
    })
    await writeFile(path, 'not ours')
    await expect(takeLock(folder, remedy)).rejects.toMatchObject({ code: 'conflict' })
    expect(await readdir(folder)).toEqual(['lock.1'])
  })
})
