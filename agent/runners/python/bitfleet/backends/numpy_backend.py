"""NumPy, with the OpenBLAS its wheels bring along."""

import json
import os
import re
import subprocess
import sys

from ..errors import Unsupported
from .common import Effective, Opened, aligned_buffer, aligned_copy, byte_length, like, substituted
from .openblas import read_openblas


def detect():
    import numpy

    return numpy.__version__


#: What hides instructions from NumPy, set by a knob or before the agent started.
_hiding = ("NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES")


def _is_hiding():
    return any(os.environ.get(name) for name in _hiding)


def open_backend(_asked):
    # By another process, before this one has threads.
    native = _features_unhidden() if _is_hiding() else None
    import numpy

    kernels, multiply = _create_kernels(numpy)
    return Opened("numpy", numpy.__version__, kernels, lambda: _read_back(numpy, native), multiply)


#: NumPy has no bfloat16.
_dtypes = {"f64": "<f8", "f32": "<f4", "f16": "<f2"}
_names = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "pow": "power", "atan2": "arctan2",
}  # fmt: skip


def _create_kernels(np):
    def dtype_of(tensor):
        if tensor.dtype not in _dtypes:
            raise Unsupported(f"numpy has no {tensor.dtype}; it computes in {', '.join(_dtypes)}")
        return _dtypes[tensor.dtype]

    def upload(tensor):
        return np.frombuffer(aligned_copy(tensor.data), dtype=dtype_of(tensor)).reshape(tensor.shape)

    def empty(tensor, shape):
        """Room for a result, aligned as the operands are."""
        memory = aligned_buffer(byte_length(tensor.dtype, shape))
        return np.frombuffer(memory, dtype=dtype_of(tensor)).reshape(shape)

    def download(tensor, result):
        result = np.asarray(result)
        if result.dtype != np.dtype(dtype_of(tensor)):
            raise Unsupported(f"numpy gives {result.dtype} for {tensor.dtype} here")
        return like(tensor, result.shape, np.ascontiguousarray(result).reshape(-1).view(np.uint8))

    def product(a, b, shape):
        result = empty(a, shape)
        np.matmul(upload(a), upload(b), out=result)
        return download(a, result)

    def elementary(name, x, y=None):
        function = getattr(np, _names.get(name, name))
        result = empty(x, x.shape)
        function(*(upload(operand) for operand in (x, y) if operand is not None), out=result)
        return download(x, result)

    def softmax(x):
        rows = upload(x)
        powers = np.exp(rows - np.max(rows, axis=-1, keepdims=True))
        return download(x, powers / np.sum(powers, axis=-1, keepdims=True))

    def layernorm(x, gain, bias, epsilon):
        rows = upload(x)
        mean, variance = np.mean(rows, axis=-1, keepdims=True), np.var(rows, axis=-1, keepdims=True)
        normal = (rows - mean) / np.sqrt(variance + rows.dtype.type(epsilon))
        return download(x, normal * upload(gain) + upload(bias))

    def conv2d(x, kernel):
        """As im2col and one matrix product: NumPy has no convolution of images."""
        images, weights = upload(x), upload(kernel)
        height, width, channels, filters = weights.shape
        windows = np.lib.stride_tricks.sliding_window_view(images, (height, width), axis=(1, 2))
        columns = np.ascontiguousarray(windows.transpose(0, 1, 2, 4, 5, 3))
        rows = columns.reshape(-1, height * width * channels)
        return download(x, (rows @ weights.reshape(-1, filters)).reshape(*columns.shape[:3], filters))

    found = {
        "sum": lambda x: download(x, np.sum(upload(x))),
        "dot": lambda x, y: download(x, np.dot(upload(x), upload(y))),
        "norm2": lambda x: download(x, np.linalg.norm(upload(x))),
        "gemv": lambda a, x: product(a, x, a.shape[:1]),
        "gemm": lambda a, b: product(a, b, (a.shape[0], b.shape[1])),
        "elementary": elementary,
        "softmax": substituted("numpy", "softmax", "exp, sum and division", softmax),
        "layernorm": substituted("numpy", "layernorm", "mean, var, sqrt, multiplication and addition", layernorm),
        "conv2d": substituted("numpy", "conv2d", "one matrix product over copied windows (im2col)", conv2d),
    }
    return found, lambda x, y: download(x, np.multiply(upload(x), upload(y)))


def _internals(np):
    """The module that knows processors; NumPy 2 has renamed its folder."""
    core = getattr(np, "_core", None) or np.core
    return core._multiarray_umath


def _read_back(np, native):
    umath = _internals(np)
    features, dispatch = umath.__cpu_features__, list(umath.__cpu_dispatch__)
    settings, facts, reasons = read_openblas()
    on = [name for name in dispatch if features.get(name)]
    facts.update(
        {
            "lib.numpy.version": np.__version__,
            "lib.numpy.cpu.baseline": " ".join(umath.__cpu_baseline__),
            "lib.numpy.cpu.dispatch": " ".join(on) or "none",
            **_build_facts(np),
        }
    )
    wanted = os.environ.get("NPY_DISABLE_CPU_FEATURES", "").replace(",", " ").split()
    if native is None and _is_hiding():
        reasons["disableCpuFeatures"] = "NumPy did not tell what it finds if nothing is hidden"
        return Effective(settings, facts, reasons)
    hidden = [name for name, has in (native or {}).items() if has and not features.get(name)]
    # In the order that was asked for: what else went with it shows in the dispatch.
    settings["disableCpuFeatures"] = " ".join([name for name in wanted if name in hidden] or hidden) or "none"
    left = [name for name in wanted if name not in hidden]
    if left:
        why = lambda name: f"did not hide {name}: {_why_not_hidden(umath, native, name)}"
        reasons["disableCpuFeatures"] = f"NumPy {np.__version__} {'; '.join(map(why, left))}"
    return Effective(settings, facts, reasons)


def _why_not_hidden(umath, native, name):
    if name not in umath.__cpu_features__:
        return "it is not among those this build knows"
    if not native.get(name, False):
        return "this processor does not have it"
    if name in umath.__cpu_baseline__:
        return "this build takes it for granted"
    return "this build chooses no loop by it"


def _features_unhidden():
    """What NumPy finds where nothing is hidden: of what is absent and of what it hid it says the same."""
    script = f"""import json, sys
sys.path[:] = {sys.path!r}
import numpy as np
umath = (getattr(np, "_core", None) or np.core)._multiarray_umath
json.dump({{name: bool(has) for name, has in umath.__cpu_features__.items()}}, sys.stdout)"""
    variables = {name: value for name, value in os.environ.items() if name not in _hiding}
    command = [sys.executable, "-I", "-S", "-B", "-c", script]
    answer = subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60)
    return json.loads(answer.stdout) if answer.returncode == 0 else None


def _build_facts(np):
    """The compiler and the BLAS that NumPy says it was built with."""
    try:
        config = np.show_config(mode="dicts")
    except TypeError:
        return {}
    compiler = config.get("Compilers", {}).get("c", {})
    blas = config.get("Build Dependencies", {}).get("blas", {})
    said = {
        "build.numpy.compiler": f"{compiler.get('name', '')} {compiler.get('version', '')}",
        "build.numpy.blas": f"{blas.get('name', '')} {blas.get('version', '')}",
    }
    return {key: value.strip() for key, value in said.items() if re.search(r"\w", value)}
