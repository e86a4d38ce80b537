"""Workloads that are one call of one kernel: operands in, one result out. The same names, versions, parameters, streams
and checkpoints as in workloads/; docs/formats.md is what both follow."""

from typing import NamedTuple

from . import parameters as p
from .elementary import domains
from .errors import BitfleetError, Unsupported
from .streams import Stream, draw_tensor
from .tensors import create_tensor, element_count, encode_floats


class Operand(NamedTuple):
    """A tensor to compute on, drawn from the stream of its name where no array of the user's is given."""

    name: str
    dtype: str
    shape: tuple
    draw: object
    reference: object = None


def _drawn(name, dtype, shape, data):
    draw = data if callable(data) else lambda dtype, shape, stream: draw_tensor(data, dtype, shape, stream)
    return Operand(name, dtype, tuple(shape), draw)


def _given(name, dtype, pinned, inputs, rank=None):
    found = inputs.shape(pinned)
    # numpy has no bfloat16: its patterns come as u16.
    if found[0] != dtype and (dtype, found[0]) != ("bf16", "u16"):
        raise BitfleetError("usage", f"{pinned['file']} holds {found[0]} and dtype is {dtype}; give the array's own")
    if rank is not None and len(found[1]) != rank:
        raise BitfleetError("usage", f"{pinned['file']} has shape {list(found[1])} and {name} must have {rank} axes")
    return Operand(name, dtype, found[1], None, pinned)


def _first(params, inputs, rank, shape, data=None):
    if params["input"]:
        return _given("input", params["dtype"], params["input"], inputs, rank)
    return _drawn("input", params["dtype"], shape, data or params["data"])


def _or(value, default):
    return default if value is None else value


def _vector(params, inputs):
    return [_first(params, inputs, None, [_or(params["n"], 1 << 20)])]


def _second(first, params, inputs, data):
    if not params["inputB"]:
        return _drawn("input-b", first.dtype, first.shape, data)
    second = _given("input-b", first.dtype, params["inputB"], inputs)
    if element_count(second.shape) != element_count(first.shape):
        raise BitfleetError(
            "usage",
            f"{params['inputB']['file']} has shape {list(second.shape)} and the first operand {list(first.shape)}; "
            "both need as many elements",
        )
    return second


def _vectors(params, inputs):
    (first,) = _vector(params, inputs)
    return [first, _second(first, params, inputs, params["data"])]


def _gemv_operands(params, inputs):
    n = _or(params["n"], 256)
    a = _first(params, inputs, 2, [_or(params["m"], n), n])
    if params["inputB"]:
        x = _given("input-b", a.dtype, params["inputB"], inputs, 1)
    else:
        x = _drawn("input-b", a.dtype, a.shape[1:], params["data"])
    if x.shape[0] != a.shape[1]:
        raise BitfleetError("usage", f"the vector has {x.shape[0]} elements and the matrix {a.shape[1]} columns")
    return [a, x]


def _gemm_operands(params, inputs):
    n = _or(params["n"], 128)
    given = params["inputB"] and _given("input-b", params["dtype"], params["inputB"], inputs, 2)
    depth = given.shape[0] if given else _or(params["k"], n)
    a = _first(params, inputs, 2, [_or(params["m"], n), depth])
    b = given or _drawn("input-b", a.dtype, [a.shape[1], n], params["data"])
    if b.shape[0] != a.shape[1]:
        raise BitfleetError("usage", f"the first matrix has {a.shape[1]} columns and the second {b.shape[0]} rows")
    return [a, b]


def _rows_operands(params, inputs):
    return [_first(params, inputs, 2, [_or(params["rows"], 64), _or(params["n"], 1024)])]


def _layernorm_operands(params, inputs):
    (x,) = _rows_operands(params, inputs)
    return [x, *(_drawn(name, x.dtype, x.shape[1:], params["data"]) for name in ("gain", "bias"))]


def _conv2d_operands(params, inputs):
    height = _or(params["height"], 16)
    shape = [_or(params["batch"], 2), height, _or(params["width"], height), _or(params["channels"], 8)]
    x = _first(params, inputs, 4, shape)
    if params["inputB"]:
        kernel = _given("input-b", x.dtype, params["inputB"], inputs, 4)
    else:
        side = _or(params["kernel"], 3)
        kernel = _drawn("input-b", x.dtype, [side, side, x.shape[3], _or(params["filters"], 16)], params["data"])
    if kernel.shape[2] != x.shape[3]:
        raise BitfleetError("usage", f"the images have {x.shape[3]} channels and the kernel is for {kernel.shape[2]}")
    if kernel.shape[0] > x.shape[1] or kernel.shape[1] > x.shape[2]:
        sizes = [f"{shape[0]} × {shape[1]}" for shape in (kernel.shape, x.shape[1:])]
        raise BitfleetError("usage", f"a kernel of {sizes[0]} does not fit an image of {sizes[1]}")
    return [x, kernel]


def _conv2d_shape(x, kernel):
    return (x.shape[0], x.shape[1] - kernel.shape[0] + 1, x.shape[2] - kernel.shape[1] + 1, kernel.shape[3])


def _draw_from(bounds):
    """low + (high - low)·u, each operation in binary64, rounded once to the dtype."""
    low, high = map(float, bounds)

    def draw(dtype, shape, stream):
        n = element_count(shape)
        uniform = stream.uniform64(n) if dtype == "f64" else stream.uniform32(n)
        return create_tensor(dtype, shape, encode_floats(dtype, [low + (high - low) * u for u in uniform]))

    return draw


def _elementary_operands(presets):
    def operands(params, inputs):
        first = _first(params, inputs, None, [_or(params["n"], 1 << 16)], _draw_from(params["domain"] or presets[0]))
        if len(presets) == 1:
            return [first]
        return [first, _second(first, params, inputs, _draw_from(params["domainB"] or presets[1]))]

    return operands


def _flat(shape):
    return (element_count(shape),)


class KernelWorkload:
    """The operands are the first checkpoints, the result is the last; all are of step 0."""

    version = 1

    def __init__(self, id, kernel, params, operands, beside, result=lambda x, *_: x.shape, flat=False, call=None):
        self.id, self.kernel = id, kernel
        self._params, self._operands, self._beside = params, operands, beside
        self._result, self._flat = result, flat
        self._call = call or (lambda kernel, tensors, params: kernel(*tensors))

    def prepare(self, written, inputs):
        """Parameters with their defaults, operands, and the checkpoint schema."""
        params = p.parse_params(self.id, self._params, written, self._beside)
        operands = self._operands(params, inputs)
        schema = [(0, operand.name, operand.dtype, operand.shape, "input") for operand in operands]
        schema.append((0, self.id.split(".")[-1], operands[0].dtype, tuple(self._result(*operands)), "output"))
        return params, operands, schema

    def schema(self, written, inputs):
        return self.prepare(written, inputs)[2]

    def run(self, context):
        kernel = context.backend.kernels.get(self.kernel)
        if kernel is None:
            raise Unsupported(f"{context.backend.name} has no kernel {self.kernel}")
        params, operands, schema = self.prepare(context.params, context.inputs)
        tensors = []
        for operand in operands:
            if operand.draw:
                tensor = operand.draw(operand.dtype, operand.shape, Stream(context.seed, operand.name))
            else:
                tensor = create_tensor(operand.dtype, operand.shape, context.inputs.read(operand.reference))
            context.recorder.checkpoint(0, operand.name, tensor)
            tensors.append(tensor._replace(shape=_flat(tensor.shape)) if self._flat else tensor)
        result = self._call(kernel, tensors, params)
        if result.dtype != operands[0].dtype:
            raise BitfleetError("workload", f"{self.id}: {context.backend.name} gave {result.dtype}")
        _, name, _, shape, _ = schema[-1]
        context.recorder.checkpoint(0, name, create_tensor(result.dtype, shape, result.data))


def _elementary(name):
    params = {"dtype": p.dtype, "n": p.length, "domain": p.domain, "input": p.pinned}
    beside = [("input", ("n", "domain"))]
    if len(domains[name]) == 2:
        params.update(domainB=p.domain, inputB=p.pinned)
        beside.append(("inputB", ("domainB",)))
    call = lambda kernel, tensors, _: kernel(name, *tensors)
    operands = _elementary_operands(domains[name])
    return KernelWorkload(f"elementary.{name}", "elementary", params, operands, beside, flat=True, call=call)


_one = {"dtype": p.dtype, "n": p.length, "data": p.data(), "input": p.pinned}
_two = {**_one, "inputB": p.pinned}
_rows = {"dtype": p.dtype, "rows": p.extent, "n": p.extent, "data": p.data("normal"), "input": p.pinned}
_gemv = {"dtype": p.dtype, "m": p.extent, "n": p.extent, "data": p.data(), "input": p.pinned, "inputB": p.pinned}
_gemm = {"dtype": p.dtype, "m": p.extent, "k": p.extent, **_gemv}
_epsilon = p.number(lambda value: 0 < value <= 1, "above 0 and at most 1", 1e-5)
_images = ("batch", "height", "width", "channels")
_conv2d = {
    "dtype": p.dtype, **{name: p.extent for name in (*_images, "kernel", "filters")},
    "data": p.data("normal"), "input": p.pinned, "inputB": p.pinned,
}  # fmt: skip
_scalar = lambda *_: ()

kernel_workloads = [
    KernelWorkload("reduce.sum", "sum", _one, _vector, [("input", ("n",))], _scalar, flat=True),
    KernelWorkload("reduce.dot", "dot", _two, _vectors, [("input", ("n",))], _scalar, flat=True),
    KernelWorkload("reduce.norm2", "norm2", _one, _vector, [("input", ("n",))], _scalar, flat=True),
    KernelWorkload(
        "linalg.gemv", "gemv", _gemv, _gemv_operands, [("input", ("m", "n"))], lambda a, _: a.shape[:1]
    ),
    KernelWorkload(
        "linalg.gemm", "gemm", _gemm, _gemm_operands, [("input", ("m", "k")), ("inputB", ("n", "k"))],
        lambda a, b: (a.shape[0], b.shape[1]),
    ),
    *map(_elementary, domains),
    KernelWorkload("nn.softmax", "softmax", _rows, _rows_operands, [("input", ("rows", "n"))]),
    KernelWorkload(
        "nn.layernorm", "layernorm", {**_rows, "epsilon": _epsilon}, _layernorm_operands, [("input", ("rows", "n"))],
        call=lambda kernel, tensors, params: kernel(*tensors, params["epsilon"]),
    ),
    KernelWorkload(
        "nn.conv2d", "conv2d", _conv2d, _conv2d_operands, [("input", _images), ("inputB", ("kernel", "filters"))],
        _conv2d_shape,
    ),
]  # fmt: skip
