import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { bitfleet, cleanUp, folder, start, until } from './bitfleet.ts'

afterAll(cleanUp)

const plan = `
name: long
repetitions: 2000
workloads:
  - reduce.sum: { dtype: f32, n: 1000 }
factors: { backend: [js] }
`

/** `bitfleet local`, and what it says until it ends. */
function local() {
  const out = folder()
  writeFileSync(join(out, 'plan.yaml'), plan)
  const argv = ['local', join(out, 'plan.yaml'), '--out', out, '--exit']
  const child = start(argv)
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const closed = once(child, 'close')
  const ended = async () => {
    const [code] = (await closed) as [number | null]
    return { code, stderr }
  }
  return { out, argv, child, ended, said: (text: string) => stderr.includes(text) }
}

function left(out: string): string[] {
  const rows = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n')
  return rows.filter((row) => row.includes(out))
}

describe('bitfleet local', () => {
  it('ends at once when it is interrupted while it starts, and leaves no process', async () => {
    const { out, child, ended } = local()
    await until('a log', () => existsSync(join(out, 'logs', 'coordinator.log')))
    child.kill('SIGINT')
    expect(await ended()).toEqual({ code: 2, stderr: expect.stringContaining('interrupted') })
    expect(left(out)).toEqual([])
  })

  it('says that its coordinator was killed, and does not wait for it to come back', async () => {
    const { out, ended, said } = local()
    await until('executions', () => said(' executions'))
    const { pid } = JSON.parse(readFileSync(join(out, 'store', 'coordinator.json'), 'utf8')) as { pid: number }
    process.kill(pid, 'SIGKILL')
    expect(await ended()).toEqual({ code: 2, stderr: expect.stringContaining('coordinator ended early, by SIGKILL') })
    expect(left(out)).toEqual([])
  })

  it('keeps a second one out of its folder, and takes its two sides with it when it is killed', async () => {
    const { out, argv, child, ended, said } = local()
    await until('executions', () => said(' executions'))
    expect(await bitfleet(argv)).toMatchObject({ code: 2, stderr: expect.stringContaining('choose another folder') })
    child.kill('SIGKILL')
    await ended()
    await until('no process left', () => left(out).length === 0)
  })
})
