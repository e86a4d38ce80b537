"""Asks the OpenBLAS that a library of Python brings along what is in force, by its own functions."""

import ctypes
import os

from ..observe import mapped_libraries


class OpenBlas:
    """A mapped OpenBLAS; its symbols have a prefix in the wheels and a suffix where integers have 64 bits."""

    def __init__(self, path, prefix, suffix):
        self._library = ctypes.CDLL(path)
        self._prefix, self._suffix = prefix, suffix
        self.integer_bits = 64 if "64" in suffix or "USE64BITINT" in self.text("openblas_get_config") else 32

    def _function(self, name):
        return getattr(self._library, f"{self._prefix}{name}{self._suffix}")

    def text(self, name):
        function = self._function(name)
        function.restype = ctypes.c_char_p
        return (function() or b"").decode("ascii", "replace")

    def number(self, name):
        return self._function(name)()


def find_openblas():
    """The one this process has mapped; None where the library computes with another BLAS."""
    for path in mapped_libraries():
        if "blas" not in os.path.basename(path):
            continue
        library = ctypes.CDLL(path)
        for prefix in ("scipy_", ""):
            for suffix in ("64_", "", "_64"):
                if hasattr(library, f"{prefix}openblas_get_config{suffix}"):
                    return OpenBlas(path, prefix, suffix)
    return None


def read_openblas():
    """Settings, facts and reasons of it, as the backend `openblas` tells them."""
    library = find_openblas()
    if library is None:
        unread = "no OpenBLAS is loaded that could tell it"
        return {}, {"lib.openblas.version": "none"}, {"coreType": unread, "threads": unread}
    config = library.text("openblas_get_config").split()
    core = library.text("openblas_get_corename")
    threads = str(library.number("openblas_get_num_threads"))
    version = config[1] if config[:1] == ["OpenBLAS"] and len(config) > 1 else "unknown"
    options = [word for word in config[0 if version == "unknown" else 2 :] if word != core]
    parallel = ("sequential", "pthread", "openmp")[library.number("openblas_get_parallel")]
    dynamic = "DYNAMIC_ARCH" in options
    why = "has no such core type here" if dynamic else "was built for one processor (no DYNAMIC_ARCH)"
    facts = {
        "lib.openblas.version": version,
        "lib.openblas.options": " ".join(options),
        "lib.openblas.core": core,
        "lib.openblas.parallel": parallel,
        "lib.openblas.integers": str(library.integer_bits),
        "pool.openblas": threads,
    }
    reasons = {"coreType": f"OpenBLAS {version} {why}", "threads": "its processors or its build allow no more"}
    return {"coreType": core, "threads": threads}, facts, reasons
