"""Recomputes every golden value of the formats with Python's standard library alone, sharing no code with Bitfleet.

    python3 test/golden/golden.py > test/golden/golden.json

Exact arithmetic is done on integers and fractions; struct only packs values that are exact in their format.
"""

import hashlib
import json
import struct
from fractions import Fraction

MASK = 0xFFFFFFFF


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- Philox4x32-10 and streams ------------------------------------------------------------------------------------


def philox(counter, key):
    x, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [(p1 >> 32) ^ x[1] ^ k[0], p1 & MASK, (p0 >> 32) ^ x[3] ^ k[1], p0 & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return x


class Stream:
    def __init__(self, seed, name):
        digest = hashlib.sha256(b"bitfleet/philox@1\0" + str(seed).encode() + b"\0" + name.encode()).digest()
        self.key = struct.unpack("<2I", digest[:8])
        self.block, self.words = 0, []

    def u32(self):
        if not self.words:
            self.words = philox([self.block & MASK, self.block >> 32, 0, 0], self.key)
            self.block += 1
        return self.words.pop(0)

    def below(self, n):
        while True:
            w = self.u32()
            if w < 2**32 - 2**32 % n:
                return w % n

    def permutation(self, n):
        order = list(range(n))
        for i in range(n - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
        return order


# --- floating-point formats: (stored significand bits, bias, bytes) -----------------------------------------------

FORMATS = {"f64": (52, 1023, 8), "f32": (23, 127, 4), "f16": (10, 15, 2), "bf16": (7, 127, 2)}


def encode(value: Fraction, dtype: str) -> int:
    """Bit pattern nearest to an exact value, ties to even; values here never overflow, and 0 is +0."""
    p, bias, size = FORMATS[dtype]
    sign, magnitude = (1 if value < 0 else 0), abs(value)
    if magnitude == 0:
        return 0
    exponent = 1 - bias
    while magnitude >= Fraction(2) ** (exponent + 1):
        exponent += 1
    steps = round(magnitude / Fraction(2) ** (exponent - p))  # round() of a Fraction: half to even
    pattern = steps if steps < 2**p else ((exponent + bias - 1) << p) + steps
    return sign << (size * 8 - 1) | pattern


def hexes(patterns, dtype):
    return [format(p, "0%dx" % (2 * FORMATS[dtype][2])) for p in patterns]


# --- data kinds ---------------------------------------------------------------------------------------------------


def uniform(dtype, s):
    if dtype == "f64":
        hi, lo = s.u32(), s.u32()
        return Fraction((hi >> 5) * 2**26 + (lo >> 6), 2**53)
    bits = {"f32": 24, "f16": 11, "bf16": 8}[dtype]
    return Fraction(s.u32() >> (32 - bits), 2**bits)


def wide_parts(dtype, s):
    p = FORMATS[dtype][0]
    if dtype == "f64":
        hi, lo = s.u32(), s.u32()
        sign, stored = hi >> 31, (hi & 0xFFFFF) << 32 | lo
    else:
        w = s.u32()
        sign, stored = w >> 31, w & (2**p - 1)
    reach = 14 if dtype == "f16" else 20
    return sign, stored, s.below(2 * reach + 1) - reach


def wide_value(dtype, sign, stored, exponent):
    return (-1) ** sign * (1 + Fraction(stored, 2 ** FORMATS[dtype][0])) * Fraction(2) ** exponent


def draw(kind, dtype, n, s):
    if kind == "uniform":
        return [uniform(dtype, s) for _ in range(n)]
    if kind == "centred":
        return [2 * uniform(dtype, s) - 1 for _ in range(n)]
    if kind == "normal":
        return [Fraction(sum(s.u32() >> 8 for _ in range(12)), 2**24) - 6 for _ in range(n)]
    if kind == "wide":
        return [wide_value(dtype, *wide_parts(dtype, s)) for _ in range(n)]
    q = {"f64": 16, "f32": 8, "f16": 3, "bf16": 2}[dtype]
    made = []
    for _ in range(n // 2):
        sign, stored, exponent = wide_parts(dtype, s)
        partner = stored >> q << q | s.u32() >> (32 - q)
        made += [wide_value(dtype, sign, stored, exponent), wide_value(dtype, 1 - sign, partner, exponent)]
    if n % 2:
        made.append(wide_value(dtype, *wide_parts(dtype, s)))
    return [made[i] for i in s.permutation(n)]


# --- ULP ----------------------------------------------------------------------------------------------------------


def ulp(dtype, a, b):
    p, _, size = FORMATS[dtype]
    top = 1 << (size * 8 - 1)
    infinity = (top - 1) >> p << p
    if any(x & (top - 1) > infinity for x in (a, b)):
        return None
    order = [-(x & (top - 1)) if x & top else x for x in (a, b)]
    return str(abs(order[0] - order[1]))


ULP_PAIRS = {
    "f64": [(0x3FF0000000000000, 0x3FF0000000000001), (0x8000000000000001, 1), (0x7FF0000000000000, 0xFFF0000000000000), (0x7FF0000000000001, 0)],
    "f32": [(0x00000000, 0x80000000), (0x7F7FFFFF, 0x7F800000), (0xFF800000, 0x7F800000), (0x3F800000, 0x3F800005), (0x7FA00000, 0x7FA00000)],
    "f16": [(0x8001, 0x0001), (0xFC00, 0x7C00), (0x7C01, 0)],
    "bf16": [(0x8001, 0x0001), (0xFF80, 0x7F80), (0x7F81, 0)],
}

# --- files --------------------------------------------------------------------------------------------------------


def npy(descr, shape, payload):
    literal = "(%s)" % ("%d," % shape[0] if len(shape) == 1 else ", ".join(map(str, shape)))
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, literal)
    head += " " * ((21 - len(str(shape[0]))) if shape else 0)
    head += " " * (64 - (10 + len(head) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + payload


def safetensors(items):
    """items: (name, dtype name, shape, payload), already widest dtype first, then by name."""
    header, at = {}, 0
    for name, dtype, shape, payload in items:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(payload)]}
        at += len(payload)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(payload for *_, payload in items)


def main():
    out = {}

    hostile = struct.pack("<4I", 0x3F800000, 0x80000000, 0x7F800000, 0x00000001)
    scalar = struct.pack("<f", 3.5)
    out["tensor"] = {"bits": ["3f800000", "80000000", "7f800000", "00000001"], "digest": "sha256:" + sha(hostile)}

    prefix, prefixes, lines = "", [], []
    for seq, (name, shape, data) in enumerate([("input", [4], hostile), ("sum", [], scalar)]):
        checkpoint = {"seq": seq, "step": 0, "name": name, "dtype": "f32", "shape": shape, "digest": "sha256:" + sha(data)}
        lines.append(json.dumps(checkpoint, sort_keys=True, separators=(",", ":")))
        prefix = sha(prefix.encode() + lines[-1].encode() + b"\n")
        prefixes.append(prefix)
    out["trace"] = {"lines": lines, "prefixes": prefixes}

    previous, journal = "", []
    for sequence, body in enumerate([
        {"kind": "journal", "format": "bitfleet/journal@1", "id": "golden"},
        {"kind": "cancel", "by": "api", "run": "20260102-120000-abcdef"},
    ]):
        record = {**body, "sequence": sequence, "previous": previous, "at": "2026-01-02T12:00:00.000Z"}
        canonical = lambda value: json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        line = canonical({**record, "digest": sha(canonical(record).encode())})
        previous = sha(line.encode() + b"\n")
        journal.append({"line": line, "sha256": previous})
    out["journal"] = journal

    pi = ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0])
    vectors = [([0] * 4, [0] * 2), ([MASK] * 4, [MASK] * 2), pi]
    out["philox"] = [["%08x" % w for w in philox(*vector)] for vector in vectors]

    weights, shuffle = Stream(42, "weights"), Stream(42, "shuffle")
    out["streams"] = {
        "weights": ["%08x" % weights.u32() for _ in range(5)],
        "shuffle": ["%08x" % shuffle.u32() for _ in range(2)],
        "permutation": Stream(42, "shuffle").permutation(10),
        "emptySeedZero": ["%08x" % w for w in philox([0] * 4, Stream(0, "").key)],
    }

    out["data"] = {
        kind: {dtype: hexes([encode(v, dtype) for v in draw(kind, dtype, 9, Stream(42, "input"))], dtype) for dtype in FORMATS}
        for kind in ["uniform", "centred", "normal", "wide", "cancelling"]
    }
    big = Stream(42, "input")
    values = bytearray()
    for _ in range(2**18):
        for w in philox([big.block, 0, 0, 0], big.key):
            values += struct.pack("<f", (w >> 8) / 2**24)
        big.block += 1
    out["uniformDigest"] = "sha256:" + sha(values)

    out["ulp"] = [
        {"dtype": dtype, "bits": hexes(pair, dtype), "ulp": ulp(dtype, *pair)} for dtype, pairs in ULP_PAIRS.items() for pair in pairs
    ]

    out["files"] = {
        "npy": sha(npy("<f4", [4], hostile)),
        "npyScalar": sha(npy("<f4", [], scalar)),
        "npyMatrix": sha(npy("<f4", [2, 2], hostile)),
        "safetensors": sha(safetensors([("α", "F32", [4], hostile), ("half", "F16", [2], scalar)])),
    }
    print(json.dumps(out, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
