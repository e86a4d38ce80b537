import { describe, expect, it } from 'vitest'
import { isNumericLibrary, parseMaps } from './mapped-libraries.ts'

const maps = `00400000-00409000 r--p 00000000 fe:00 1573017                            /usr/bin/node
7f1b14000000-7f1b14021000 rw-p 00000000 00:00 0
7f1b2c000000-7f1b2c021000 r-xp 00000000 fe:00 262412                     /usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblasp-r0.3.21.so
7f1b2c021000-7f1b2c022000 r--p 00021000 fe:00 262412                     /usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblasp-r0.3.21.so
7f1b2d000000-7f1b2d021000 r-xp 00000000 fe:00 262413                     /opt/py/numpy.libs/libscipy_openblas64_-99b71e71.so
7f1b2e000000-7f1b2e021000 r-xp 00000000 fe:00 262414                     /usr/lib/x86_64-linux-gnu/libm.so.6
7f1b2e100000-7f1b2e121000 r-xp 00000000 fe:00 262415                     /usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f1b2e200000-7f1b2e221000 r-xp 00000000 fe:00 262416                     /opt/old release/libblis.so.4.0.0 (deleted)
7f1b2e300000-7f1b2e321000 r-xp 00000000 fe:00 262417                     /usr/lib/locale/libm.txt
7ffd5b1e0000-7ffd5b201000 rw-p 00000000 00:00 0                          [stack]
`

describe('parseMaps', () => {
  it('names each numeric library once, sorted, with spaces, and says what is no longer on disk', () => {
    expect(parseMaps(maps)).toEqual([
      '/opt/old release/libblis.so.4.0.0 (deleted)',
      '/opt/py/numpy.libs/libscipy_openblas64_-99b71e71.so',
      '/usr/lib/x86_64-linux-gnu/libm.so.6',
      '/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblasp-r0.3.21.so',
    ])
  })

  it('finds nothing in nothing', () => {
    expect(parseMaps('')).toEqual([])
  })
})

describe('isNumericLibrary', () => {
  it.each([
    '/lib/x86_64-linux-gnu/libmvec.so.1',
    '/lib/x86_64-linux-gnu/libm-2.31.so',
    '/lib/ld-musl-x86_64.so.1',
    '/usr/lib/libgomp.so.1.0.0',
    '/usr/lib/libiomp5.so',
    '/usr/lib/libomp.so.5',
    '/usr/lib/libmkl_avx512.so.2',
    '/usr/lib/libdnnl.so.3',
    '/opt/x/libtensorflow_cc.so.2',
    '/opt/x/libtorch_cpu.so',
    '/opt/x/libonnxruntime.so.1.20',
    '/usr/lib/libcuda.so.550.54.15',
    '/usr/lib/libcudnn_ops_infer.so.8',
    '/usr/lib/libcublasLt.so.12',
    '/usr/lib/libOpenCL.so.1.0.0',
    '/usr/lib/libnvidia-ptxjitcompiler.so.1',
    '/a/node_modules/@tensorflow/tfjs-node/lib/napi-v8/tfjs_binding.node',
    '/a/node_modules/onnxruntime-node/bin/napi-v3/linux/x64/onnxruntime_binding.node',
  ])('knows %s', (path) => {
    expect(isNumericLibrary(path)).toBe(true)
  })

  it.each([
    '/usr/lib/libssl.so.3',
    '/usr/lib/libmount.so.1',
    '/usr/lib/libz.so.1',
    '/a/bufferutil.node',
    '/usr/lib/libmd.so.0',
  ])('leaves out %s', (path) => {
    expect(isNumericLibrary(path)).toBe(false)
  })
})
