import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { digestOf } from '../../shared/digest.ts'
import { storeContract } from '../../test/contracts/store.ts'
import { openStore } from './index.ts'
import { takeLock } from './lock.ts'

const folders: string[] = []
async function createFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bitfleet-store-'))
  folders.push(folder)
  return folder
}
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

describe('the file store', () => {
  storeContract(openStore, createFolder)
})

describe('the lock', () => {
  it('keeps a second opener out, and says who has it', async () => {
    const folder = await createFolder()
    const store = await openStore(folder)
    await expect(openStore(folder)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(`${folder} is held by process ${process.pid}`),
    })
    expect((await stat(folder)).mode & 0o077).toBe(0)
    await store.close()
    await (await openStore(folder)).close()
  }, 120_000)

  it('is taken over from a process that died, by one of those who try', async () => {
    const dead = spawn(process.execPath, ['-e', ''])
    await once(dead, 'exit')
    for (let round = 0; round < 20; round++) {
      const folder = await createFolder()
      await writeFile(join(folder, 'lock.7'), JSON.stringify({ pid: dead.pid, host: hostname(), started: '1' }))
      const tries = await Promise.allSettled(Array.from({ length: 12 }, () => takeLock(folder)))
      const taken = tries.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []))
      expect(taken).toHaveLength(1)
      await expect(takeLock(folder)).rejects.toMatchObject({ code: 'conflict' })
      await taken[0]?.()
      await (await takeLock(folder))()
      expect((await readdir(folder)).length).toBeLessThanOrEqual(2)
    }
  }, 30_000)

  it('is held by one at a time, however many take and release it', async () => {
    const folder = await createFolder()
    let holders = 0
    let taken = 0
    const contend = async () => {
      for (let i = 0; i < 15; i++) {
        const release = await takeLock(folder).catch((error: { code: string }) => {
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
    const release = await takeLock(folder)
    expect(JSON.parse(await readFile(join(folder, 'lock.2'), 'utf8'))).toMatchObject({ pid: process.pid })
    await release()
  })

  it('is left alone on another host, and where something else wrote it', async () => {
    const folder = await createFolder()
    const path = join(folder, 'lock.1')
    await writeFile(path, JSON.stringify({ pid: 1, host: 'elsewhere', started: '1' }))
    await expect(takeLock(folder)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('elsewhere'),
    })
    await writeFile(path, 'not ours')
    await expect(takeLock(folder)).rejects.toMatchObject({ code: 'conflict' })
    expect(await readdir(folder)).toEqual(['lock.1'])
  })
})

it('takes no bytes that others sent for a record of its own', async () => {
  const folder = await createFolder()
  const first = await openStore(folder)
  const forged = Buffer.from('{"agent":{"id":"forged"},"record":"agent@1","seenAt":"2026"}')
  await first.putObject(forged, digestOf(forged))
  await first.close()
  await rm(join(folder, 'db'), { recursive: true })
  await mkdir(join(folder, 'records'), { recursive: true })
  const again = await openStore(folder)
  expect(await again.listAgents()).toEqual([])
  await again.close()
}, 120_000)
