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
    #: () to an `Effective`.
    effective: object
    #: Product of two tensors, element by element: for looking at how the library's own threads compute.
    multiply: object
    #: What trains; None for a library without gradients.
    engine: object = None


class Effective(NamedTuple):
    """What is in force, read back from the library; `settings` are named as the knobs they answer."""

    settings: dict
    facts: dict
    #: By knob: why the library has another value than it was asked for, or why it does not tell.
    reasons: dict


#: Kernels that this process computed in another way, because its library lacks them: notes of kind `fallback`, by kernel.
substitutions = {}


def substituted(library, kernel, operations, compute):
    """A kernel made of other operations; it is noted once it is used."""

    def noting(*operands):
        message = f"{library} has no {kernel}: it is computed by {operations}"
        substitutions[kernel] = {"kind": "fallback", "subject": kernel, "message": message}
        return compute(*operands)

    return noting


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
