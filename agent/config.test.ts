import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readAgentConfig, readSoftware } from './config.ts'

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

  it('knows the program it belongs to', () => {
    expect(readSoftware()).toMatch(/^bitfleet \d+\.\d+\.\d+/)
  })
})
