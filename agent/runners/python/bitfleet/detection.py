"""Whether a library runs here. Loading one may kill the process that looks, so that it happens in a child."""

import signal
import subprocess

from .backends import read_description
from .emulator import read_emulator

_detection_s = 150


def describe(options, command):
    """What `shared/backend-description.ts` says of a backend."""
    description = {"id": options.id, **read_description(options.name)}
    emulator = read_emulator()
    if emulator is not None:
        description["emulator"] = emulator[0]
    site = ["--site", options.site] if options.site else []
    try:
        child = subprocess.run(
            [*command, options.name, *site, "detect"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_detection_s,
        )
    except subprocess.TimeoutExpired:
        return {**description, **_unavailable(options, f"looking for it took over {_detection_s} s")}
    if child.returncode == 0:
        return {**description, "status": "ready", "version": child.stdout.decode().split("\n")[-2]}
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        return {**description, **_unavailable(options, f"looking for it killed its process by {name}")}
    words = child.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
    return {**description, **_unavailable(options, f"it cannot be loaded: {words[:300]}")}


def _unavailable(options, reason):
    return {"status": "unavailable", "reason": reason, "add": f"bitfleet backends add {options.id}"}
