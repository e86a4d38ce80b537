"""Asks the OpenBLAS that a library of Python brings along what is in force, by its own functions."""

import ctypes
import os

from ..observe import mapped_libraries
from .common import no_effect, text_of


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


def read_openblas(asked):
    """Settings, facts and notes of it, as the backend `openblas` tells them."""
    library = find_openblas()
    if library is None:
        return {}, {"lib.openblas.version": "none"}, []
    config = library.text("openblas_get_config").split()
    core = library.text("openblas_get_corename")
    threads = str(library.number("openblas_get_num_threads"))
    version = config[1] if config[:1] == ["OpenBLAS"] and len(config) > 1 else "unknown"
    options = [word for word in config[0 if version == "unknown" else 2 :] if word != core]
    parallel = ("sequential", "pthread", "openmp")[library.number("openblas_get_parallel")]
    notes = []
    wanted = asked.get("coreType")
    # Names are compared without case, as OpenBLAS reads them.
    if wanted is not None and text_of(wanted).lower() != core.lower():
        dynamic = "DYNAMIC_ARCH" in options
        why = "this build has no such core type" if dynamic else "it was built for one processor (no DYNAMIC_ARCH)"
        fact = f"OPENBLAS_CORETYPE={text_of(wanted)} had no effect: {why}; OpenBLAS {version} chose {core}"
        notes.append(no_effect("coreType", fact))
    wanted = asked.get("threads")
    if wanted is not None and text_of(wanted) != threads:
        fact = f"OpenBLAS runs {threads} (its processors or its build allow no more)"
        notes.append(no_effect("threads", f"OPENBLAS_NUM_THREADS={text_of(wanted)} did not take: {fact}"))
    facts = {
        "lib.openblas.version": version,
        "lib.openblas.options": " ".join(options),
        "lib.openblas.core": core,
        "lib.openblas.parallel": parallel,
        "lib.openblas.integers": str(library.integer_bits),
        "pool.openblas": threads,
    }
    return {"coreType": core, "threads": threads}, facts, notes
