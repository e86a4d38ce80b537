"""Named random streams (Philox4x32-10) and the kinds of data, as docs/formats.md defines them.

In Python's standard library alone, so that no framework under test has a hand in its own inputs. Blocks are made many
at a time: a Python integer holds one 64-bit lane for each block, and one multiplication multiplies them all.

See Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3. SC'11.
"""

import hashlib
import re
import struct
from array import array
from math import ldexp

from .errors import BitfleetError
from .tensors import create_tensor, element_count, encode_floats

_multiplier0, _multiplier1 = 0xD2511F53, 0xCD9E8D57
_weyl0, _weyl1 = 0x9E3779B9, 0xBB67AE85
_word = 0xFFFFFFFF

data_kinds = ("uniform", "centred", "normal", "wide", "cancelling")


def _lanes(pattern, count):
    return int.from_bytes(struct.pack("<Q", pattern) * count, "little")


def philox_words(key, first, count):
    """The words of `count` blocks from number `first` on, in order."""
    ones, low = _lanes(1, count), _lanes(_word, count)
    numbers = int.from_bytes(array("Q", range(first, first + count)).tobytes(), "little")
    x0, x1, x2, x3 = numbers & low, numbers >> 32 & low, 0, 0
    k0, k1 = key
    for _ in range(10):
        # A product of two words fills its lane and no more.
        p0, p1 = x0 * _multiplier0, x2 * _multiplier1
        x0, x1, x2, x3 = (p1 >> 32 & low) ^ x1 ^ ones * k0, p1 & low, (p0 >> 32 & low) ^ x3 ^ ones * k1, p0 & low
        k0, k1 = (k0 + _weyl0) & _word, (k1 + _weyl1) & _word
    pairs = array("Q", bytes(16 * count))
    for at, lanes in ((0, x0 | x1 << 32), (1, x2 | x3 << 32)):
        pairs[at::2] = array("Q", lanes.to_bytes(8 * count, "little"))
    return array("I", pairs.tobytes())


def stream_key(seed, name):
    hashed = hashlib.sha256(f"bitfleet/philox@1\0{seed}\0{name}".encode()).digest()
    return struct.unpack("<II", hashed[:8])


class Stream:
    """Every method takes the next words in order."""

    def __init__(self, seed, name):
        if not re.fullmatch("0|[1-9][0-9]*", seed):
            raise BitfleetError("usage", f'seed "{seed}" is not a whole number in decimal; write one such as 42')
        self._key = stream_key(seed, name)
        self._next_block = 0
        self._words = array("I")
        self._used = 0

    def fill_u32(self, n):
        """The next n words."""
        words = self._words[self._used : self._used + n]
        self._used += len(words)
        while len(words) < n:
            self._refill(n - len(words))
            taken = self._words[: n - len(words)]
            self._used = len(taken)
            words.extend(taken)
        return words

    def u32(self):
        if self._used == len(self._words):
            self._refill(1)
        word = self._words[self._used]
        self._used += 1
        return word

    def _refill(self, wanted):
        count = min(max(-(-wanted // 4), 256), 1 << 14)
        self._words = philox_words(self._key, self._next_block, count)
        self._next_block += count
        self._used = 0

    def uniform32(self, n):
        """n binary64 values in [0, 1) that binary32 holds: (w >>> 8)·2⁻²⁴."""
        return [(word >> 8) * 2.0**-24 for word in self.fill_u32(n)]

    def uniform64(self, n):
        words = self.fill_u32(2 * n)
        return [((hi >> 5) * 2.0**26 + (lo >> 6)) * 2.0**-53 for hi, lo in zip(words[0::2], words[1::2])]

    def below(self, n):
        """A whole number in [0, n), every one equally likely."""
        limit = 2**32 - 2**32 % n
        word = self.u32()
        while word >= limit:
            word = self.u32()
        return word % n

    def permutation(self, n):
        """Fisher-Yates from the last index down."""
        order = array("I", range(n))
        for i in range(n - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
        return order


def draw_tensor(kind, dtype, shape, stream):
    """A tensor of a data kind, in C order from the next words of a stream."""
    return create_tensor(dtype, shape, encode_floats(dtype, _draws[kind](dtype, element_count(shape), stream)))


def _uniform(dtype, n, stream):
    if dtype == "f64":
        return stream.uniform64(n)
    if dtype == "f32":
        return stream.uniform32(n)
    bits = _layouts[dtype][0] + 1
    return [(word >> (32 - bits)) * 2.0**-bits for word in stream.fill_u32(n)]


def _centred(dtype, n, stream):
    return [2 * u - 1 for u in _uniform(dtype, n, stream)]


def _normal(_dtype, n, stream):
    values = []
    while len(values) < n:
        count = min(n - len(values), 1 << 13)
        # All words shifted at once; each row of twelve is summed.
        words = int.from_bytes(stream.fill_u32(12 * count).tobytes(), "little") >> 8 & _lanes(
            0xFFFFFF00FFFFFF, 6 * count
        )
        rows = zip(*[iter(array("I", words.to_bytes(48 * count, "little")))] * 12)
        values += [sum(row) * 2.0**-24 - 6 for row in rows]
    return values


#: Stored significand bits, largest magnitude of an exponent of `wide`, and the bits `cancelling` draws anew.
_layouts = {"f64": (52, 20, 16), "f32": (23, 20, 8), "f16": (10, 14, 3), "bf16": (7, 20, 2)}


def _draw_wide(dtype, stream):
    """Sign, stored bits of the significand, exponent."""
    stored, largest, _ = _layouts[dtype]
    word = stream.u32()
    significand = (word & 0xFFFFF) << 32 | stream.u32() if dtype == "f64" else word & (1 << stored) - 1
    return (-1 if word >> 31 else 1), significand, stream.below(2 * largest + 1) - largest


def _value_of(dtype, sign, significand, exponent):
    stored = _layouts[dtype][0]
    return sign * ldexp(significand + (1 << stored), exponent - stored)


def _wide(dtype, n, stream):
    return [_value_of(dtype, *_draw_wide(dtype, stream)) for _ in range(n)]


def _cancelling(dtype, n, stream):
    renewed = _layouts[dtype][2]
    made = []
    for _ in range(n // 2):
        sign, significand, exponent = _draw_wide(dtype, stream)
        other = (significand >> renewed << renewed) + (stream.u32() >> (32 - renewed))
        made += [_value_of(dtype, sign, significand, exponent), _value_of(dtype, -sign, other, exponent)]
    if n % 2:
        made += _wide(dtype, 1, stream)
    return [made[i] for i in stream.permutation(n)]


_draws = {"uniform": _uniform, "centred": _centred, "normal": _normal, "wide": _wide, "cancelling": _cancelling}
