import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { bitfleet, cleanUp, folder, readReport, start, until } from './bitfleet.ts'

afterAll(cleanUp)

const planOf = (repetitions: number, n = 1000) => `
name: long
repetitions: ${repetitions}
workloads:
  - reduce.sum: { dtype: f32, n: ${n} }
factors: { backend: [js], js.jit: [default, "off"] }
`

/** `bitfleet local`, and what it says until it ends. */
function local(plan = planOf(1000), out = folder()) {
  writeFileSync(join(out, 'plan.yaml'), plan)
  const argv = ['local', join(out, 'plan.yaml'), '--out', out, '--exit']
  const child = start(argv)
  let stderr = ''
  let [awaited, onSaid] = ['', () => {}]
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
    if (awaited !== '' && stderr.includes(awaited)) {
      awaited = ''
      onSaid()
    }
  })
  const closed = once(child, 'close')
  const ended = async () => {
    const [code] = (await closed) as [number | null]
    return { code, stderr }
  }
  /** Signals it as soon as it says something. */
  const interruptAt = (text: string, signal: 'SIGINT' | 'SIGTERM') =>
    new Promise<void>((resolve) => {
      awaited = text
      onSaid = () => {
        child.kill(signal)
        resolve()
      }
    })
  return { out, argv, child, ended, interruptAt, said: (text: string) => stderr.includes(text) }
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

  it('leaves a report, and goes on with its run when it is started again', async () => {
    const first = local(planOf(10))
    const { out, argv } = first
    await first.interruptAt(' of 20 executions', 'SIGINT')
    const { code, stderr } = await first.ended()
    expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringContaining('To go on:') })
    expect(stderr).toContain(`bitfleet ${argv.slice(0, -1).join(' ')}`)
    expect(left(out)).toEqual([])
    const interrupted = readReport(out)
    expect(interrupted.run.state).toBe('cancelled')
    // How much was computed by then is not known.
    expect(interrupted.verdict).toMatch(/^(?:incomplete|nothing compared)$/)
    for (const format of ['html', 'md', 'csv']) expect(existsSync(join(out, `report.${format}`))).toBe(true)
    const made = (report: typeof interrupted) => report.cells.flatMap(({ traces }) => traces).filter(Boolean).length
    expect(made(interrupted)).toBeLessThan(20)

    // Another plan would work beside it.
    writeFileSync(join(out, 'other.yaml'), planOf(2, 1001))
    const other = await bitfleet(['local', join(out, 'other.yaml'), '--out', out, '--exit'])
    expect(other).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/has an unfinished run of another plan, \S+ \(long\); finish it with/),
    })
    expect(left(out)).toEqual([])

    const second = local(planOf(10), out)
    const end = await second.ended()
    expect(end).toEqual({ code: 0, stderr: expect.stringContaining(`Going on with run ${interrupted.run.id}`) })
    const found = Number(/: (\d+) of 20 executions/.exec(end.stderr)?.[1])
    // What was there is not made again.
    expect(found).toBeGreaterThanOrEqual(made(interrupted))
    const whole = readReport(out)
    expect(whole).toMatchObject({ verdict: 'identical', run: { id: interrupted.run.id, state: 'done' } })
    expect(made(whole)).toBe(20)
  })

  it('ends at once when it is interrupted twice, and leaves no process', async () => {
    const { out, ended, interruptAt } = local()
    await interruptAt(' of 2000 executions', 'SIGTERM')
    await interruptAt('Interrupted: comparing', 'SIGINT')
    expect((await ended()).code).toBe(130)
    await until('no process left', () => left(out).length === 0)
    expect(existsSync(join(out, 'report.json'))).toBe(false)
  })
})
