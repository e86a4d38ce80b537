// Compiles tally.as.ts to tally.wasm beside it, where the code and the tests look for it.
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const folder = fileURLToPath(new URL('.', import.meta.url))
const options = ['--baseDir', folder, '--outFile', 'tally.wasm', '--optimizeLevel', '3', '--shrinkLevel', '0']
const { error, stderr } = await asc.main([
  'tally.as.ts',
  ...options,
  ...['--enable', 'simd', '--enable', 'threads', '--runtime', 'stub', '--noAssert'],
  ...['--importMemory', '--sharedMemory', '--initialMemory', '41', '--maximumMemory', '41'],
])
if (error) {
  process.stderr.write(`${stderr}\n${error.message}\n`)
  process.exit(1)
}
