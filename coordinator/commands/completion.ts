import type { Command } from 'commander'

/** A completion script made from the program's own commands and options, so that it cannot fall behind them. */
export function completionScript(shell: string, program: Command): string {
  const commands = program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    words: [
      ...command.commands.map((sub) => sub.name()),
      ...[command, ...command.commands].flatMap((c) => c.options.map((option) => option.long ?? '')).filter(Boolean),
    ],
  }))
  const names = commands.map(({ name }) => name).join(' ')
  if (shell === 'fish') {
    return commands
      .flatMap(({ name, description, words }) => [
        `complete -c bitfleet -n __fish_use_subcommand -a ${name} -d ${quote(description)}`,
        ...words.map((word) =>
          word.startsWith('--')
            ? `complete -c bitfleet -n '__fish_seen_subcommand_from ${name}' -l ${word.slice(2)}`
            : `complete -c bitfleet -n '__fish_seen_subcommand_from ${name}' -a ${word}`,
        ),
      ])
      .map((line) => `${line}\n`)
      .join('')
  }
  const cases = commands.map(({ name, words }) => `    ${name}) words='${words.join(' ')}' ;;\n`).join('')
  const bash = `_bitfleet() {
  local word="\${COMP_WORDS[COMP_CWORD]}" words='${names}'
  case "\${COMP_WORDS[1]}" in
${cases}  esac
  [ "$COMP_CWORD" -eq 1 ] && words='${names}'
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [ "$COMP_CWORD" -gt 1 ] && COMPREPLY+=($(compgen -f -- "$word"))
}
complete -o filenames -F _bitfleet bitfleet
`
  return shell === 'zsh' ? `autoload -U +X bashcompinit && bashcompinit\n${bash}` : bash
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "\\'")}'`
}
