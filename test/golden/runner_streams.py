"""What the Python runner draws and rounds, as JSON on standard output: for comparing with golden.json and shared/half.ts.

Standard input: a JSON object of how many elements of each data kind, and the bits of binary64 values to round.
"""
import json
import os
import sys
from array import array

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../agent/runners/python"))
from bitfleet.streams import Stream, data_kinds, draw_tensor, philox_words
from bitfleet.tensors import digest_of, encode_floats

asked = json.load(sys.stdin)
codes = {"f64": "Q", "f32": "I", "f16": "H", "bf16": "H"}


def bits(dtype, data):
    words = array(codes[dtype], bytes(data))
    return [f"{word:0{2 * words.itemsize}x}" for word in words]


def drawn(kind, dtype):
    return bits(dtype, draw_tensor(kind, dtype, [asked["elements"]], Stream("42", "input")).data)


wide = array("d", array("Q", [int(pattern, 16) for pattern in asked["round"]]).tobytes())
mixed = Stream("42", "mixed")
print(
    json.dumps(
        {
            "streams": {name: [f"{word:08x}" for word in Stream("42", name).fill_u32(5)] for name in ("weights", "shuffle")},
            "permutation": list(Stream("42", "shuffle").permutation(10)),
            # However it is asked, a stream gives its words in order.
            "mixed": [mixed.u32(), *mixed.fill_u32(3000), mixed.u32(), *mixed.fill_u32(5)]
            == list(Stream("42", "mixed").fill_u32(3007)),
            # Blocks beyond 2³² have a second word in their counter.
            "late": [f"{word:08x}" for word in philox_words((1, 2), 2**32 + 1, 1)],
            "data": {kind: {dtype: drawn(kind, dtype) for dtype in codes} for kind in data_kinds},
            "uniformDigest": digest_of(draw_tensor("uniform", "f32", [1 << 20], Stream("42", "input")).data),
            "rounded": {dtype: bits(dtype, encode_floats(dtype, wide)) for dtype in codes},
        }
    )
)
