#!/bin/sh
# Starts the agent's single file with a Node.js that can run it. As root it acts for the service: as its user, in its
# state folder. As anyone else it acts for that person.
set -eu

self=$(readlink -f -- "$0")
root=$(cd -- "$(dirname -- "$self")/../.." && pwd)
root=${root%/}
state=$root/var/lib/bitfleet-agent
settings=$root/etc/bitfleet/agent.env

# What a service would be given is taken from the settings here, too, where this environment does not say otherwise:
# which Node.js, and how the coordinator is reached. As text: the file is not a script. Numeric variables are the
# service's alone.
if [ -r "$settings" ]; then
  for name in NODE BITFLEET_CA_FILE BITFLEET_RUNNERS BITFLEET_RUNNER_MODULES BITFLEET_PROGRAMS HTTPS_PROXY HTTP_PROXY ALL_PROXY NO_PROXY; do
    if eval "[ -z \"\${$name:-}\" ]"; then
      value=$(sed -n "s/^$name=//p" "$settings" | tail -n 1 | sed 's/^"\(.*\)"$/\1/')
      if [ -n "$value" ]; then export "$name=$value"; fi
    fi
  done
fi
NODE=${NODE:-node}
NODE=$(command -v -- "$NODE" || echo "$NODE")
if ! version=$("$NODE" --version 2>/dev/null); then
  echo "bitfleet-agent: $NODE cannot be run; install Node.js 20.19 or newer, or name one by NODE=/path/to/node in /etc/bitfleet/agent.env" >&2
  exit 2
fi
plain=${version#v}
major=${plain%%.*}
rest=${plain#*.}
minor=${rest%%.*}
case $major$minor in
  '' | *[!0-9]*) major=0 minor=0 ;;
esac
if [ "$major" -lt 20 ] || { [ "$major" -eq 20 ] && [ "$minor" -lt 19 ]; }; then
  echo "bitfleet-agent: $NODE is $version; Bitfleet needs Node.js 20.19 or newer: name one by NODE=/path/to/node in /etc/bitfleet/agent.env" >&2
  exit 2
fi

file=$root/usr/lib/bitfleet/bitfleet-agent.mjs
if [ "$(id -u)" -eq 0 ] && [ -z "${BITFLEET_STATE:-}" ] && [ -d "$state" ]; then
  # Files that root would make in the service's state, the service could not read; and tools that only root finds, it
  # will not find. So with the user goes the path that systemd gives to services.
  owner=$(stat -c %u -- "$state")
  group=$(stat -c %g -- "$state")
  export BITFLEET_STATE="$state" HOME="$state" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
  if [ "$owner" -ne 0 ]; then
    exec setpriv --reuid "$owner" --regid "$group" --clear-groups "$NODE" "$file" "$@"
  fi
fi
exec "$NODE" "$file" "$@"
