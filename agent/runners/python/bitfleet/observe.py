"""What a runner sees of its own process: floating-point mode, affinity, quota, libraries mapped."""

import ctypes
import os
import platform
import re
import sys

from .emulator import emulator_facts, read_emulator

_PR_SET_PDEATHSIG, _SIGKILL = 1, 9


def die_with_parent():
    """Lets a runner die with its daemon; elsewhere than on Linux it ends at its next word, which nobody hears."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


# Operands come out of a list, or the compiler would have folded the arithmetic.
_operands = [1.0, 2.0**-60, -1.0, 1.5 * 2.0**-53, 2.0**-1022, 0.5, 5e-324, 2.0**100]


def _is_zero(value):
    """By its bits: where operands are flushed, a comparison takes a subnormal for zero as well."""
    return ctypes.c_uint64.from_buffer_copy(ctypes.c_double(value)).value & (1 << 63) - 1 == 0


def _probe_mode():
    """Rounding, FTZ and DAZ by how arithmetic behaves."""
    one, tiny, minus, near, least, half, subnormal, large = _operands
    above, below, nearest = one + tiny > one, minus - tiny < minus, one + near > one
    if nearest and not above and not below:
        rounding = "nearest"
    elif above and below:
        rounding = "mixed"
    else:
        rounding = "up" if above else "down" if below else "zero"
    return rounding, _is_zero(least * half), _is_zero(subnormal * large)


def _decode_environment(data, machine):
    """Rounding, FTZ, DAZ and registers out of what glibc's or musl's fegetenv stored; None where it is not known.

    Intel SDM volume 1, 10.2.3 (MXCSR); Arm ARM, C5.2.8 (FPCR).
    """
    word = lambda at: int.from_bytes(data[at : at + 4], "little")
    if machine in ("x86_64", "amd64"):
        mxcsr = word(28)
        registers = {"mxcsr": f"0x{mxcsr & ~0x3F:04x}", "x87": f"0x{word(0) & 0xFFFF:04x}"}
        rounding = ("nearest", "down", "up", "zero")[mxcsr >> 13 & 3]
        return rounding, mxcsr & 0x8000 != 0, mxcsr & 0x40 != 0, registers
    if machine in ("aarch64", "arm64"):
        fpcr = word(0)
        flush = fpcr & 1 << 24 != 0
        return ("nearest", "up", "down", "zero")[fpcr >> 22 & 3], flush, flush, {"fpcr": f"0x{fpcr:08x}"}
    return None


def floating_point_facts(when):
    """The mode of the thread that calls, as facts `fp.before.*` or `fp.after.*`: registers where they agree with how
    arithmetic behaves, else the behaviour alone."""
    probed = _probe_mode()
    method, registers = "behaviour", {}
    if sys.platform == "linux":
        try:
            environment = ctypes.create_string_buffer(256)
            if ctypes.CDLL("libm.so.6").fegetenv(environment) == 0:
                decoded = _decode_environment(environment.raw, platform.machine().lower())
                if decoded is not None and decoded[:3] == probed:
                    method, registers = "fegetenv", decoded[3]
        except (OSError, AttributeError):
            pass
    rounding, ftz, daz = probed
    yes = lambda value: "yes" if value else "no"
    facts = {"rounding": rounding, "ftz": yes(ftz), "daz": yes(daz), "method": method, **registers}
    return {f"fp.{when}.{name}": value for name, value in facts.items()}


def process_facts():
    """Affinity, processor quota, the Python that computes, and what emulates its processor."""
    facts = {
        "lib.python.version": platform.python_version(),
        "lib.python.implementation": platform.python_implementation(),
        "build.python.compiler": platform.python_compiler(),
    }
    affinity = re.search(r"^Cpus_allowed_list:\s*(\S+)$", _read("/proc/self/status"), re.M)
    if affinity:
        facts["cpu.affinity"] = affinity[1]
    limit = _cpu_limit(_read("/proc/self/cgroup"), _read("/proc/self/mountinfo"))
    if limit is not None:
        facts["cgroup.cpu.max"] = limit
    return {**facts, **emulator_facts(read_emulator())}


def _cpu_limit(cgroup, mountinfo):
    """The tightest CPU quota of this process's cgroups in the words of `cpu.max`, None where none controls it.

    See cgroups(7) and proc_pid_mountinfo(5).
    """
    paths = {}
    for line in cgroup.splitlines():
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        for controller in controllers.split(","):
            paths[controller] = path
    known, tightest = False, None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = (after.split() + ["", "", ""])[:3]
        controller = "" if kind == "cgroup2" else "cpu"
        if kind not in ("cgroup", "cgroup2") or (kind == "cgroup" and "cpu" not in options.split(",")):
            continue
        root, mount = before.split()[3:5]
        path = os.path.normpath(paths.get(controller, "/"))
        if root != "/" and (path + "/").startswith(root + "/"):
            path = path[len(root) :] or "/"
        # A path that climbs out belongs to another cgroup namespace: only the mount's root can be seen.
        path = "/" if ".." in path else path
        while True:
            limit = _read_limit(kind, mount + path.rstrip("/"))
            if limit is not None:
                known = True
                if limit[0].isdigit() and (tightest is None or _cores(limit) < _cores(tightest)):
                    tightest = limit
            if path == "/":
                break
            path = os.path.dirname(path)
    if not known:
        return None
    return "max" if tightest is None else f"{tightest[0]} {tightest[1]}"


def _cores(limit):
    return int(limit[0]) / int(limit[1])


def _read_limit(kind, folder):
    if kind == "cgroup2":
        words = _read(f"{folder}/cpu.max").split()
    else:
        words = _read(f"{folder}/cpu.cfs_quota_us").split()
        if words:
            words.append(_read(f"{folder}/cpu.cfs_period_us").strip() or "100000")
    return None if not words else (words + ["100000"])[:2]


#: Libraries whose version or build can change bits, by file name; as agent/inventory/mapped-libraries.ts has them.
_numeric = re.compile(
    r"^libm(?:vec)?[.-]|^(?:libc[.-]|ld-musl-)|^lib(?:scipy_|flexi)?(?:open)?blas|^libblis|^libatlas|^libcblas|^libsatlas"
    r"|^libtatlas|^libarmpl|^libaoclblas|^liblapacke?[.-]|^libflame|^libmkl_|^libdnnl|^libonednn|^libmklml|^libsvml"
    r"|^libimf|^libintlc|^libalm|^libamdlibm|^lib[ig]?omp(?:5|[.-])|^libtbb|^libpthreadpool|^libtorch|^libc10|^libxla"
    r"|^libjax|^libsleef|^libgfortran|^libquadmath|^libflang|^_jax|^xla_extension|^_multiarray_umath"
)
_shared_object = re.compile(r"\.(?:so(?:\.[0-9.]+)?|dylib)(?: \(deleted\))?$")


def mapped_libraries():
    """Paths of the numeric libraries that this process has mapped by now, sorted, and of an emulator.

    See proc_pid_maps(5).
    """
    paths = set()
    for line in _read("/proc/self/maps").splitlines():
        path = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s+(/.*)$", line)
        if path and _shared_object.search(path[1]) and _numeric.match(os.path.basename(path[1])):
            paths.add(path[1])
    emulator = read_emulator()
    return sorted(paths) + ([] if emulator is None else [emulator[1]])
