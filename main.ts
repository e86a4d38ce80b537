#!/usr/bin/env node
import { Command, Option } from 'commander'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { addAgentCommands, addMachineCommands } from './agent/command-line.ts'
import { ca, clean, does, json, runProgram, tokenFile, wholeNumber } from './shared/command-line.ts'

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

const out = () => new Option('--out <dir>', 'where the report and the store go').default('bitfleet-report')
const exit = () => new Option('--exit', 'end when the report is written, even on a terminal')
const artifacts = () =>
  new Option('--artifacts [which]', 'also export tensors as .npy: the final ones, or of all checkpoints')
    .choices(['outputs', 'all'])
    .preset('outputs')

program
  .command('demo')
  .description('one machine, first look: coordinator, agent, a plan, its report')
  .addOption(out())
  .addOption(exit())
  .addOption(artifacts())
  .addOption(clean())
  .action(
    does(async (options) => (await import('./coordinator/commands/demo.ts')).demo({ ...options, main: mainFile() })),
  )

program
  .command('local')
  .description('what the demo does, with your plan')
  .argument('<plan>', 'plan file (YAML); - reads standard input')
  .addOption(out())
  .addOption(exit())
  .addOption(artifacts())
  .addOption(clean())
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
  .option('--tls-cert <file>', "serve HTTPS: the server's certificate and those up to its authority's (PEM)")
  .option('--tls-key <file>', 'its private key (PEM); SIGHUP reads both again')
  .action(does(async (options) => (await import('./coordinator/commands/coordinator.ts')).coordinatorStart(options)))

const agent = program.command('agent').description('the daemon on a machine that computes')
addAgentCommands(agent)

agent
  .command('once')
  .description('run a plan without a network, and leave a bundle to carry; started again, it goes on where it was')
  .requiredOption('--plan <file>', 'plan file (YAML)')
  .requiredOption('--out <file>', 'the bundle; while it is made, FILE.partial is a folder beside it')
  .option('--name <name>', 'what to call this agent; machines that share a home need different names')
  .option('--label <key=value...>', 'labels that plans aim at', [])
  .option('--slots <number>', 'executions at a time', wholeNumber, 1)
  .option('--state <dir>', "where this agent's key is kept")
  .addOption(clean())
  .action(
    does(async ({ label, state, ...options }) => {
      const { readPlanForAgent: readPlan } = await import('./coordinator/plan/for-one-agent.ts')
      const { agentOnce } = await import('./agent/commands/agent-once.ts')
      return agentOnce({ ...options, labels: label, stateDir: state, readPlan })
    }),
  )

/** The options of whatever asks a coordinator. */
const connection = (command: Command) =>
  command
    .option('--url <url>', "the coordinator's address; left out, the one on this machine")
    .option('--store <dir>', 'store of a coordinator on this machine, to find its address and token')
    .addOption(tokenFile('the API'))
    .addOption(ca())
    .addOption(json())
const loadFleet = () => import('./coordinator/commands/fleet.ts')

const token = program.command('token').description('tokens by which machines join')
connection(token.command('create').description('a token for one machine, on standard output; shown this once'))
  .option('--ttl <duration>', 'how long it is good', '10m')
  .option('--label <key=value...>', 'labels that the agent gets', [])
  .option('--needs-approval', 'the agent is given nothing before `agents approve`')
  .action(does(async (options) => (await loadFleet()).createToken(options)))

const agents = program.command('agents').description('the fleet: who is in it, and how each stands')
connection(agents.command('list').description('agents, how they stand, and when they last connected')).action(
  does(async (options) => (await loadFleet()).listAgents(options)),
)
connection(agents.command('label').description('set labels, or remove one by KEY-'))
  .argument('<id>')
  .argument('<changes...>', 'KEY=VALUE, or KEY-')
  .action(does(async (id, changes, options) => (await loadFleet()).labelAgent(id, changes, options)))
connection(agents.command('approve').description('let an agent that waits take work'))
  .argument('<id>')
  .action(does(async (id, options) => (await loadFleet()).approveAgent(id, options)))
connection(agents.command('unlock').description('end a lock: the next connection is taken, whatever it follows on'))
  .argument('[id...]')
  .option('--ahead', 'all that are locked because this store was restored from an older copy')
  .action(does(async (ids, options) => (await loadFleet()).unlockAgents(ids, options)))
connection(agents.command('revoke').description('turn an agent away for good, at once'))
  .argument('<id>')
  .requiredOption('--reason <text>', 'why; the agent and the audit say it')
  .action(does(async (id, options) => (await loadFleet()).revokeAgent(id, options)))
connection(agents.command('prune').description('forget agents that are locked or revoked'))
  .option('--unseen <duration>', 'and those not connected for so long, such as 30d')
  .action(does(async (options) => (await loadFleet()).pruneAgents(options)))

connection(program.command('run'))
  .description('run a plan on the fleet; exit 0 identical, 1 differs, 2 error, 3 incomplete')
  .argument('<plan>', 'plan file (YAML); - reads standard input')
  .option('--watch', 'show progress and the result')
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
  .addOption(ca())
  .action(does(async (run, options) => (await import('./coordinator/commands/report.ts')).report(run, options)))

connection(program.command('explain'))
  .description('why the classes of a run part: the minimal sets of facts')
  .argument('<run>', 'run id, a bundle, or a folder or file that holds a report.json')
  .action(does(async (run, options) => (await import('./coordinator/commands/report.ts')).explain(run, options)))

connection(program.command('diff'))
  .description('two tensors, traces or reports, bit by bit; exit 0 identical, 1 differs, 2 error, 3 not compared')
  .argument('<a>', '.npy, .npz, .safetensors, trace, bundle, report folder, RUN, or RUN/CELL')
  .argument('<b>', 'the same kind')
  .action(does(async (a, b, options) => (await import('./coordinator/commands/compare.ts')).compare(a, b, options)))

connection(program.command('import'))
  .description('make runs of the bundles that `agent once` left; or, with --outcome, explain a table of results (CSV)')
  .argument('<file...>', 'bundles; those of one plan become one run. Or one CSV file')
  .option('--out <dir>', 'also write the reports into this folder')
  .option('--outcome <columns>', 'columns of a table that hold what was computed, such as loss,accuracy')
  .option('--unit <column>', 'column that names what computed it, such as machine')
  .option('--point <column>', 'column that tells several outcomes of one unit apart')
  .option('--repetition <column>', 'column that counts runs that should agree')
  .option('--by <columns>', 'columns whose values make separate comparisons')
  .action(
    does(async (files, options) =>
      options.outcome === undefined
        ? (await import('./coordinator/commands/import.ts')).importFiles(files, options)
        : (await import('./coordinator/commands/explain.ts')).explainTableFile(files, options),
    ),
  )

addMachineCommands(program)

program
  .command('workloads')
  .description('what a plan can name, with its parameters')
  .addOption(json())
  .action(does(async (options) => (await import('./coordinator/commands/workloads.ts')).listWorkloads(options)))

program
  .command('digest')
  .description('dtype, shape and payload digest of the arrays in .npy, .npz and .safetensors files')
  .argument('<file...>')
  .addOption(json())
  .action(
    does(async (files, options) => (await import('./coordinator/commands/digest.ts')).printDigests(files, options)),
  )

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

const people = program.command('people').description('who may sign in at a coordinator, as viewer, operator or admin')
const loadPeople = () => import('./coordinator/commands/people.ts')
connection(people.command('list'))
  .description('who may sign in, and their roles')
  .action(does(async (options) => (await loadPeople()).peopleList(options)))
connection(people.command('add'))
  .description('add a person; the password is asked, or comes from standard input')
  .argument('<name>')
  .requiredOption('--role <role>', 'viewer reads, operator also runs, admin also manages people and agents')
  .action(does(async (name, options) => (await loadPeople()).peopleAdd(name, options)))
connection(people.command('role'))
  .description('give a person another role')
  .argument('<name>')
  .argument('<role>', 'viewer, operator or admin')
  .action(does(async (name, role, options) => (await loadPeople()).peopleRole(name, role, options)))
connection(people.command('password'))
  .description('give a person another password, asked or from standard input; it signs them out everywhere')
  .argument('<name>')
  .action(does(async (name, options) => (await loadPeople()).peoplePassword(name, options)))
connection(people.command('remove'))
  .description('remove a person, with their sessions and API tokens')
  .argument('<name>')
  .action(does(async (name, options) => (await loadPeople()).peopleRemove(name, options)))
connection(people.command('link'))
  .description('an address that signs in whoever opens it first, within five minutes, as you')
  .option('--path <path>', 'where it leads, such as /runs/ID', '/')
  .action(does(async (options) => (await loadPeople()).peopleLink(options)))

const apiToken = program.command('api-token').description('tokens that programs use the API with')
connection(apiToken.command('create'))
  .description('make a token; it is printed this once')
  .requiredOption('--role <role>', 'viewer, operator or admin')
  .requiredOption('--title <text>', 'what it is for')
  .option('--person <name>', 'whose it is: it goes with them, and never exceeds their role')
  .option('--days <number>', 'after how many days it expires', wholeNumber)
  .action(does(async (options) => (await loadPeople()).apiTokenCreate(options)))
connection(apiToken.command('list'))
  .description('tokens that were not revoked')
  .action(does(async (options) => (await loadPeople()).apiTokenList(options)))
connection(apiToken.command('revoke'))
  .description('revoke a token')
  .argument('<id>')
  .action(does(async (id, options) => (await loadPeople()).apiTokenRevoke(id, options)))

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

/** This very file, for commands that start the two sides as processes of their own. */
function mainFile(): string {
  return fileURLToPath(import.meta.url)
}

await runProgram(program)
