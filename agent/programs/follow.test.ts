import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { followTrace, leftFiles } from './follow.ts'
import { traceFile } from './trace-line.ts'

const root = mkdtempSync(join(tmpdir(), 'bitfleet-follow-'))
afterAll(() => rmSync(root, { recursive: true }))

function followed(name: string) {
  const folder = join(root, name)
  mkdirSync(folder)
  writeFileSync(join(folder, traceFile), 'one\n')
  const follower = followTrace(folder)
  expect(follower.readLines()).toEqual(['one'])
  return { folder, follower }
}

describe('what became of a trace', () => {
  it('is nothing if it is where it was', () => {
    const { folder, follower } = followed('there')
    follower.checkPlace()
    expect(leftFiles(folder)).toEqual([])
    follower.close()
  })

  it('is said if it was removed', () => {
    const { folder, follower } = followed('removed')
    rmSync(join(folder, traceFile))
    expect(() => follower.checkPlace()).toThrow(/^it was removed while the program ran; leave it there/)
    follower.close()
  })

  it('is said if its folder was removed', () => {
    const { folder, follower } = followed('gone')
    rmSync(folder, { recursive: true })
    expect(() => follower.checkPlace()).toThrow(/^its folder, BITFLEET_OUT, was removed while the program ran/)
    expect(() => leftFiles(folder)).toThrow(/^its folder, BITFLEET_OUT, was removed/)
    follower.close()
  })

  it('is said if another file is in its place', () => {
    const { folder, follower } = followed('replaced')
    writeFileSync(join(folder, 'other'), 'two\n')
    renameSync(join(folder, 'other'), join(folder, traceFile))
    expect(() => follower.checkPlace()).toThrow(/^another file was put in its place/)
    follower.close()
  })
})
