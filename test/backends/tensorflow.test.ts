import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { bitfleet, cleanUp, folder, runPlan } from '../e2e/bitfleet.ts'
import { needs } from '../needs.ts'

// TensorFlow as a person adds it, from an empty state folder: 0.3 GB fetched, 0.9 GB on disk, minutes.

const version = '2.21.0'
const id = `tensorflow@${version}`
const asked = process.env.BITFLEET_TEST_TENSORFLOW === '1'

afterAll(cleanUp)

describe.skipIf(needs('adding TensorFlow', asked, 'it fetches 0.3 GB', 'BITFLEET_TEST_TENSORFLOW=1'))(
  'TensorFlow',
  () => {
    const env = { BITFLEET_STATE: folder() }
    const backend = join(env.BITFLEET_STATE, 'backends', id)

    it('is added, and again without being fetched', async () => {
      const added = await bitfleet(['backends', 'add', id], { env })
      expect(added).toMatchObject({ code: 0, stdout: `${backend}\n` })
      expect(existsSync(join(backend, 'tensorflow', 'tfjs_binding.node'))).toBe(true)
      expect(existsSync(join(backend, 'build'))).toBe(false)
      expect(await bitfleet(['backends', 'add', id], { env })).toMatchObject({ code: 0 })
    })

    it('says what it needs where there is no compiler, and leaves nothing half made', async () => {
      const other = folder()
      mkdirSync(join(other, 'backends'))
      // All that it is made from is there, so that neither npm nor pip is needed.
      symlinkSync(join(env.BITFLEET_STATE, 'backends', '.cache'), join(other, 'backends', '.cache'))
      const added = await bitfleet(['backends', 'add', id], { env: { BITFLEET_STATE: other, PATH: folder() } })
      expect(added.code).toBe(2)
      expect(added.stderr).toContain('g++ cannot be started')
      expect(added.stderr).toContain('apt-get install g++')
      expect(existsSync(join(other, 'backends', id))).toBe(false)
    })

    it('computes under its knobs, which it reads back', async () => {
      const plan = `
name: knobs
workloads:
  - linalg.gemm: { dtype: f32, n: 128, data: normal }
factors:
  backend: [${id}]
  tensorflow.intraOpThreads: [1, 3]
  tensorflow.maxIsa: [SSE41, AVX2]
  tensorflow.oneDNN: [true, false]
`
      const { report } = await runPlan(plan, { env })
      expect(report.cells).toHaveLength(8)
      for (const { status, condition } of report.cells) {
        expect(status).toBe('completed')
        expect(condition.version).toBe(version)
        const asked = Object.entries(condition.knobs).map(([name, value]) => [name, String(value)])
        expect(condition.effective).toMatchObject(Object.fromEntries(asked))
      }
      expect(report.cells.flatMap(({ notes }) => notes)).toEqual([])
    })

    it('stands wherever its state folder is moved to', async () => {
      const elsewhere = folder()
      mkdirSync(join(elsewhere, 'backends'))
      spawnSync('mv', [backend, join(elsewhere, 'backends', id)])
      const { stdout } = await bitfleet(['backends', '--json'], { env: { BITFLEET_STATE: elsewhere } })
      const rows = JSON.parse(stdout) as { id: string; status: string }[]
      expect(rows.find((row) => row.id === id)?.status).toBe('ready')
      const { code } = await runPlan(
        `name: moved\nworkloads: [{ reduce.sum: { n: 1000 } }]\nfactors: { backend: ["${id}"] }`,
        {
          env: { BITFLEET_STATE: elsewhere },
        },
      )
      expect(code).toBe(0)
    })
  },
)
