import type { KnobDescription } from './backend-description.ts'

/** What a plan may say of a knob: its name, its values as an anchored pattern, and the same in words. */
export type KnownKnob = Pick<KnobDescription, 'name' | 'pattern' | 'values'>

const knob = (name: string, pattern: string, values: string): KnownKnob => ({ name, pattern, values })
const choice = (name: string, ...values: string[]) => knob(name, `^(${values.join('|')})$`, values.join(', '))

const count = { four: '^[1-9]\\d{0,3}$', three: '^[1-9]\\d{0,2}$', plain: '^[1-9][0-9]{0,2}$' }
const coreTypes = 'Prescott, Nehalem, Sandybridge, Haswell, SkylakeX, Cooperlake, Zen, NEOVERSEN1, ARMV8'
const onednnIsas = [
  ...['SSE41', 'AVX', 'AVX2', 'AVX2_VNNI', 'AVX2_VNNI_2', 'AVX512_CORE', 'AVX512_CORE_VNNI', 'AVX512_CORE_BF16'],
  ...['AVX512_CORE_FP16', 'AVX512_CORE_AMX', 'AVX512_CORE_AMX_FP16'],
]

const tensorflow = [
  knob('intraOpThreads', count.plain, '1, 2, 4, 8'),
  knob('interOpThreads', count.plain, '1, 2, 4, 8'),
  knob('oneDNN', '^(?:true|false)$', 'true, false'),
  knob('maxIsa', `^(?:${onednnIsas.join('|')})$`, onednnIsas.join(', ')),
  knob('deterministicOps', '^(?:true|false)$', 'true, false'),
]

/**
 * The knobs of every backend of this release, by the backend's name. The coordinator checks a plan by them if no agent
 * can describe the backend: a misspelt knob is a mistake wherever the backend is. What an agent says goes before this.
 * `test/known-knobs.test.ts` compares this list with every driver and every runner.
 */
export const knownKnobs: Readonly<Record<string, readonly KnownKnob[]>> = {
  js: [
    knob(
      'order',
      '^(sequential|reverse|pairwise|halving|kahan|neumaier|fma|exact|lanes:[1-9][0-9]{0,5}|chunks:[1-9][0-9]{0,5}|' +
        'blocks:[1-9][0-9]{0,5}|shuffled-chunks:[1-9][0-9]{0,5}:(0|[1-9][0-9]{0,38})|atomic:([1-9]|[1-5][0-9]|6[0-4]))$',
      'sequential, reverse, pairwise, halving, lanes:K, chunks:T, blocks:B, shuffled-chunks:T:SEED, ' +
        'atomic:T (T up to 64), kahan, neumaier, fma, exact',
    ),
    choice('jit', 'default', 'baseline', 'off'),
  ],
  'tfjs-cpu': [],
  'tfjs-wasm': [choice('variant', 'plain', 'simd'), knob('threads', count.plain, 'a whole number from 1')],
  tensorflow,
  'tensorflow-gpu': [
    ...tensorflow,
    knob('cudnnDeterministic', '^(?:true|false)$', 'true, false'),
    knob('cudnnAutotune', '^[01]$', '0, 1'),
    knob('tf32Override', '^0$', '0'),
  ],
  libm: [knob('hwcaps', '^-?[A-Za-z0-9_]+(,-?[A-Za-z0-9_]+)*$', '-FMA; -AVX2,-FMA; -AVX2,-FMA,-FMA4,-AVX')],
  openblas: [knob('coreType', '^[A-Za-z0-9_]+$', coreTypes), knob('threads', count.four, '1, 2, 4, 8')],
  blis: [
    knob(
      'archType',
      '^\\d{1,2}$',
      'in BLIS 0.9: 0 skx, 3 haswell, 4 sandybridge, 5 penryn, 6 zen3, 7 zen2, 25 generic',
    ),
    knob('threads', count.four, '1, 2, 4, 8'),
  ],
  onnxruntime: [
    knob('intraOpThreads', count.three, '1, 2, 4, 8'),
    knob('interOpThreads', count.three, '1, 2, 4'),
    choice('graphOptimization', 'disabled', 'basic', 'extended', 'all'),
    choice('executionMode', 'sequential', 'parallel'),
  ],
  numpy: [
    knob('coreType', '^[A-Za-z0-9_]+$', coreTypes),
    knob('threads', count.four, '1, 2, 4, 8'),
    knob(
      'disableCpuFeatures',
      '^[A-Z0-9_]+( [A-Z0-9_]+)*$',
      'AVX512F; AVX512_SKX; AVX512_ICL; AVX2; FMA3; ASIMDFHM; several with spaces between',
    ),
  ],
  pytorch: [
    knob('threads', count.four, '1, 2, 4, 8'),
    knob('interopThreads', count.four, '1, 2, 4'),
    choice('deterministic', 'on', 'off'),
    choice('cpuCapability', 'default', 'avx2', 'avx512'),
    choice('mkldnn', 'on', 'off'),
    knob('onednnMaxIsa', '^[A-Z0-9_]+$', 'SSE41, AVX, AVX2, AVX2_VNNI, AVX512_CORE, AVX512_CORE_BF16, DEFAULT'),
    knob('mklCbwr', '^[A-Z0-9_]+(,STRICT)?$', 'COMPATIBLE, SSE4_2, AVX, AVX2, AVX512; AVX2,STRICT'),
    choice('matmulPrecision', 'highest', 'high', 'medium'),
  ],
  jax: [
    choice('jit', 'on', 'off'),
    knob('threads', count.four, '1, 2, 4, 8'),
    choice('fastMath', 'true', 'false'),
    choice('multiThreadEigen', 'true', 'false'),
    knob('maxIsa', '^[A-Z0-9_]+$', 'SSE4_2, AVX, AVX2, AVX512, AVX512_VNNI, AVX512_BF16, AMX'),
    knob('optimizationLevel', '^[0-3]$', '0, 1, 2, 3'),
  ],
}
