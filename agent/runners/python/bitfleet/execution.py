"""One execution: opens the library, runs the workload, tells what was in force."""

import os
import struct
import sys
from typing import NamedTuple

from .backends import find_backend
from .backends.common import substitutions
from .errors import BitfleetError, Unsupported
from .kernel_workloads import kernel_workloads
from .observe import floating_point_facts, mapped_libraries, process_facts
from .protocol import Recorder, write_event
from .tensors import Tensor, digest_of
from .training_workloads import training_workloads

workloads = {workload.id: workload for workload in [*kernel_workloads, *training_workloads]}


class Context(NamedTuple):
    """What a workload is given to run on."""

    params: dict
    seed: str
    backend: object
    inputs: object
    recorder: Recorder


class Inputs:
    """The user's own arrays. What they are is dtype, shape and digest together (see shared/array-identity.ts)."""

    def __init__(self, inputs):
        self._inputs = inputs

    def _find(self, reference):
        def refers_to(array):
            same = reference["digest"] == array["digest"]
            return same and all(reference.get(key, array[key]) == array[key] for key in ("dtype", "shape"))

        found = {(array["dtype"], tuple(array["shape"])): array for array in self._inputs if refers_to(array)}
        if not found:
            raise BitfleetError("not-found", f"the array {reference['digest']} was not given with the plan")
        if len(found) > 1:
            what = " and ".join(f"{dtype}{list(shape)}" for dtype, shape in found)
            message = f"{reference['file']} may be {what}, which have the same bytes; give its dtype and shape"
            raise BitfleetError("usage", f"{message} beside its digest")
        return next(iter(found.values()))

    def shape(self, reference):
        found = self._find(reference)
        return found["dtype"], tuple(found["shape"])

    def read(self, reference):
        found = self._find(reference)
        with open(found["file"], "rb") as file:
            data = file.read()
        if digest_of(data) != found["digest"]:
            raise BitfleetError("digest-mismatch", f"input {found['digest']} has other bytes on this agent")
        return data


def execute(request, options):
    """Raises `Unsupported` or an error where the workload did not make every checkpoint of its schema."""
    if sys.byteorder != "little":
        raise Unsupported("this machine stores numbers with the largest byte first; tensors are little-endian")
    condition = request["condition"]
    workload = workloads.get(request["workload"])
    if workload is None:
        raise Unsupported(f"the Python runner has no workload {request['workload']}")
    if workload.version != request["workloadVersion"]:
        raise Unsupported(
            f"the Python runner has {workload.id} version {workload.version}, "
            f"the run asks for version {request['workloadVersion']}"
        )
    if condition["backend"] != options.id:
        raise Unsupported(f"this runner is that of {options.id}, not of {condition['backend']}")

    # Observed before the library is loaded: loading alone may change the floating-point mode of the process.
    before = {**floating_point_facts("before"), **process_facts()}
    module = find_backend(options.name)
    try:
        backend = module.open_backend(condition["knobs"])
    except ImportError as error:
        raise BitfleetError("unavailable", f"{options.id} cannot be loaded: {error}") from error
    write_event({"type": "started", "version": backend.version, "pid": os.getpid()})
    _tell_effective(backend, before)
    inputs = Inputs(request["inputs"])
    recorder = Recorder(workload.id, workload.schema(request["params"], inputs), request)
    workload.run(Context(request["params"], request["seed"], backend, inputs, recorder))
    recorder.complete()
    after = {**floating_point_facts("after"), **_flushing(backend)}
    _tell_effective(backend, after, mapped=mapped_libraries())


def _flushing(backend):
    """Whether the library itself flushes subnormals, which the mode of the calling thread need not tell."""
    pattern = lambda *words: Tensor("f32", (len(words),), struct.pack(f"<{len(words)}I", *words))
    # 2⁻¹²⁶ · ½ is a subnormal result; 2⁻¹⁴⁹ · 2¹⁰⁰ has a subnormal operand.
    result = backend.multiply(pattern(0x00800000, 0x00000001), pattern(0x3F000000, 0x71800000))
    flushed, zeroed = (word == 0 for word in struct.unpack("<2I", result.data))
    yes = lambda value: "yes" if value else "no"
    return {"fp.after.library.ftz": yes(flushed), "fp.after.library.daz": yes(zeroed)}


def _tell_effective(backend, facts, **more):
    settings, own, reasons = backend.effective()
    said = {"settings": settings, "reasons": reasons, "facts": {**facts, **own}, "notes": list(substitutions.values())}
    write_event({"type": "effective", **said, **more})
