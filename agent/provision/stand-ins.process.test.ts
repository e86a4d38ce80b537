import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { needs } from '../../test/needs.ts'
import { runPython, withoutPython } from '../../test/python.ts'

// Stand-ins for libraries that a wheel is linked against and nobody here has: loaded and called by the real loader.

const folder = mkdtempSync(join(tmpdir(), 'bitfleet-stand-ins-'))
afterAll(() => rmSync(folder, { recursive: true }))
const script = resolve(import.meta.dirname, '../runners/python/stand_in_libraries.py')

/** Runs a program that has the script as module `made` and the folder as `folder`. */
function run(program: string) {
  const opening = `
import ctypes, importlib.util, json, os
spec = importlib.util.spec_from_file_location("made", ${JSON.stringify(script)})
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
folder = ${JSON.stringify(folder)}
def write(name, symbols):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(made.make_stand_in(name, symbols))
    return path
`
  const { stdout, stderr, status } = runPython(['-c', opening + program])
  return { stdout, stderr, status }
}

const wanted = process.platform === 'linux' && process.arch === 'x64'
const skip =
  withoutPython("stand-ins for NVIDIA's libraries") ||
  needs("stand-ins for NVIDIA's libraries", wanted, 'they are made for Linux on x64')

describe.skipIf(skip)('a stand-in', () => {
  it('is loaded, and each of its functions, with its version, finds no device', () => {
    const { stdout, stderr } = run(`
path = write("libcudart.so.13", {("cudaGetDeviceCount", "libcudart.so.13"), ("cuInit", None), ("cuFree", "OTHER_2")})
library = ctypes.CDLL(path)
answers = [library.cudaGetDeviceCount(None), library.cuInit(0), library.cuFree(None)]
lookup = ctypes.CDLL(None).dlvsym
lookup.restype, lookup.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
found = [lookup(library._handle, b"cudaGetDeviceCount", v) is not None for v in (b"libcudart.so.13", b"OTHER_2")]
print(json.dumps([answers, found, hasattr(library, "cudaMalloc")]))
`)
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual([[100, 100, 100], [true, false], false])
  })

  it('may be without any function', () => {
    expect(run('ctypes.CDLL(write("libcurand.so.10", set()))').stderr).toBe('')
  })

  it('is made for what a folder of libraries lacks, once, and for nothing but NVIDIA', () => {
    const { stdout, stderr } = run(`
import shutil
place = os.path.join(folder, "lib")
os.mkdir(place)
real = made.Library.__init__
# A library that asks for others, as a linker would have written it.
def pretend(self, path):
    real(self, path)
    name = os.path.basename(path)
    if name == "libtorch_x.so":
        self.needed = needed
        self.undefined |= {("cublasCreate_v2", "libcublas.so.13", "libcublas.so.13"), ("ncclInit", None, None), ("free", None, None)}
made.Library.__init__ = pretend
with open("/proc/self/maps") as maps:
    system = next(line.split()[-1] for line in maps if line.rstrip().endswith("libc.so.6"))
shutil.copy(system, os.path.join(place, "libtorch_x.so"))
needed = ["libc.so.6", "libcublas.so.13", "libcurand.so.10"]
made.main(place)
library = ctypes.CDLL(os.path.join(place, "libcublas.so.13"))
print(library.cublasCreate_v2(None), library.ncclInit(), hasattr(ctypes.CDLL(os.path.join(place, "libcurand.so.10")), "ncclInit"))
made.main(place)
needed = ["libcurl-of-another.so.9"]
made.main(place)
`)
    expect(stdout.split('\n')).toEqual(['libcublas.so.13', 'libcurand.so.10', '100 100 False', ''])
    expect(stderr).toBe('libraries of this system are missing: libcurl-of-another.so.9\n')
  })

  it('is made out of nothing but shared objects for x86-64', () => {
    const { stderr } = run(`
path = os.path.join(folder, "libwrong.so")
open(path, "wb").write(b"no ELF" * 20)
made.Library(path)
`)
    expect(stderr).toMatch(/libwrong\.so is no shared object for x86-64/)
  })
})
