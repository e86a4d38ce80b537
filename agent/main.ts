#!/usr/bin/env node
import { Command } from 'commander'
import { runProgram } from '../shared/command-line.ts'
import { readVersion } from './build.ts'
import { addAgentCommands, addMachineCommands } from './command-line.ts'

// The agent alone, for machines that need no more of Bitfleet: `deploy/single-file.mjs` makes one file of it.

const program = new Command('bitfleet-agent')
  .description("Bitfleet's agent: the daemon on a machine that computes.")
  .version(readVersion())
  .showHelpAfterError('(`bitfleet-agent --help` shows how)')
  .configureHelp({ showGlobalOptions: true })
  .exitOverride()

addAgentCommands(program)
addMachineCommands(program)
// What a page says of `bitfleet agent …` holds here, too.
addAgentCommands(program.command('agent', { hidden: true }))

await runProgram(program)
