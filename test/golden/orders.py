"""Recomputes the golden results of every accumulation order with Python's standard library alone.

    python3 test/golden/orders.py > test/golden/orders.json

Shares no code with Bitfleet: every number is an exact fraction, and every operation is rounded as IEEE 754 says, once,
ties to even. The orders are written here from their definitions in docs/accumulation-orders.md.
"""

import hashlib
import json
from fractions import Fraction
from math import isqrt

from golden import FORMATS, Stream, draw, encode

SEED = 42
ORDERS = [
    "sequential", "reverse", "pairwise", "halving", "lanes:1", "lanes:8", "lanes:5", "chunks:1", "chunks:7", "chunks:2000",
    "blocks:64", "blocks:1", "shuffled-chunks:7:42", "shuffled-chunks:2000:1", "kahan", "neumaier", "fma", "exact",
]


class Arithmetic:
    """Correctly rounded operations of one format. Values never overflow here, and no zero is negative."""

    def __init__(self, dtype):
        self.stored, bias, _ = FORMATS[dtype]
        self.least = 1 - bias

    def round(self, v):
        if v == 0:
            return Fraction(0)
        n, d = abs(v.numerator), v.denominator
        e = n.bit_length() - d.bit_length()
        if Fraction(2) ** e > abs(v):
            e -= 1
        place = Fraction(2) ** (max(e, self.least) - self.stored)
        return round(v / place) * place

    def add(self, a, b):
        return self.round(a + b)

    def sub(self, a, b):
        return self.round(a - b)

    def mul(self, a, b):
        return self.round(a * b)

    def div(self, a, b):
        return self.round(a / b)

    def sqrt(self, v):
        """√v to 400 bits below one, with half a bit more where that is not exact, then rounded."""
        scaled = v.numerator * 4**400 // v.denominator
        root = isqrt(scaled)
        exact = root * root == scaled and v.numerator * 4**400 % v.denominator == 0
        return self.round(Fraction(2 * root + (0 if exact else 1), 2**401))


def fold(op, terms):
    total = terms[0]
    for term in terms[1:]:
        total = op(total, term)
    return total


def pairwise(ar, terms):
    while len(terms) > 1:
        paired = [ar.add(terms[i], terms[i + 1]) for i in range(0, len(terms) - 1, 2)]
        terms = paired + ([terms[-1]] if len(terms) % 2 else [])
    return terms[0]


def halving(ar, terms):
    s = list(terms)
    n = len(s)
    h = 1
    while 2 * h < n:
        h *= 2
    while h >= 1:
        for i in range(h):
            if i + h < len(s):
                s[i] = ar.add(s[i], s[i + h])
        s = s[:h]
        h //= 2
    return s[0]


def chunks(terms, count):
    n = len(terms)
    return [terms[t * n // count : (t + 1) * n // count] for t in range(count)]


def kahan(ar, terms):
    s, c = terms[0], Fraction(0)
    for x in terms[1:]:
        y = ar.sub(x, c)
        t = ar.add(s, y)
        c = ar.sub(ar.sub(t, s), y)
        s = t
    return s


def neumaier(ar, terms):
    s, c = terms[0], Fraction(0)
    for x in terms[1:]:
        t = ar.add(s, x)
        c = ar.add(c, ar.add(ar.sub(s, t), x) if abs(s) >= abs(x) else ar.add(ar.sub(x, t), s))
        s = t
    return ar.add(s, c)


def add_up(ar, order, terms):
    """The sum of terms that are numbers of the format."""
    kind, *rest = order.split(":")
    count = int(rest[0]) if rest else 0
    if kind == "exact":
        return ar.round(sum(terms))
    if kind == "sequential":
        return fold(ar.add, terms)
    if kind == "reverse":
        return fold(ar.add, terms[::-1])
    if kind == "pairwise":
        return pairwise(ar, terms)
    if kind == "halving":
        return halving(ar, terms)
    if kind == "kahan":
        return kahan(ar, terms)
    if kind == "neumaier":
        return neumaier(ar, terms)
    if kind == "lanes":
        return pairwise(ar, [fold(ar.add, terms[lane::count]) for lane in range(count) if terms[lane::count]])
    if kind == "blocks":
        return fold(ar.add, [halving(ar, terms[i : i + count]) for i in range(0, len(terms), count)])
    parts = chunks(terms, count)
    if kind == "shuffled-chunks":
        parts = [parts[t] for t in Stream(int(rest[1]), "order").permutation(count)]
    return fold(ar.add, [fold(ar.add, part) for part in parts if part])


def dot(ar, order, x, y, finish=None):
    """`exact` rounds once, after `finish` too."""
    finish = finish or ar.round
    if order == "exact":
        return finish(sum(a * b for a, b in zip(x, y)))
    if order == "fma":
        total = ar.mul(x[0], y[0])
        for a, b in zip(x[1:], y[1:]):
            total = ar.round(a * b + total)
        return finish(total)
    return finish(add_up(ar, order, [ar.mul(a, b) for a, b in zip(x, y)]))


def gemm(ar, order, a, b, m, k, n):
    return [dot(ar, order, a[i * k : (i + 1) * k], b[j::n]) for i in range(m) for j in range(n)]


def conv2d(ar, order, x, kernel, shape, size, filters):
    batch, height, width, channels = shape
    result = []
    for b in range(batch):
        for i in range(height - size + 1):
            for j in range(width - size + 1):
                patch = [
                    x[((b * height + i + p) * width + j + q) * channels + c]
                    for p in range(size) for q in range(size) for c in range(channels)
                ]
                result += [dot(ar, order, patch, kernel[d::filters]) for d in range(filters)]
    return result


def layernorm(ar, order, x, gain, bias, rows, n, epsilon):
    result = []
    for r in range(rows):
        row = x[r * n : (r + 1) * n]
        mean = ar.div(add_up(ar, order, row), ar.round(Fraction(n)))
        deviations = [ar.sub(v, mean) for v in row]
        variance = ar.div(dot(ar, order, deviations, deviations), ar.round(Fraction(n)))
        scale = ar.sqrt(ar.add(variance, ar.round(Fraction(epsilon))))
        result += [ar.add(ar.mul(ar.div(d, scale), g), b) for d, g, b in zip(deviations, gain, bias)]
    return result


def entry(workload, params, order, values):
    dtype = params["dtype"]
    patterns = [encode(v, dtype) for v in values]
    data = b"".join(p.to_bytes(FORMATS[dtype][2], "little") for p in patterns)
    return {"workload": workload, "params": params, "order": order, "digest": "sha256:" + hashlib.sha256(data).hexdigest()}


def main():
    out = []
    for dtype in FORMATS:
        ar = Arithmetic(dtype)
        data = "centred" if dtype == "f16" else "cancelling"
        n = 1003
        x, y = draw(data, dtype, n, Stream(SEED, "input")), draw(data, dtype, n, Stream(SEED, "input-b"))
        vector = {"dtype": dtype, "n": n, "data": data}
        m, k, q = 3, 21, 4
        a, b = (draw("centred", dtype, size, Stream(SEED, name)) for name, size in (("input", m * k), ("input-b", k * q)))
        shape, size, filters = (1, 4, 5, 3), 3, 2
        image = draw("centred", dtype, 1 * 4 * 5 * 3, Stream(SEED, "input"))
        kernel = draw("centred", dtype, 3 * 3 * 3 * 2, Stream(SEED, "input-b"))
        rows, width = 2, 37
        matrix = draw("centred", dtype, rows * width, Stream(SEED, "input"))
        gain, bias = (draw("centred", dtype, width, Stream(SEED, name)) for name in ("gain", "bias"))
        for order in ORDERS:
            out.append(entry("reduce.dot", vector, order, [dot(ar, order, x, y)]))
            out.append(entry("reduce.norm2", vector, order, [dot(ar, order, x, x, ar.sqrt)]))
            out.append(entry("linalg.gemv", {"dtype": dtype, "m": m, "n": k, "data": "centred"}, order,
                             gemm(ar, order, a, draw("centred", dtype, k, Stream(SEED, "input-b")), m, k, 1)))
            out.append(entry("linalg.gemm", {"dtype": dtype, "m": m, "k": k, "n": q, "data": "centred"}, order,
                             gemm(ar, order, a, b, m, k, q)))
            out.append(entry("nn.conv2d",
                             {"dtype": dtype, "batch": 1, "height": 4, "width": 5, "channels": 3, "kernel": 3, "filters": 2,
                              "data": "centred"}, order, conv2d(ar, order, image, kernel, shape, size, filters)))
            if order == "fma":
                continue
            out.append(entry("reduce.sum", vector, order, [add_up(ar, order, x)]))
            out.append(entry("nn.layernorm", {"dtype": dtype, "rows": rows, "n": width, "data": "centred"}, order,
                             layernorm(ar, order, matrix, gain, bias, rows, width, 1e-5)))
    print("[\n" + ",\n".join(json.dumps(row) for row in out) + "\n]")


if __name__ == "__main__":
    main()
