"""The mean of random numbers by gradient descent, in plain Python: a program of one's own that Bitfleet compares."""

import json
import os
import random
import struct

out = os.environ["BITFLEET_OUT"]
epochs = int(os.environ["BITFLEET_PARAM_epochs"])
order = os.environ.get("SUM_ORDER", "forward")
random.seed(int(os.environ["BITFLEET_SEED"]))


def say(**line):
    with open(f"{out}/trace.ndjson", "a", encoding="utf-8") as trace:
        trace.write(json.dumps(line) + "\n")


def checkpoint(step, name, values, role="intermediate"):
    header = str({"descr": "<f8", "fortran_order": False, "shape": (len(values),)}).ljust(117) + "\n"
    file = f"{step}-{name.replace('/', '-')}.npy"
    with open(f"{out}/{file}", "wb") as npy:
        npy.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        npy.write(struct.pack(f"<{len(values)}d", *values))
    say(checkpoint={"step": step, "name": name, "file": file, "role": role})


say(settings={"SUM_ORDER": order})
data = [random.gauss(0, 1) for _ in range(1000)]
weight = 0.0
checkpoint(0, "data", data, "input")
for epoch in range(1, epochs + 1):
    gradient = 0.0
    for x in reversed(data) if order == "backward" else data:
        gradient += weight - x
    weight -= 0.1 * gradient / len(data)
    checkpoint(epoch, "backward/weight", [gradient])
    checkpoint(epoch, "update/weight", [weight], "output" if epoch == epochs else "intermediate")
