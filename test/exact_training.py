"""The step of exact-training.ts on a library of Python: started as its runner is, with this file in the runner's place.

Reads the step as JSON on standard input, writes its checkpoints as JSON on descriptor 3.
"""

import argparse
import base64
import json
import os
import sys

asked = json.load(sys.stdin)
sys.path.insert(0, asked["runner"])

from bitfleet.backends import find_backend  # noqa: E402
from bitfleet.errors import BitfleetError  # noqa: E402
from bitfleet.tensors import create_tensor, digest_of  # noqa: E402
from bitfleet.training_inputs import perceptron, training_schema  # noqa: E402
from bitfleet.training_workloads import train  # noqa: E402
from bitfleet_runner import use_site  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("name")
parser.add_argument("--id")
parser.add_argument("--site")
options = parser.parse_args()
use_site(os.path.abspath(options.site))


def revive(flat):
    return create_tensor(flat["dtype"], flat["shape"], base64.b64decode(flat["bytes"]))


class Inputs:
    weights = [revive(flat) for flat in asked["weights"]]

    def batch(self, step):
        return tuple(revive(asked["batch"][name]) for name in ("images", "targets", "factors"))

    def test_images(self):
        return revive(asked["test"])

    def correct(self, predicted):
        raise BitfleetError("internal", "nobody asked for it")


class Recorder:
    """Follows the schema of this program, not of the one that asked, up to the updated weights."""

    def __init__(self, schema):
        self.places, self.made = schema, []

    def offer(self, step, name, make):
        place = self.places[len(self.made)] if len(self.made) < len(self.places) else (None, None)
        if place[:2] != (step, name):
            return
        tensor = make()
        self.made.append(
            {"step": step, "name": name, "dtype": tensor.dtype, "shape": list(tensor.shape)}
            | {"digest": digest_of(tensor.data)}
        )


params = {**asked["params"]}
network = perceptron(asked["hidden"])
schema = [place for place in training_schema(network, params) if place[0] == 1]
recorder = Recorder(schema[: 1 + max(i for i, place in enumerate(schema) if place[1].startswith("update/"))])
backend = find_backend(options.name).open_backend({})
train(backend.engine(network, params), network, params, Inputs(), recorder)
# What libraries print is a log.
os.write(3, json.dumps(recorder.made).encode())
os._exit(0)
