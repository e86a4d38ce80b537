import { mkdir, mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { digestOf } from '../../shared/digest.ts'
import { storeContract } from '../../test/contracts/store.ts'
import { openStore } from './index.ts'

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

it('keeps nothing of what a full disk does not take, says so, and goes on when there is room', async () => {
  const folder = await createFolder()
  const store = await openStore(folder)
  const bytes = Buffer.from('a tensor')
  const handle = await open(folder, 'r')
  const writing = vi.spyOn(Object.getPrototypeOf(handle) as typeof handle, 'write')
  await handle.close()
  writing.mockRejectedValueOnce(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }))
  await expect(store.putObject(bytes, digestOf(bytes))).rejects.toMatchObject({
    code: 'system',
    message: expect.stringMatching(/no space left.*make room/),
  })
  writing.mockRestore()
  expect(await readdir(join(folder, 'incoming'))).toEqual([])
  expect(await store.hasObject(digestOf(bytes))).toBe(false)
  // The disk is tried again after a while.
  await vi.waitFor(() => store.putObject(bytes, digestOf(bytes)), { timeout: 60_000, interval: 200 })
  expect(await store.getObject(digestOf(bytes))).toEqual(bytes)
  await store.close()
}, 120_000)
