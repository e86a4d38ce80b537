import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { compute, failureOf } from './computation.ts'
import { describeBackends, detectBackends } from './detection.ts'
import { readLine, writeLine } from './lines.ts'
import { dieWithParent } from './parent-death.ts'
import { eventFd, type LastWords, requestFd, runnerRequestSchema } from './protocol.ts'
import { loadRegistry } from './registry.ts'

// The runner process. `main.js [--module FILE]… describe` prints what runs here; without a command it makes the one
// execution asked for on descriptor 3 and tells of it on descriptor 4. Its stdout and stderr are a log.

const argv = process.argv.slice(2)
const modules: string[] = []
while (argv[0] === '--module') modules.push(...argv.splice(0, 2).slice(1))
const [command, ...ids] = argv

if (command === undefined) await run()
else if (command === 'describe') await describe()
else if (command === 'detect') {
  const { backends } = await loadRegistry(modules)
  await detectBackends(ids.flatMap((id) => backends.filter((driver) => driver.id === id)))
  process.exit(0)
} else throw new BitfleetError('usage', `the runner has no command "${command}"`)

async function describe(): Promise<void> {
  try {
    const { backends } = await loadRegistry(modules)
    const self = [process.argv[1] as string, ...modules.flatMap((file) => ['--module', file])]
    process.stdout.write(`${JSON.stringify(describeBackends(backends, self))}\n`)
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
    process.exitCode = 2
  }
}

async function run(): Promise<never> {
  await dieWithParent()
  // What a library throws in a callback of its own must not end in silence.
  process.on('uncaughtException', (error) => end(failureOf(error)))
  end(await attempt())
}

async function attempt(): Promise<LastWords> {
  try {
    const request = parseRequest(readLine(requestFd))
    return await compute(request, await loadRegistry(modules), (event) => writeLine(eventFd, event))
  } catch (error) {
    return failureOf(error)
  }
}

function parseRequest(line: string) {
  try {
    return runnerRequestSchema.parse(JSON.parse(line))
  } catch (cause) {
    throw new BitfleetError('protocol', `the runner cannot read its request: ${messageOf(cause)}`, { cause })
  }
}

/** Libraries leave threads and handles behind, so the process ends by itself. */
function end(words: LastWords): never {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  writeLine(eventFd, { ...words, cpuMs: (userCPUTime + systemCPUTime) / 1000, maxRssBytes: maxRSS * 1024 })
  process.exit(0)
}
