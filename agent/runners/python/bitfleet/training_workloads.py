"""Trainings by gradient descent with momentum on a library with gradients: v ← momentum·v + gradient, then
w ← w − rate·v. The same checkpoints as workloads/training/, whatever computes them."""

from . import parameters as p
from .errors import Unsupported
from .training_inputs import (
    Schedule, TrainingInputs, convolutional, granularities, perceptron, train_count, training_schema,
)  # fmt: skip

_common = {
    "dataset": p.choice(("digits",), "digits"),
    "epochs": p.whole(1, 100, 3),
    "batch": p.whole(1, train_count, 32),
    "learningRate": p.number(lambda value: 0 < value <= 10, "above 0 and at most 10", 0.05),
    "momentum": p.number(lambda value: 0 <= value < 1, "from 0 to below 1", 0.9),
    "dropout": p.number(lambda value: 0 <= value < 1, "from 0 to below 1", 0.25),
    "steps": p.whole(1, 2**53),
    "checkpoints": p.choice(granularities, "epoch"),
}


class Training:
    version = 1

    def __init__(self, id, size, default, largest, network):
        self.id = id
        self._params = {**_common, size: p.whole(1, largest, default)}
        self._network = lambda params: network(params[size])

    def _parse(self, written):
        params = p.parse_params(self.id, self._params, written)
        return params, self._network(params)

    def schema(self, written, _inputs):
        params, network = self._parse(written)
        return training_schema(network, params)

    def run(self, context):
        engine = context.backend.engine
        if engine is None:
            raise Unsupported(f"{context.backend.name} has no automatic differentiation, which {self.id} needs")
        params, network = self._parse(context.params)
        inputs = TrainingInputs(network, params, context.seed)
        inputs.offer(context.recorder)
        train(engine(network, params), network, params, inputs, context.recorder)


def train(engine, network, params, inputs, recorder):
    """An engine knows the library: `upload` and `download` move bytes, `step` and `evaluate` compute."""
    schedule = Schedule(params)
    names = [name for name, _, _ in network.parameters]
    weights = [engine.upload(weight) for weight in inputs.weights]
    velocities = [engine.zeros_like(weight) for weight in weights]
    for step in range(1, schedule.steps + 1):
        batch = [tensor and engine.upload(tensor) for tensor in inputs.batch(step)]
        made, weights, velocities = engine.step(weights, velocities, *batch)
        offer = lambda name, value: recorder.offer(step, name, lambda: engine.download(value))
        for layer in network.layers:
            offer(f"forward/{layer.name}", made[f"forward/{layer.name}"])
        offer("forward/softmax", made["forward/softmax"])
        offer("loss", made["loss"])
        for layer in reversed(network.layers):
            offer(f"backward/{layer.name}", made[f"backward/{layer.name}"])
            for parameter in reversed(layer.parameters):
                offer(f"backward/{parameter.name}", made[f"backward/{parameter.name}"])
        for name, weight in zip(names, weights):
            offer(f"update/{name}", weight)
        if not schedule.ends_epoch(step):
            continue
        for name, weight in zip(names, weights):
            offer(f"weights/{name}", weight)
        logits, labels = engine.evaluate(weights, engine.upload(inputs.test_images()))
        predicted = engine.download(labels)
        offer("logits", logits)
        recorder.offer(step, "labels", lambda: predicted)
        recorder.offer(step, "correct", lambda: inputs.correct(predicted))


training_workloads = [
    Training("train.mlp", "hidden", 32, 4096, perceptron),
    Training("train.cnn", "channels", 8, 256, convolutional),
]
