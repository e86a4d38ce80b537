"""train.mlp-reference once more, in Python's standard library alone: prints its trace at granularity `operation`.

    python3 test/golden/mlp_reference.py [--digest] [--batch 8] [--hidden 4] [--steps 5]

All within one epoch, in binary32 and accumulation order `sequential`. Nothing is shared with
Bitfleet but the formats: Philox streams, data kinds, checkpoint names, the trace's canonical lines. Python's floats are
binary64; a result of +, -, x or / rounded once more to binary32 is the correctly rounded one.
"""
import argparse
import gzip
import hashlib
import json
import math
import os
import struct

parser = argparse.ArgumentParser()
parser.add_argument("--digest", action="store_true", help="print the trace's digest alone")
parser.add_argument("--batch", type=int, default=8)
parser.add_argument("--hidden", type=int, default=4)
parser.add_argument("--steps", type=int, default=5)
options = parser.parse_args()
SEED, BATCH, HIDDEN, STEPS = 42, options.batch, options.hidden, options.steps
RATE, MOMENTUM, DROPOUT = 0.05, 0.9, 0.25
TRAIN, COUNT, PIXELS, CLASSES = 1437, 1797, 64, 10
STEPS_PER_EPOCH = TRAIN // BATCH
DATA = os.path.join(os.path.dirname(__file__), "../../workloads/data/digits.csv.gz")


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


# Streams: Philox4x32-10, keyed by seed and name.


def philox(counter, key):
    x = [counter & 0xFFFFFFFF, counter >> 32, 0, 0]
    k0, k1 = key
    for _ in range(10):
        a, b = x[0] * 0xD2511F53, x[2] * 0xCD9E8D57
        x = [(b >> 32) ^ x[1] ^ k0, b & 0xFFFFFFFF, (a >> 32) ^ x[3] ^ k1, a & 0xFFFFFFFF]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return x


def words(name):
    hashed = hashlib.sha256(b"bitfleet/philox@1\0%d\0%s" % (SEED, name.encode())).digest()
    key = struct.unpack("<II", hashed[:8])
    block = 0
    while True:
        yield from philox(block, key)
        block += 1


def below(stream, n):
    while True:
        word = next(stream)
        if word < 2**32 - 2**32 % n:
            return word % n


def permutation(stream, n):
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = below(stream, i + 1)
        order[i], order[j] = order[j], order[i]
    return order


# Arithmetic: matrices are lists of rows; every result is rounded to binary32.


def product(a, b):
    columns = list(zip(*b))
    result = []
    for row in a:
        sums = []
        for column in columns:
            total = f32(row[0] * column[0])
            for x, y in zip(row[1:], column[1:]):
                total = f32(total + f32(x * y))
            sums.append(total)
        result.append(sums)
    return result


def transpose(a):
    return [list(column) for column in zip(*a)]


def each(apply, *matrices):
    return [[f32(apply(*values)) for values in zip(*rows)] for rows in zip(*matrices)]


LN2_HIGH, LN2_LOW, LOG2E = 0.6931471803691238, 1.9082149292705877e-10, 1.4426950408889634


def exp(x):
    if x < -746:
        return 0.0
    k = math.floor(x * LOG2E + 0.5)
    r = x - k * LN2_HIGH - k * LN2_LOW
    power = 1.0
    for n in range(13, 0, -1):
        power = 1 + r * power / n
    for _ in range(abs(k)):
        power *= 2 if k > 0 else 0.5
    return power


def log(x):
    m, k = x, 0
    while m >= 1.5:
        m, k = m * 0.5, k + 1
    while m < 0.75:
        m, k = m * 2, k - 1
    s = (m - 1) / (m + 1)
    series = 0.0
    for n in range(25, 0, -2):
        series = 1 / n + s * s * series
    return k * LN2_HIGH + (2 * s * series + k * LN2_LOW)


# The trace.

lines = []


def checkpoint(step, name, shape, values, dtype="f32"):
    form = {"f32": "f", "i32": "i", "bool": "B"}[dtype]
    digest = "sha256:" + hashlib.sha256(struct.pack("<%d%s" % (len(values), form), *values)).hexdigest()
    line = {"seq": len(lines), "step": step, "name": name, "dtype": dtype, "shape": shape, "digest": digest}
    lines.append(json.dumps(line, sort_keys=True, separators=(",", ":")))


def flat(matrix):
    return [value for row in matrix for value in row]


def record(step, name, matrix):
    checkpoint(step, name, [len(matrix), len(matrix[0])], flat(matrix))


# Inputs.

with gzip.open(DATA, "rt") as file:
    digits = [[int(number) for number in line.split(",")] for line in file]
split = permutation(words("split"), COUNT)
images = [[number / 16 for number in digits[row][:PIXELS]] for row in split]
labels = [digits[row][PIXELS] for row in split]
train_images, test_images = images[:TRAIN], images[TRAIN:]
train_labels, test_labels = labels[:TRAIN], labels[TRAIN:]
checkpoint(0, "data/train/images", [TRAIN, 8, 8, 1], flat(train_images))
checkpoint(0, "data/train/labels", [TRAIN], train_labels, "i32")
checkpoint(0, "data/test/images", [COUNT - TRAIN, 8, 8, 1], flat(test_images))
checkpoint(0, "data/test/labels", [COUNT - TRAIN], test_labels, "i32")

weight_words = words("weights")


def initial(inputs, outputs):
    scale = 1.0
    while scale * scale * inputs > 2:
        scale /= 2
    normal = lambda: f32(sum(next(weight_words) >> 8 for _ in range(12)) / 2**24 - 6)
    return [[f32(normal() * scale) for _ in range(outputs)] for _ in range(inputs)]


weights = {
    "dense1/kernel": initial(PIXELS, HIDDEN),
    "dense1/bias": [[0.0] * HIDDEN],
    "dense2/kernel": initial(HIDDEN, CLASSES),
    "dense2/bias": [[0.0] * CLASSES],
}
velocities = {name: each(lambda _: 0.0, weight) for name, weight in weights.items()}


def record_parameter(step, group, name, matrix):
    values = flat(matrix)
    shape = [len(values)] if name.endswith("bias") else [len(matrix), len(matrix[0])]
    checkpoint(step, f"{group}/{name}", shape, values)


for name, weight in weights.items():
    record_parameter(0, "weights", name, weight)
shuffle = permutation(words("shuffle"), TRAIN)
order = permutation(words("batch-order"), STEPS_PER_EPOCH)
drop_words = words("dropout")
kept = [int((next(drop_words) >> 8) / 2**24 >= DROPOUT) for _ in range(STEPS_PER_EPOCH * BATCH * HIDDEN)]
checkpoint(0, "shuffle/epoch0", [TRAIN], shuffle, "i32")
checkpoint(0, "batch-order/epoch0", [STEPS_PER_EPOCH], order, "i32")
checkpoint(0, "dropout/epoch0", [STEPS_PER_EPOCH, BATCH, HIDDEN], kept, "bool")

# Training.


def dense(x, name):
    rows = product(x, weights[name + "/kernel"])
    return each(lambda value, bias: value + bias, rows, weights[name + "/bias"] * len(rows))


relu = lambda value: 0.0 if value <= 0 else value
momentum, rate = f32(MOMENTUM), f32(RATE)

for step in range(1, STEPS + 1):
    first = order[step - 1] * BATCH
    rows = shuffle[first : first + BATCH]
    x = [train_images[row] for row in rows]
    targets = [[float(train_labels[row] == digit) for digit in range(CLASSES)] for row in rows]
    at = (step - 1) * BATCH * HIDDEN
    factor = f32(1 / (1 - DROPOUT))
    factors = [[kept[at + i * HIDDEN + j] * factor for j in range(HIDDEN)] for i in range(BATCH)]

    dense1 = dense(x, "dense1")
    relu1 = each(relu, dense1)
    dropout1 = each(lambda value, scale: value * scale, relu1, factors)
    dense2 = dense(dropout1, "dense2")
    shifted = [[f32(value - max(row)) for value in row] for row in dense2]
    powers = each(exp, shifted)
    sums = product(powers, [[1.0]] * CLASSES)
    softmax = [[f32(power / total[0]) for power in row] for row, total in zip(powers, sums)]
    losses = [
        [f32(f32(log(total[0])) - row[target.index(1.0)])] for total, row, target in zip(sums, shifted, targets)
    ]
    loss = f32(product([[1.0] * BATCH], losses)[0][0] / BATCH)
    for name, result in [("dense1", dense1), ("relu1", relu1), ("dropout1", dropout1), ("dense2", dense2)]:
        record(step, "forward/" + name, result)
    record(step, "forward/softmax", softmax)
    checkpoint(step, "loss", [], [loss])

    gradients = {}
    gradient = each(lambda p, target: f32(p - target) / BATCH, softmax, targets)

    def differentiate(name, argument):
        record(step, "backward/" + name, gradient)
        gradients[name + "/bias"] = product([[1.0] * BATCH], gradient)
        gradients[name + "/kernel"] = product(transpose(argument), gradient)
        for parameter in (name + "/bias", name + "/kernel"):
            record_parameter(step, "backward", parameter, gradients[parameter])

    differentiate("dense2", dropout1)
    gradient = product(gradient, transpose(weights["dense2/kernel"]))
    record(step, "backward/dropout1", gradient)
    gradient = each(lambda slope, scale: slope * scale, gradient, factors)
    record(step, "backward/relu1", gradient)
    gradient = each(lambda slope, value: 0.0 if value <= 0 else slope, gradient, dense1)
    differentiate("dense1", x)

    for name in weights:
        velocities[name] = each(lambda v, g: f32(momentum * v) + g, velocities[name], gradients[name])
        weights[name] = each(lambda w, v: w - f32(rate * v), weights[name], velocities[name])
    for name, weight in weights.items():
        record_parameter(step, "update", name, weight)

# What the training is judged by.

for name, weight in weights.items():
    record_parameter(STEPS, "weights", name, weight)
logits = dense(each(relu, dense(test_images, "dense1")), "dense2")
predicted = [row.index(max(row)) for row in logits]
record(STEPS, "logits", logits)
checkpoint(STEPS, "labels", [len(predicted)], predicted, "i32")
checkpoint(STEPS, "correct", [], [sum(a == b for a, b in zip(predicted, test_labels))], "i32")

prefix = ""
for line in lines:
    prefix = hashlib.sha256((prefix + line + "\n").encode()).hexdigest()
print(prefix if options.digest else "\n".join(lines))
