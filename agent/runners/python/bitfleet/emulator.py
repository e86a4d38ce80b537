"""What emulates the processor that this process runs on, as agent/inventory/emulator.ts sees it."""

import os
import platform
import re
import subprocess


def read_emulator(proc="/proc", pid=None):
    """(title, path of its program, the processor it was told to be or None); None where nothing is emulated.

    A user-mode emulator shows its guest the guest's own program as /proc/self/exe; the same link of the thread, which it
    leaves to the kernel, names the emulator.
    """
    thread = f"{proc}/self/task/{pid or os.getpid()}"
    try:
        shown, executable = os.readlink(f"{proc}/self/exe"), os.readlink(f"{thread}/exe")
    except OSError:
        return None
    if shown == executable:
        return None
    name = os.path.basename(executable)
    try:
        said = subprocess.run(
            [executable, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=5
        ).stdout.decode("utf-8", "replace")
        with open(f"{thread}/cmdline", encoding="utf-8", errors="replace") as file:
            words = file.read().split("\0")
    except (OSError, subprocess.TimeoutExpired):
        said, words = "", []
    version = re.search(r"^(\S+) version (.+?)\s*$", said, re.M)
    at = words.index("-cpu") + 1 if name.startswith("qemu-") and "-cpu" in words else 0
    return (f"{version[1]} {version[2]}" if version else name, executable, words[at] if at else None)


def emulator_facts(found):
    """Facts of an emulated process, over those of its machine."""
    if found is None:
        return {}
    title, _, cpu = found
    machine = platform.machine()
    facts = {"emulator": title, "os.arch": {"aarch64": "arm64", "x86_64": "x64"}.get(machine, machine)}
    if cpu is not None:
        facts["emulator.cpu"] = cpu
    if platform.libc_ver()[0] == "glibc":
        facts["libc"] = f"glibc {platform.libc_ver()[1]}"
    return facts
