import { BitfleetError, messageOf } from '../../shared/errors.ts'
import { readEmulator } from '../inventory/emulator.ts'
import { compute, failureOf } from './computation.ts'
import { describeBackends, describeHere, detectBackends } from './detection.ts'
import { childrenCpuMs } from '../programs/observe.ts'
import { readLine, writeLine } from './lines.ts'
import { dieWithParent } from './parent-death.ts'
import { eventFd, type LastWords, requestFd, runnerRequestSchema } from './protocol.ts'
import { installedRegistry, loadRegistry, programRegistry } from './registry.ts'

// The runner process. `main.js [--module FILE]… describe` prints what runs here; without a command it makes the one
// execution asked for on descriptor 3 and tells of it on descriptor 4. Its stdout and stderr are a log.
// `main.js --installed DRIVER ID FOLDER` is the runner of one backend that was installed in a folder of its own, and
// `main.js --program LIST ID` that of one program that the machine's owner has listed.

const argv = process.argv.slice(2)
const own: string[] = []
const modules: string[] = []
let installed: readonly [string, string, string] | undefined
if (argv[0] === '--installed') {
  const [flag, driver = '', id = '', folder = ''] = argv.splice(0, 4) as [string, ...string[]]
  installed = [driver, id, folder]
  own.push(flag, driver, id, folder)
}
let program: readonly [string, string] | undefined
if (argv[0] === '--program') {
  const [flag, list = '', id = ''] = argv.splice(0, 3) as [string, ...string[]]
  program = [list, id]
  own.push(flag, list, id)
}
while (argv[0] === '--module') {
  const [flag, file = ''] = argv.splice(0, 2) as [string, ...string[]]
  modules.push(file)
  own.push(flag, file)
}
const [command, ...ids] = argv
const registry = async () => {
  if (program !== undefined) return programRegistry(...program)
  return installed === undefined ? await loadRegistry(modules) : installedRegistry(...installed)
}

if (command === undefined) await run()
else if (command === 'describe') await describe()
else if (command === 'detect') {
  await dieWithParent()
  const { backends } = await registry()
  await detectBackends(ids.flatMap((id) => backends.filter((driver) => driver.id === id)))
  process.exit(0)
} else throw new BitfleetError('usage', `the runner has no command "${command}"`)

async function describe(): Promise<void> {
  await dieWithParent()
  try {
    const { backends } = await registry()
    const emulator = (await readEmulator())?.title
    // A child of an emulated process is started by the system, which need not know how.
    const alone = installed !== undefined && emulator !== undefined
    const found = alone ? await describeHere(backends) : describeBackends(backends, [process.argv[1] as string, ...own])
    process.stdout.write(`${JSON.stringify(found.map((backend) => ({ ...backend, emulator })))}\n`)
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
    return await compute(request, await registry(), (event) => writeLine(eventFd, event))
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
  const resources =
    program === undefined
      ? { cpuMs: (userCPUTime + systemCPUTime) / 1000, maxRssBytes: maxRSS * 1024 }
      : { cpuMs: childrenCpuMs() }
  writeLine(eventFd, { ...words, ...resources })
  process.exit(0)
}
