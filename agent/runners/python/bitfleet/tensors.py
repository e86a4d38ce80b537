"""Tensors as bytes with a dtype and a shape, and the rounding of binary64 to narrower formats.

Bytes are little-endian, in C order, without padding. They are never read as numbers on their way.
"""

import hashlib
import math
import struct
from array import array
from typing import NamedTuple

from .errors import BitfleetError

dtype_bytes = {
    "bool": 1, "u8": 1, "i8": 1, "u16": 2, "i16": 2, "u32": 4, "i32": 4, "u64": 8, "i64": 8,
    "f16": 2, "bf16": 2, "f32": 4, "f64": 8,
}  # fmt: skip


class Tensor(NamedTuple):
    dtype: str
    shape: tuple
    #: Anything with the buffer interface.
    data: object


def element_count(shape):
    return math.prod(shape)


def create_tensor(dtype, shape, data):
    """Raises `format` if the length does not fit dtype and shape."""
    expected = element_count(shape) * dtype_bytes[dtype]
    length = memoryview(data).nbytes
    if length != expected:
        raise BitfleetError("format", f"tensor {dtype}{list(shape)} needs {expected} bytes, {length} were given")
    return Tensor(dtype, tuple(shape), data)


def digest_of(data):
    return "sha256:" + hashlib.sha256(memoryview(data).cast("B")).hexdigest()


def encode_floats(dtype, values):
    """Bytes of the elements nearest to these binary64 values, each rounded once with ties to even."""
    if dtype in ("f64", "f32"):
        return array({"f64": "d", "f32": "f"}[dtype], values).tobytes()
    return array("H", [_narrow_bits(value, *_layouts[dtype]) for value in values]).tobytes()


#: Bits of the exponent and stored bits of the significand.
_layouts = {"f16": (5, 10), "bf16": (8, 7)}


def _narrow_bits(value, exponent_bits, stored):
    """The pattern of a 16-bit format nearest to a binary64 value, ties to even; a NaN becomes the quiet one."""
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    sign = (bits >> 63) << 15
    largest = (1 << exponent_bits) - 1
    if math.isnan(value):
        return sign | largest << stored | 1 << (stored - 1)
    if math.isinf(value):
        return sign | largest << stored
    bias = largest >> 1
    wide_exponent = bits >> 52 & 0x7FF
    significand = (bits & (1 << 52) - 1) | (1 << 52 if wide_exponent else 0)
    exponent = max(wide_exponent, 1) - 1023 + bias
    # Bits below the last stored one; in a subnormal, more of them.
    drop = 52 - stored + (1 - exponent if exponent < 1 else 0)
    kept, rest = significand >> drop, significand & (1 << drop) - 1
    half = 1 << (drop - 1)
    if rest > half or (rest == half and kept & 1):
        kept += 1
    # The leading bit of `kept` adds 1 to the exponent field, and so does a carry.
    pattern = ((max(exponent, 1) - 1) << stored) + kept
    return sign | min(pattern, largest << stored)
