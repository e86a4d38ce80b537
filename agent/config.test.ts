import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readAgentConfig, readSoftware, withState } from './config.ts'

describe('the agent’s configuration', () => {
  it('finds the state folder as XDG has it', () => {
    const fallback = join(homedir(), '.local/state/bitfleet')
    expect(readAgentConfig({}).stateRoot).toBe(fallback)
    expect(readAgentConfig({ XDG_STATE_HOME: '/x' }).stateRoot).toBe('/x/bitfleet')
    // The specification has relative paths ignored.
    expect(readAgentConfig({ XDG_STATE_HOME: 'x' }).stateRoot).toBe(fallback)
    expect(readAgentConfig({ XDG_STATE_HOME: '/x', BITFLEET_STATE: '/y' }).stateRoot).toBe('/y')
  })

  it('takes modules by absolute path alone', () => {
    const file = import.meta.filename
    expect(readAgentConfig({ BITFLEET_RUNNER_MODULES: `${file}:${file}` }).runnerModules).toEqual([file, file])
    expect(readAgentConfig({ BITFLEET_RUNNER_MODULES: '' }).runnerModules).toEqual([])
    for (const path of ['backend.mjs', './backend.mjs', '/nowhere/backend.mjs']) {
      expect(() => readAgentConfig({ BITFLEET_RUNNER_MODULES: path })).toThrow(
        expect.objectContaining({ code: 'usage' }),
      )
    }
  })

  it('has one list of programs where one is named, else those of the state folders', () => {
    const own = readAgentConfig({ BITFLEET_STATE: '/y' })
    expect(own.programLists).toEqual(['/y/programs.json'])
    expect(withState(own, '/z').programLists).toEqual(['/z/programs.json', '/y/programs.json'])
    const named = readAgentConfig({ BITFLEET_STATE: '/y', BITFLEET_PROGRAMS: '/etc/bitfleet/programs.json' })
    expect(withState(named, '/z').programLists).toEqual(['/etc/bitfleet/programs.json'])
    expect(() => readAgentConfig({ BITFLEET_PROGRAMS: 'programs.json' })).toThrow(/by its absolute path/)
  })

  it('knows the program it belongs to', () => {
    expect(readSoftware()).toMatch(/^bitfleet \d+\.\d+\.\d+/)
  })
})
