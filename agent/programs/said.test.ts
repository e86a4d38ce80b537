import { describe, expect, it } from 'vitest'
import { createSaid } from './said.ts'

const saidOf = () => createSaid({ knobs: [{ name: 'threads', variable: 'OMP_NUM_THREADS' } as never] }, () => {})

describe('what a program says of itself', () => {
  it('is of its libraries, pools, builds and devices', () => {
    const said = saidOf()
    const facts = {
      'lib.torch.version': '2.13.0',
      'pool.torch.threads': '2',
      'build.torch.blas': 'mkl',
      'fp.torch.tf32': 'off',
      'device.0.name': 'H200',
    }
    said.facts(facts)
    expect(said.everything()).toEqual({ settings: {}, facts, notes: [] })
  })

  it.each([
    ...[
      'cpu.model',
      'cpu.affinity',
      'gpu.0.name',
      'os.id',
      'board.vendor',
      'memory.total',
      'vm.type',
      'vm',
      'libc',
      'kernel',
    ],
    ...['device', 'backend', 'backend.version', 'backend.emulator', 'emulator', 'emulator.cpu'],
    ...['program.digest', 'knob.x.y', 'env.PATH', 'cgroup.cpu.max', 'fp.program.before.ftz', 'host.name', 'nonsense'],
  ])('is never %s, which the agent sees for itself or nobody may claim', (key) => {
    const said = saidOf()
    said.facts({ [key]: 'FORGED' })
    expect(said.everything().facts).toEqual({})
    expect(said.everything().notes).toEqual([
      { kind: 'warning', subject: 'program', message: `"${key}" cannot be stated by a program, and is left out` },
    ])
  })

  it('answers its knobs by their variables; other variables are facts, but for the version', () => {
    const said = saidOf()
    said.settings({ OMP_NUM_THREADS: '2', MKL_NUM_THREADS: '1', version: '9', emulator: 'qemu' })
    const { settings, facts, notes } = said.everything()
    expect([settings, facts]).toEqual([{ threads: '2' }, { 'backend.MKL_NUM_THREADS': '1' }])
    expect(notes.map(({ message }) => message)).toEqual([
      '"version" cannot be stated by a program, and is left out',
      '"emulator" cannot be stated by a program, and is left out',
    ])
  })
})
