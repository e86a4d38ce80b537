import { type Command, Option } from 'commander'
import { byteCount, ca, clean, does, json, tokenFile, wholeNumber } from '../shared/command-line.ts'

const name = () => new Option('--name <name>', 'what to call this agent; several on one machine need different names')
const labels = () => new Option('--label <key=value...>', 'labels that plans aim at').default([])
const backendState = () => new Option('--state <dir>', 'the folder whose backends are meant')
const programState = () => new Option('--state <dir>', 'the folder whose list is meant; BITFLEET_PROGRAMS goes before')
const several = (flags: string, description: string) =>
  new Option(flags, description).argParser((value: string, before: string[]) => [...before, value]).default([])
const state = () => new Option('--state <dir>', "where this agent's key, cache and spool are kept")

// The agent's commands, once for `bitfleet agent …` and for the agent's own single file. Every command is loaded when
// it is called, so that the daemon stays free of what it does not use.

/** Adds what is done with the daemon. @param agent `bitfleet agent`, or the program of the agent's own file */
export function addAgentCommands(agent: Command): void {
  agent
    .command('enroll')
    .description('join a coordinator, once: makes this machine a key, and takes a token on standard input')
    .argument('<url>', "the coordinator's address")
    .addOption(name())
    .addOption(labels())
    .addOption(state())
    .addOption(tokenFile('the enrolment'))
    .addOption(ca())
    .action(
      does(async (url: string, { label, state: stateDir, ...options }) =>
        (await import('./commands/agent.ts')).agentEnroll(url, { ...options, labels: label, stateDir }),
      ),
    )
  agent
    .command('start')
    .description('run the daemon; not enrolled yet, it enrols first by a token from a file or BITFLEET_TOKEN')
    .option('--coordinator <url>', "the coordinator's address; left out, where this agent enrolled")
    .addOption(name())
    .addOption(labels())
    .option('--slots <number>', 'executions at a time', wholeNumber, 1)
    .option('--spool-bytes <number>', 'results not acknowledged beyond which it takes no more jobs', byteCount)
    .option('--grace <seconds>', 'how long running executions may go on after SIGTERM', wholeNumber, 20)
    .addOption(clean())
    .addOption(state())
    .addOption(tokenFile('an enrolment'))
    .addOption(ca())
    .action(
      does(async ({ label, state, ...options }) =>
        (await import('./commands/agent.ts')).agentStart({ ...options, labels: label, stateDir: state }),
      ),
    )
  agent
    .command('status')
    .description('how the agent of this machine is; exit 0 connected, 1 running and not connected, 3 not running')
    .addOption(name())
    .addOption(state())
    .addOption(json())
    .action(
      does(async ({ state: stateDir, ...options }) =>
        (await import('./commands/agent-status.ts')).agentStatus({ ...options, stateDir }),
      ),
    )
  agent
    .command('drain')
    .description('have it take nothing new, finish and hand in what it has, and end')
    .option('--wait', 'until it has ended')
    .addOption(name())
    .addOption(state())
    .action(
      does(async ({ state: stateDir, ...options }) =>
        (await import('./commands/agent-drain.ts')).agentDrain({ ...options, stateDir }),
      ),
    )
  agent
    .command('reset')
    .description('remove its key, enrolment, cache and spool, after saying what that is')
    .option('--discard-results', 'also results that the coordinator has not acknowledged')
    .option('--yes', 'ask nothing')
    .addOption(name())
    .addOption(state())
    .action(
      does(async ({ state: stateDir, ...options }) =>
        (await import('./commands/agent-reset.ts')).agentReset({ ...options, stateDir }),
      ),
    )
}

/** Adds what can be asked of a machine that computes, before or without a daemon. */
export function addMachineCommands(program: Command): void {
  const backends = program.command('backends').description('what computes here, and what can be added')
  backends
    .command('list', { isDefault: true })
    .description('what runs here, what does not and why, and the command that adds it')
    .addOption(backendState())
    .addOption(json())
    .action(does(async (options) => (await import('./commands/backends.ts')).listBackends(options)))
  backends
    .command('add')
    .description('install a version of a library beside the others, by npm or pip as they are configured')
    .argument('<name@version>', 'such as js@24; `bitfleet backends` lists them')
    .option('--from <dir>', "a folder with the packages' files, in place of a network")
    .addOption(backendState())
    .action(does(async (id: string, options) => (await import('./commands/backends.ts')).backendsAdd(id, options)))
  backends
    .command('remove')
    .description('remove an installed version, and what was fetched for it')
    .argument('<name@version>', 'such as js@24')
    .addOption(backendState())
    .action(does(async (id: string, options) => (await import('./commands/backends.ts')).backendsRemove(id, options)))

  const programs = program.command('programs').description('programs of your own that plans may run here')
  programs
    .command('list', { isDefault: true })
    .description('what is listed, its files and digests, and whether they are what they are pinned as')
    .addOption(programState())
    .addOption(json())
    .action(does(async (options) => (await import('./commands/programs.ts')).listPrograms(options)))
  programs
    .command('add')
    .description('list a program, and pin every file of its command as it is now')
    .argument('<name[@variant]>', 'what plans call it, such as digits or digits@torch-2.6')
    .argument('<command...>', 'behind `--`: the program by its absolute path, and its arguments')
    .addOption(several('--parameter <name=default>', 'what a plan may say; the default says its type. May be repeated'))
    .addOption(
      several(
        '--knob <name=variable:values>',
        'a variable that a plan may set to one of 1..64 or a,b. May be repeated',
      ),
    )
    .addOption(several('--env <variable=value>', 'a variable that is always set. May be repeated'))
    .addOption(several('--pin <file>', 'one more file that must stay as it is now. May be repeated'))
    .option('--directory <dir>', 'where it is started; left out, in an empty folder each time')
    .option('--replace', 'put it in the place of one of this name')
    .addOption(programState())
    .action(
      does(async (id: string, command: string[], options) =>
        (await import('./commands/programs.ts')).programsAdd(id, command, options),
      ),
    )
  programs
    .command('pin')
    .description('take the pinned files of a listed program as they are now')
    .argument('<name[@variant]>', 'such as digits')
    .addOption(programState())
    .action(does(async (id: string, options) => (await import('./commands/programs.ts')).programsPin(id, options)))
  programs
    .command('remove')
    .description('list a program no more; its files stay')
    .argument('<name[@variant]>', 'such as digits')
    .addOption(programState())
    .action(does(async (id: string, options) => (await import('./commands/programs.ts')).programsRemove(id, options)))

  program
    .command('doctor')
    .description('before enrolling: what on this machine would get in the way')
    .option('--coordinator <url>', 'also try to reach this coordinator')
    .addOption(ca())
    .addOption(json())
    .action(does(async (options) => (await import('./commands/doctor.ts')).doctor(options)))
}
