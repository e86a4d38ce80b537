"""What backends share: how knobs and notes are written, and memory at a pinned alignment."""

import ctypes
from typing import NamedTuple

from ..tensors import Tensor, dtype_bytes, element_count

#: Bytes. Results of libraries depend on the alignment of operands, so that it is the same everywhere.
alignment = 64


class Opened(NamedTuple):
    """A library under one condition; `shared/backend-description.ts` and agent/backends/backend.ts tell the fields."""

    name: str
    version: str
    #: Functions of tensors to a tensor, by the names of workloads/kernels.ts; one may raise `Unsupported`.
    kernels: dict
    #: () to (settings, facts, notes).
    effective: object
    #: Product of two tensors, element by element: for looking at how the library's own threads compute.
    multiply: object
    #: What trains; None for a library without gradients.
    engine: object = None


def no_effect(subject, message):
    return {"kind": "no-effect", "subject": subject, "message": message}


def text_of(value):
    """A knob's value as a plan writes it."""
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def aligned_buffer(length):
    """A writable buffer of bytes at an aligned address."""
    memory = (ctypes.c_char * (length + alignment))()
    start = -ctypes.addressof(memory) % alignment
    return memoryview(memory)[start : start + length].cast("B")


def aligned_copy(data):
    source = memoryview(data).cast("B")
    copy = aligned_buffer(source.nbytes)
    copy[:] = source
    return copy


def like(tensor, shape, data):
    """The result of a kernel: the operands' dtype, another shape."""
    return Tensor(tensor.dtype, tuple(shape), data)


def byte_length(dtype, shape):
    return element_count(shape) * dtype_bytes[dtype]
