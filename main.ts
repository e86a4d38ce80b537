#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isBitfleetError, messageOf } from './shared/errors.ts'

// Reads the command line and wires the two sides. Every command is loaded when it is called, so that `--help` and the
// agent's daemon stay free of what they do not use. A command resolves to its exit code.

const { version } = JSON.parse(
  readFileSync(
    new URL(import.meta.url.endsWith('.ts') ? './package.json' : '../package.json', import.meta.url),
    'utf8',
  ),
) as { version: string }

const program = new Command('bitfleet')
  .description('Do your machines compute the same bits, and if not, why?')
  .version(version)
  .showHelpAfterError('(`bitfleet --help` shows how)')
  .configureHelp({ showGlobalOptions: true })
  .exitOverride()

const json = () => new Option('--json', 'print JSON on standard output')
const out = () => new Option('--out <dir>', 'where the report and the store go').default('bitfleet-report')
const exit = () => new Option('--exit', 'end when the report is written, even on a terminal')
const artifacts = () =>
  new Option('--artifacts [which]', 'also export tensors as .npy: the final ones, or of all checkpoints')
    .choices(['outputs', 'all'])
    .preset('outputs')
const tokenFile = (whose: string) => new Option('--token-file <file>', `file with ${whose} token`)

/** Runs a command's code and makes its result the exit code. */
function does<Args extends unknown[]>(action: (...args: Args) => Promise<number>) {
  return async (...args: Args): Promise<void> => {
    process.exitCode = await action(...args)
  }
}

program
  .command('demo')
  .description('one machine, first look: coordinator, agent, a plan, its report')
  .addOption(out())
  .addOption(exit())
  .addOption(artifacts())
  .action(
    does(async (options) => (await import('./coordinator/commands/demo.ts')).demo({ ...options, main: mainFile() })),
  )

program
  .command('local')
  .description('what the demo does, with your plan')
  .argument('<plan>', 'plan file (YAML)')
  .addOption(out())
  .addOption(exit())
  .addOption(artifacts())
  .addOption(json())
  .action(
    does(async (plan, options) =>
      (await import('./coordinator/commands/local.ts')).local(plan, { ...options, main: mainFile() }),
    ),
  )

program
  .command('coordinator')
  .description("the lab's server: API, web pages, the agents' endpoint")
  .option('--store <dir>', 'where runs and artifacts are kept')
  .option('--host <address>', 'address to listen on', '127.0.0.1')
  .option('--port <number>', 'port to listen on; 0 takes a free one', wholeNumber, 7575)
  .action(does(async (options) => (await import('./coordinator/commands/coordinator.ts')).coordinatorStart(options)))

const agent = program.command('agent').description('the daemon on a machine that computes')
agent
  .command('start')
  .description('run the daemon; its token comes from a file, BITFLEET_TOKEN or standard input')
  .requiredOption('--coordinator <url>', "the coordinator's address")
  .option('--name <name>', 'what to call this agent; several on one machine need different names')
  .option('--label <key=value...>', 'labels that plans aim at', [])
  .option('--slots <number>', 'executions at a time', wholeNumber, 1)
  .option('--state <dir>', "where this agent's key, cache and spool are kept")
  .option('--spool-bytes <number>', 'results not acknowledged beyond which it takes no more jobs', byteCount)
  .option('--grace <seconds>', 'how long running executions may go on after SIGTERM', wholeNumber, 20)
  .addOption(tokenFile("the agents'"))
  .action(
    does(async ({ label, state, ...options }) =>
      (await import('./agent/commands/agent.ts')).agentStart({ ...options, labels: label, stateDir: state }),
    ),
  )

const stateOf = (command: Command) =>
  command
    .option('--name <name>', 'the name it was started with')
    .option('--state <dir>', 'the state folder it was started with')

stateOf(agent.command('status').description('how the agent of this machine is; exit 0 connected, 1 not, 3 not running'))
  .addOption(json())
  .action(
    does(async ({ state, ...options }) =>
      (await import('./agent/commands/agent-status.ts')).agentStatus({ ...options, stateDir: state }),
    ),
  )

stateOf(agent.command('drain').description('have it finish and hand in what it has, take nothing new, and end'))
  .option('--wait', 'until it has ended')
  .action(
    does(async ({ state, ...options }) =>
      (await import('./agent/commands/agent-drain.ts')).agentDrain({ ...options, stateDir: state }),
    ),
  )

stateOf(agent.command('reset').description('remove its key, enrolment, cache and spool, after saying what that is'))
  .option('--discard-results', 'also results that the coordinator has not acknowledged')
  .option('--yes', 'ask nothing')
  .action(
    does(async ({ state, ...options }) =>
      (await import('./agent/commands/agent-reset.ts')).agentReset({ ...options, stateDir: state }),
    ),
  )

agent
  .command('once')
  .description('run a plan without a network, and leave a bundle to carry; started again, it goes on where it was')
  .requiredOption('--plan <file>', 'plan file (YAML)')
  .requiredOption('--out <file>', 'the bundle; while it is made, FILE.partial is a folder beside it')
  .option('--name <name>', 'what to call this agent; machines that share a home need different names')
  .option('--label <key=value...>', 'labels that plans aim at', [])
  .option('--slots <number>', 'executions at a time', wholeNumber, 1)
  .option('--state <dir>', "where this agent's key is kept")
  .action(
    does(async ({ label, state, ...options }) => {
      const { readPlanForAgent: readPlan } = await import('./coordinator/plan/for-one-agent.ts')
      const { agentOnce } = await import('./agent/commands/agent-once.ts')
      return agentOnce({ ...options, labels: label, stateDir: state, readPlan })
    }),
  )

program
  .command('run')
  .description('run a plan on the fleet; exit 0 identical, 1 differs, 2 error, 3 incomplete')
  .argument('<plan>', 'plan file (YAML)')
  .option('--watch', 'show progress and the result')
  .option('--url <url>', "the coordinator's address; left out, the one on this machine")
  .option('--store <dir>', 'store of a coordinator on this machine, to find its address and token')
  .addOption(tokenFile('the API'))
  .addOption(json())
  .action(does(async (plan, options) => (await import('./coordinator/commands/run.ts')).runPlan(plan, options)))

program
  .command('report')
  .description("a run's report, as a document or with its tensors")
  .argument('<run>', 'run id, a bundle, or a folder or file that holds a report.json')
  .addOption(
    new Option('--format <format>', 'what to print').choices(['text', 'html', 'json', 'csv', 'md']).default('text'),
  )
  .option('--out <dir>', 'write report.json, .html, .md and .csv into this folder instead')
  .addOption(artifacts())
  .option('--url <url>', "the coordinator's address; left out, the one on this machine")
  .option('--store <dir>', 'store of a coordinator on this machine, to find its address and token')
  .addOption(tokenFile('the API'))
  .action(does(async (run, options) => (await import('./coordinator/commands/report.ts')).report(run, options)))

program
  .command('explain')
  .description('why the classes of a run part: the minimal sets of facts')
  .argument('<run>', 'run id, a bundle, or a folder or file that holds a report.json')
  .option('--url <url>', "the coordinator's address")
  .option('--store <dir>', 'store of a coordinator on this machine')
  .addOption(tokenFile('the API'))
  .addOption(json())
  .action(does(async (run, options) => (await import('./coordinator/commands/report.ts')).explain(run, options)))

program
  .command('diff')
  .description('two tensors, traces or reports, bit by bit; exit 0 identical, 1 differs, 2 error')
  .argument('<a>', '.npy, .safetensors, trace, bundle, report folder, RUN, or RUN/CELL')
  .argument('<b>', 'the same kind')
  .option('--url <url>', "the coordinator's address, for RUN/CELL")
  .option('--store <dir>', 'store of a coordinator on this machine')
  .addOption(tokenFile('the API'))
  .addOption(json())
  .action(does(async (a, b, options) => (await import('./coordinator/commands/compare.ts')).compare(a, b, options)))

program
  .command('import')
  .description('make runs of the bundles that `agent once` left; those of one plan become one run')
  .argument('<bundle...>')
  .option('--out <dir>', 'also write the reports into this folder')
  .option('--url <url>', "the coordinator's address; left out, the one on this machine")
  .option('--store <dir>', 'store of a coordinator on this machine, whether it runs or not')
  .addOption(tokenFile('the API'))
  .addOption(json())
  .action(
    does(async (files, options) => (await import('./coordinator/commands/import.ts')).importFiles(files, options)),
  )

program
  .command('backends')
  .description('what runs here, what does not and why, and the command that adds it')
  .addOption(json())
  .action(does(async (options) => (await import('./agent/commands/backends.ts')).listBackends(options)))

program
  .command('workloads')
  .description('what a plan can name, with its parameters')
  .addOption(json())
  .action(does(async (options) => (await import('./coordinator/commands/workloads.ts')).listWorkloads(options)))

program
  .command('digest')
  .description('dtype, shape and payload digest of the arrays in .npy and .safetensors files')
  .argument('<file...>')
  .addOption(json())
  .action(
    does(async (files, options) => (await import('./coordinator/commands/digest.ts')).printDigests(files, options)),
  )

program
  .command('doctor')
  .description('before enrolling: what on this machine would get in the way')
  .option('--coordinator <url>', 'also try to reach this coordinator')
  .addOption(json())
  .action(does(async (options) => (await import('./agent/commands/doctor.ts')).doctor(options)))

const store = () => new Option('--store <dir>', "a coordinator's store; left out, the one of this machine")
program
  .command('fsck')
  .description('read every file of a store or of bundles, recompute what it claims; exit 0 sound, 1 damaged, 2 error')
  .argument('[bundle...]', 'bundles; left out, a store')
  .addOption(store())
  .addOption(json())
  .action(
    does(async (bundles: string[], options) =>
      bundles.length > 0
        ? (await import('./coordinator/commands/fsck-bundle.ts')).fsckBundles(bundles, options)
        : (await import('./coordinator/commands/store.ts')).fsck(undefined, options),
    ),
  )

program
  .command('reindex')
  .description("make a store's database again from its files, while no coordinator runs on it")
  .addOption(store())
  .addOption(json())
  .action(does(async (options) => (await import('./coordinator/commands/store.ts')).reindex(options)))

program
  .command('audit')
  .description("who did what and when, from a store's journal")
  .option('--all', 'also every result that an agent brought')
  .addOption(store())
  .addOption(json())
  .action(does(async (options) => (await import('./coordinator/commands/store.ts')).audit(options)))

program
  .command('completion')
  .description('a completion script for your shell')
  .addArgument(new Command().createArgument('<shell>').choices(['bash', 'zsh', 'fish']))
  .action(
    does(async (shell) => {
      const { completionScript } = await import('./coordinator/commands/completion.ts')
      process.stdout.write(completionScript(shell, program))
      return 0
    }),
  )

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new CommanderError(2, 'bitfleet.number', `error: "${text}" is not a whole number`)
  return Number(text)
}

/** Bytes, plain or with KiB, MiB, GiB or TiB: `1073741824`, `512MiB`. */
function byteCount(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,15})(|KiB|MiB|GiB|TiB)$/.exec(text) ?? []
  const bytes = Number(digits) * 1024 ** ['', 'KiB', 'MiB', 'GiB', 'TiB'].indexOf(unit)
  if (Number.isSafeInteger(bytes)) return bytes
  throw new CommanderError(2, 'bitfleet.number', `error: "${text}" is not a number of bytes, such as 512MiB`)
}

/** This very file, for commands that start the two sides as processes of their own. */
function mainFile(): string {
  return fileURLToPath(import.meta.url)
}

// Whoever reads what is written may have seen enough (`| head`); the command goes on to its end and its exit code.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version are no errors; everything else commander throws is an error of use.
    process.exitCode = error.exitCode === 0 ? 0 : 2
    if (error.code === 'bitfleet.number') process.stderr.write(`${error.message}\n`)
  } else {
    process.stderr.write(`bitfleet: ${messageOf(error)}\n`)
    // Where the fault is the program's own, not a file's or a network's.
    if (error instanceof Error && !isBitfleetError(error) && !('syscall' in error)) {
      process.stderr.write(`${error.stack}\n`)
    }
    process.exitCode = 2
  }
}
