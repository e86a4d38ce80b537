// Compiles tally.as.ts to tally.wasm beside it, where the code and the tests look for it.
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const folder = fileURLToPath(new URL('.', import.meta.url))
const options = ['--baseDir', folder, '--outFile', 'tally.wasm', '--optimizeLevel', '3', '--shrinkLevel', '0']
const features = ['--enable', 'simd', '--enable', 'threads', '--runtime', 'stub', '--noAssert']
// As many pages as slots.ts makes.
const memory = ['--importMemory', '--sharedMemory', '--initialMemory', '41', '--maximumMemory', '41']
const { error } = await asc.main(['tally.as.ts', ...options, ...features, ...memory], { stderr: process.stderr })
if (error) process.exit(1)
