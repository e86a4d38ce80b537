"""What the daemon and a runner say to each other; docs/runner-protocol.md tells it."""

import json
import os
import time

from .errors import BitfleetError
from .tensors import digest_of, dtype_bytes, element_count

request_fd, event_fd = 3, 4
#: Elements up to which an output's bits stand in a report, so that its bytes are always kept.
small_output = 16


def read_request():
    pieces = []
    while not pieces or b"\n" not in pieces[-1]:
        try:
            piece = os.read(request_fd, 1 << 16)
        except BlockingIOError:
            time.sleep(0.001)
            continue
        if piece == b"":
            break
        pieces.append(piece)
    try:
        request = json.loads(b"".join(pieces).split(b"\n")[0])
        if request["protocol"] != 1:
            raise ValueError(f"this runner speaks protocol 1, not {request['protocol']}")
        return request
    except (ValueError, KeyError, TypeError) as error:
        raise BitfleetError("protocol", f"the runner cannot read its request: {error}") from error


def write_event(event):
    """One whole line, in the pipe before the next operation runs: a crash loses nothing of what was said."""
    left = memoryview(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n")
    while len(left) > 0:
        try:
            left = left[os.write(event_fd, left) :]
        except BlockingIOError:
            time.sleep(0.001)


class Recorder:
    """Digests checkpoints as they are made, keeps their bytes while there is room, and holds a workload to its schema.

    A schema is a list of (step, name, dtype, shape, role).
    """

    def __init__(self, workload, schema, request):
        self._workload = workload
        self._schema = schema
        self._scratch = request["scratch"]
        self._room = request["keepBytes"]
        self._seq = 0

    def _break(self, fact):
        raise BitfleetError("workload", f"{self._workload} broke its checkpoint schema: {fact}")

    def checkpoint(self, step, name, tensor):
        made = f"{name} at step {step}, {tensor.dtype}{list(tensor.shape)}"
        if self._seq == len(self._schema):
            self._break(f"after all {self._seq} checkpoints it made {made}")
        *place, role = self._schema[self._seq]
        if place != [step, name, tensor.dtype, tuple(tensor.shape)]:
            self._break(f"checkpoint {self._seq} is {made}, not {place}")
        data = memoryview(tensor.data).cast("B")
        expected = element_count(tensor.shape) * dtype_bytes[tensor.dtype]
        if data.nbytes != expected:
            self._break(f"{made} has {data.nbytes} bytes, not {expected}")
        event = {
            "type": "checkpoint", "seq": self._seq, "step": step, "name": name, "dtype": tensor.dtype,
            "shape": list(tensor.shape), "digest": digest_of(data), "role": role,
        }  # fmt: skip
        small = role == "output" and element_count(tensor.shape) <= small_output
        if small or data.nbytes <= self._room:
            event["file"] = f"{self._seq}.bin"
            path = os.path.join(self._scratch, event["file"])
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
            self._room -= 0 if small else data.nbytes
        write_event(event)
        self._seq += 1

    def offer(self, step, name, make):
        """A checkpoint where the schema has a place for it next; `make` is called only there."""
        if self._seq < len(self._schema) and list(self._schema[self._seq][:2]) == [step, name]:
            self.checkpoint(step, name, make())

    def complete(self):
        if self._seq < len(self._schema):
            self._break(f"it ended after {self._seq} of {len(self._schema)} checkpoints")
