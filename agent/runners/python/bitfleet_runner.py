"""The runner of Python's libraries: makes the one execution asked for on descriptor 3, and tells of it on descriptor 4.

    python3 -I -B bitfleet_runner.py NAME [--id NAME@VERSION] [--site FOLDER] [describe]

NAME is numpy, pytorch or jax. `--site` is a folder of packages: nothing else that is installed for this Python is seen.
Without it, what this Python has. `describe` prints what runs here. stdout and stderr are a log. See
docs/runner-protocol.md, and README.md beside this file.
"""

import argparse
import json
import os
import resource
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)

from bitfleet.backends import find_backend, modules
from bitfleet.detection import describe
from bitfleet.errors import BitfleetError, Unsupported
from bitfleet.execution import execute
from bitfleet.observe import die_with_parent
from bitfleet.protocol import read_request, write_event


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=list(modules))
    parser.add_argument("--id", help="as plans say it; NAME if left out")
    parser.add_argument("--site", help="folder of packages")
    parser.add_argument("command", nargs="?", choices=["describe", "detect"])
    options = parser.parse_intermixed_args()
    options.id = options.id or options.name
    if options.site:
        use_site(os.path.abspath(options.site))
    if options.command == "describe":
        print(
            json.dumps(
                [describe(options, [sys.executable, *sys.orig_argv[1 : sys.orig_argv.index(sys.argv[0])], __file__])]
            )
        )
    elif options.command == "detect":
        print(find_backend(options.name).detect())
    else:
        run(options)


def use_site(folder):
    """Packages of this folder alone, beside Python's own library."""
    packages = ("site-packages", "dist-packages")
    sys.path[:] = [path for path in sys.path if not path.rstrip("/").endswith(packages)]
    sys.path.append(folder)


def run(options):
    die_with_parent()
    try:
        execute(read_request(), options)
        end({"type": "finished"})
    except Unsupported as error:
        end({"type": "unsupported", "reason": str(error)})
    except BitfleetError as error:
        end({"type": "failed", "code": error.code, "message": str(error)})
    except MemoryError:
        end({"type": "failed", "code": "limit", "message": "the runner could not have the memory it asked for"})
    except Exception as error:
        end({"type": "failed", "code": "internal", "message": f"{type(error).__name__}: {error}"})


def end(words):
    """Libraries leave threads behind, so the process ends by itself."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1 if sys.platform == "darwin" else 1024
    words.update(cpuMs=(usage.ru_utime + usage.ru_stime) * 1000, maxRssBytes=usage.ru_maxrss * unit)
    write_event(words)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
