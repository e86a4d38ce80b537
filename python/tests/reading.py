"""Reads a folder that bitfleet_trace wrote, by the standard library alone; and runs scripts that write one."""

import json
import os
import struct
import subprocess
import sys
import tempfile
import textwrap

helper = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Tensor:
    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = dtype, tuple(shape), data

    def __eq__(self, other):
        return (self.dtype, self.shape, self.data) == (other.dtype, other.shape, other.data)

    def __repr__(self):
        return f"{self.dtype}{list(self.shape)} {self.data[:16].hex()}"


def read_safetensors(path):
    """{name: Tensor} in the order of their bytes; every byte of the file must belong to one."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    table, payload = json.loads(data[8 : 8 + length]), data[8 + length :]
    assert (8 + length) % 8 == 0, "the tensors do not begin at a multiple of 8"
    at, tensors = 0, {}
    for name, entry in table.items():
        begin, end = entry["data_offsets"]
        assert begin == at, f"{name} begins at {begin}, not at {at}"
        tensors[name] = Tensor(entry["dtype"], entry["shape"], payload[begin:end])
        at = end
    assert at == len(payload), f"{len(payload) - at} bytes belong to no tensor"
    return tensors


class Told:
    """What a folder says: `tensors` by (step, name), `order` and `roles` of them, `facts`, `settings`, `notes`."""

    def __init__(self, folder):
        self.tensors, self.roles, self.facts, self.settings, self.notes = {}, {}, {}, {}, []
        self.files, last = [], 0
        path = os.path.join(folder, "trace.ndjson")
        with open(path, "rb") as file:
            lines = file.read()
        assert lines.endswith(b"\n"), "the last line has no end"
        for line in lines.splitlines():
            record = json.loads(line)
            (kind,) = record
            if kind == "note":
                self.notes.append(record["note"])
            elif kind == "checkpoint":
                checkpoint = record["checkpoint"]
                assert checkpoint["step"] >= last, "steps go down"
                last = checkpoint["step"]
                self.files.append(checkpoint["file"])
                for name, tensor in read_safetensors(os.path.join(folder, checkpoint["file"])).items():
                    assert (last, name) not in self.tensors, f"{name} stands twice in step {last}"
                    self.tensors[last, name] = tensor
                    self.roles[last, name] = checkpoint.get("role", "intermediate")
            else:
                getattr(self, kind).update(record[kind])
        self.order = list(self.tensors)

    def names(self, step):
        return [name for at, name in self.order if at == step]


class Ended:
    def __init__(self, code, out, err, told):
        self.code, self.out, self.err, self.told = code, out, err, told


def run(script, traced=True, before=None, **variables):
    """Runs a script in a process of its own, with a folder to write to, and reads that."""
    with tempfile.TemporaryDirectory(prefix="bitfleet-trace-") as folder:
        out = os.path.join(folder, "out")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("BITFLEET_")}
        environment.update(PYTHONPATH=helper, PYTHONDONTWRITEBYTECODE="1", PYTHONWARNINGS="ignore")
        environment.update({"TF_CPP_MIN_LOG_LEVEL": "3", **variables})
        if traced:
            environment.setdefault("BITFLEET_OUT", out)
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=150,
            preexec_fn=before,
        )
        written = os.path.exists(os.path.join(out, "trace.ndjson"))
        return Ended(ended.returncode, ended.stdout, ended.stderr, Told(out) if written else None)
