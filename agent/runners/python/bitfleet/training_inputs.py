"""The network, the checkpoint schema and everything random of a training, made by exact operations; the same as
workloads/training/{network,schedule,inputs,batch}.ts."""

import gzip
import os
from array import array
from typing import NamedTuple

from .errors import BitfleetError
from .streams import Stream, draw_tensor
from .tensors import Tensor, create_tensor, digest_of, element_count, encode_floats

granularities = ("end", "epoch", "step", "operation")
digit_count, digit_pixels, digit_side, digit_classes, train_count = 1797, 64, 8, 10, 1437
test_count = digit_count - train_count

_digits_file = os.path.join(os.path.dirname(__file__), "../../../../workloads/data/digits.csv.gz")
_digits_digest = "sha256:09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"


class Parameter(NamedTuple):
    """Kernels are [in, out], or HWIO; `fan_in` inputs reach each output, and a bias has none."""

    name: str
    shape: tuple
    fan_in: int


class Layer(NamedTuple):
    """One operation, named as its checkpoints are; `shape` is that of its result for one image."""

    kind: str
    name: str
    shape: tuple
    parameters: tuple = ()


class Network(NamedTuple):
    input: tuple
    layers: tuple

    @property
    def parameters(self):
        return [parameter for layer in self.layers for parameter in layer.parameters]


def _parameters(name, shape, inputs):
    return (Parameter(f"{name}/kernel", shape, inputs), Parameter(f"{name}/bias", shape[-1:], 0))


def _dense(name, inputs, outputs):
    return Layer("dense", name, (outputs,), _parameters(name, (inputs, outputs), inputs))


def _convolution(name, side, inputs, outputs):
    return Layer("convolution", name, (side, side, outputs), _parameters(name, (3, 3, inputs, outputs), 9 * inputs))


def perceptron(hidden):
    """Images as rows of 64 pixels; one hidden layer."""
    layers = (
        _dense("dense1", digit_pixels, hidden),
        Layer("relu", "relu1", (hidden,)),
        Layer("dropout", "dropout1", (hidden,)),
        _dense("dense2", hidden, digit_classes),
    )
    return Network((digit_pixels,), layers)


def convolutional(channels):
    """Two convolutions of 3×3 without padding, the second with twice the channels, 2×2 maxima, one dense layer."""
    inner, last = digit_side - 2, digit_side - 4
    pooled = (last // 2, last // 2, 2 * channels)
    layers = (
        _convolution("conv1", inner, 1, channels),
        Layer("relu", "relu1", (inner, inner, channels)),
        _convolution("conv2", last, channels, 2 * channels),
        Layer("relu", "relu2", (last, last, 2 * channels)),
        Layer("pool", "pool1", pooled),
        Layer("dropout", "dropout1", pooled),
        _dense("dense1", element_count(pooled), digit_classes),
    )
    return Network((digit_side, digit_side, 1), layers)


class Schedule:
    """Steps count from 1; step 0 is before training."""

    def __init__(self, params):
        self.steps_per_epoch = train_count // params["batch"]
        self.steps = params["epochs"] * self.steps_per_epoch
        if params["steps"] is not None:
            self.steps = min(self.steps, params["steps"])
        #: Epochs that are at least begun.
        self.epochs = -(-self.steps // self.steps_per_epoch)

    def ends_epoch(self, step):
        return step == self.steps or step % self.steps_per_epoch == 0


def _drops(network, params):
    """The dropout layer, where something is dropped."""
    found = [layer for layer in network.layers if layer.kind == "dropout"]
    return found[0] if found and params["dropout"] > 0 else None


def training_schema(network, params):
    """Checkpoints in the order of computing; a finer granularity adds places and moves none."""
    schedule = Schedule(params)
    fineness = granularities.index(params["checkpoints"])
    by_epoch, by_step, by_operation = (fineness >= level for level in (1, 2, 3))
    batch = params["batch"]
    specs = []

    def add(step, name, shape, role, dtype="f32"):
        specs.append((step, name, dtype, tuple(shape), role))

    def add_parameters(step, group, role):
        for name, shape, _ in network.parameters:
            add(step, f"{group}/{name}", shape, role)

    for part, count in (("train", train_count), ("test", test_count)):
        add(0, f"data/{part}/images", (count, digit_side, digit_side, 1), "input")
        add(0, f"data/{part}/labels", (count,), "input", "i32")
    add_parameters(0, "weights", "input")
    drops = _drops(network, params)
    for epoch in range(schedule.epochs):
        add(0, f"shuffle/epoch{epoch}", (train_count,), "input", "i32")
        add(0, f"batch-order/epoch{epoch}", (schedule.steps_per_epoch,), "input", "i32")
        if drops:
            add(0, f"dropout/epoch{epoch}", (schedule.steps_per_epoch, batch, *drops.shape), "input", "bool")
    for step in range(1, schedule.steps + 1):
        reports = step == schedule.steps or (by_epoch and schedule.ends_epoch(step))
        role = "output" if step == schedule.steps else "intermediate"
        if by_operation:
            for layer in network.layers:
                add(step, f"forward/{layer.name}", (batch, *layer.shape), "intermediate")
            add(step, "forward/softmax", (batch, digit_classes), "intermediate")
        if by_step or reports:
            add(step, "loss", (), role)
        if by_operation:
            for layer in reversed(network.layers):
                add(step, f"backward/{layer.name}", (batch, *layer.shape), "intermediate")
                for name, shape, _ in reversed(layer.parameters):
                    add(step, f"backward/{name}", shape, "intermediate")
        if by_step:
            add_parameters(step, "update", "intermediate")
        if reports:
            add_parameters(step, "weights", role)
            add(step, "logits", (test_count, digit_classes), role)
            add(step, "labels", (test_count,), role, "i32")
            add(step, "correct", (), role, "i32")
    return specs


def _read_digits():
    """Rows of 64 pixels from 0 to 16 and a class, in the order of their file; see workloads/data/README.md."""
    with open(_digits_file, "rb") as file:
        packed = file.read()
    if digest_of(packed) != _digits_digest:
        raise BitfleetError(
            "digest-mismatch", f"digits.csv.gz is {digest_of(packed)} and not {_digits_digest}; install again"
        )
    return [bytes(map(int, line.split(","))) for line in gzip.decompress(packed).decode("ascii").split()]


def integers(values):
    return create_tensor("i32", (len(values),), array("i", values).tobytes())


def initial_scale(fan_in):
    """The largest power of two whose square is at most 2/fan-in."""
    scale = 1.0
    while scale * scale * fan_in > 2:
        scale /= 2
    return scale


class TrainingInputs:
    """Images, labels, initial weights, and for each epoch the order of images and batches and what dropout keeps."""

    def __init__(self, network, params, seed):
        digits = _read_digits()
        split = Stream(seed, "split").permutation(digit_count)
        self._rows = [digits[row] for row in split]
        self._pixels = encode_floats("f32", [pixel / 16 for row in self._rows for pixel in row[:digit_pixels]])
        self._network, self._params = network, params
        self._schedule = Schedule(params)
        self.labels = [row[digit_pixels] for row in self._rows]
        words = Stream(seed, "weights")
        self.weights = [_initial(parameter, words) for parameter in network.parameters]
        shuffles, orders, drops = Stream(seed, "shuffle"), Stream(seed, "batch-order"), Stream(seed, "dropout")
        dropped = _drops(network, params)
        self._kept_shape = (self._schedule.steps_per_epoch, params["batch"], *dropped.shape) if dropped else None
        self._epochs = []
        for _ in range(self._schedule.epochs):
            shuffle = shuffles.permutation(train_count)
            order = orders.permutation(self._schedule.steps_per_epoch)
            kept = None
            if dropped:
                uniform = drops.uniform32(element_count(self._kept_shape))
                kept = bytes(value >= params["dropout"] for value in uniform)
            self._epochs.append((shuffle, order, kept))

    def _images(self, first, count, shape):
        width = 4 * digit_pixels
        return create_tensor("f32", (count, *shape), self._pixels[first * width : (first + count) * width])

    def offer(self, recorder):
        """The first checkpoints of a training: if they differ, it was not the arithmetic."""
        square = (digit_side, digit_side, 1)
        for part, first, count in (("train", 0, train_count), ("test", train_count, test_count)):
            recorder.checkpoint(0, f"data/{part}/images", self._images(first, count, square))
            recorder.checkpoint(0, f"data/{part}/labels", integers(self.labels[first : first + count]))
        for parameter, weight in zip(self._network.parameters, self.weights):
            recorder.checkpoint(0, f"weights/{parameter.name}", weight)
        for epoch, (shuffle, order, kept) in enumerate(self._epochs):
            recorder.checkpoint(0, f"shuffle/epoch{epoch}", integers(shuffle))
            recorder.checkpoint(0, f"batch-order/epoch{epoch}", integers(order))
            if kept is not None:
                recorder.checkpoint(0, f"dropout/epoch{epoch}", create_tensor("bool", self._kept_shape, kept))

    def test_images(self):
        return self._images(train_count, test_count, self._network.input)

    def batch(self, step):
        """Images as the network takes them, targets (1 at the label and else 0), factors of dropout or None."""
        size = self._params["batch"]
        shuffle, order, kept = self._epochs[(step - 1) // self._schedule.steps_per_epoch]
        at = (step - 1) % self._schedule.steps_per_epoch
        rows = shuffle[order[at] * size : (order[at] + 1) * size]
        width = 4 * digit_pixels
        pixels = b"".join(self._pixels[row * width : (row + 1) * width] for row in rows)
        images = create_tensor("f32", (size, *self._network.input), pixels)
        hot = [float(self.labels[row] == digit) for row in rows for digit in range(digit_classes)]
        targets = create_tensor("f32", (size, digit_classes), encode_floats("f32", hot))
        if kept is None:
            return images, targets, None
        count = element_count(self._kept_shape[1:])
        factor = 1 / (1 - self._params["dropout"])
        factors = encode_floats("f32", [keep * factor for keep in kept[at * count : (at + 1) * count]])
        return images, targets, create_tensor("f32", self._kept_shape[1:], factors)

    def correct(self, labels: Tensor):
        """How many predicted labels are right: i32 []."""
        predicted = array("i", bytes(labels.data))
        right = sum(a == b for a, b in zip(predicted, self.labels[train_count:]))
        return create_tensor("i32", (), array("i", [right]).tobytes())


def _initial(parameter, words):
    """Data kind `normal` times a power of two, exactly; a bias is 0."""
    if parameter.fan_in == 0:
        return create_tensor("f32", parameter.shape, bytes(4 * element_count(parameter.shape)))
    scale = initial_scale(parameter.fan_in)
    drawn = array("f", draw_tensor("normal", "f32", parameter.shape, words).data)
    return create_tensor("f32", parameter.shape, encode_floats("f32", [value * scale for value in drawn]))
