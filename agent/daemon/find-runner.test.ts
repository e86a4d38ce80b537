import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readVersion } from '../build.ts'
import { findRunner, runnerPlaces } from './find-runner.ts'

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-runners-'))
afterAll(() => rmSync(folder, { recursive: true }))

function runners(name: string, manifest?: string): string {
  const made = join(folder, name)
  mkdirSync(join(made, 'agent', 'runner'), { recursive: true })
  writeFileSync(join(made, 'agent', 'runner', 'main.js'), '')
  if (manifest !== undefined) writeFileSync(join(made, 'package.json'), manifest)
  return made
}

describe('findRunner', () => {
  it('takes those that the environment names, of its own version alone', () => {
    const same = runners('same', JSON.stringify({ version: readVersion() }))
    expect(findRunner({ runnersFolder: same })).toEqual({ file: join(same, 'agent/runner/main.js') })
    for (const [name, manifest] of [['other', '{"version":"0.0.1"}'], ['nameless']] as const) {
      expect(findRunner({ runnersFolder: runners(name, manifest) })).toEqual({
        reason: expect.stringContaining(join(folder, name)) as string,
        add: 'apt-get install bitfleet-agent bitfleet-runners',
      })
    }
  })

  it('does not look elsewhere where the environment names a folder that has none, or a broken one', () => {
    expect(() => findRunner({ runnersFolder: folder })).toThrow(expect.objectContaining({ code: 'usage' }))
    const broken = runners('broken', '{')
    expect(() => findRunner({ runnersFolder: broken })).toThrow(expect.objectContaining({ code: 'format' }))
  })

  it('takes its own, in a whole installation', () => {
    expect(findRunner({})).toEqual({ file: expect.stringMatching(/dist\/agent\/runner\/main\.js$/) as string })
  })
})

describe('runnerPlaces', () => {
  it('are beside the daemon first, then where packages put them, each once', () => {
    expect(runnerPlaces('/opt/lab/bin')).toEqual([
      '/opt/lab/bin/runners',
      '/opt/lab/lib/bitfleet/runners',
      '/usr/local/lib/bitfleet/runners',
      '/usr/lib/bitfleet/runners',
    ])
    expect(runnerPlaces('/usr/lib/bitfleet').filter((place) => place === '/usr/lib/bitfleet/runners')).toHaveLength(1)
  })
})
