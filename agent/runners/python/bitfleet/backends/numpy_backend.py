"""NumPy, with the OpenBLAS its wheels bring along."""

import json
import os
import re
import subprocess
import sys

from ..errors import Unsupported
from .common import Opened, aligned_buffer, aligned_copy, byte_length, like, no_effect, text_of
from .openblas import read_openblas


def detect():
    import numpy

    return numpy.__version__


def open_backend(asked):
    # By another process, before this one has threads.
    native = _features_unhidden() if "disableCpuFeatures" in asked else None
    import numpy

    kernels, multiply = _create_kernels(numpy)
    return Opened("numpy", numpy.__version__, kernels, lambda: _read_back(numpy, asked, native), multiply)


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
        "softmax": softmax,
        "layernorm": layernorm,
        "conv2d": conv2d,
    }
    return found, lambda x, y: download(x, np.multiply(upload(x), upload(y)))


def _internals(np):
    """The module that knows processors; NumPy 2 has renamed its folder."""
    core = getattr(np, "_core", None) or np.core
    return core._multiarray_umath


def _read_back(np, asked, native):
    umath = _internals(np)
    features, dispatch = umath.__cpu_features__, list(umath.__cpu_dispatch__)
    settings, facts, notes = read_openblas(asked)
    on = [name for name in dispatch if features.get(name)]
    facts.update(
        {
            "lib.numpy.version": np.__version__,
            "lib.numpy.cpu.baseline": " ".join(umath.__cpu_baseline__),
            "lib.numpy.cpu.dispatch": " ".join(on) or "none",
            **_build_facts(np),
        }
    )
    wanted = asked.get("disableCpuFeatures")
    if wanted is None:
        settings["disableCpuFeatures"] = " ".join(name for name in dispatch if not features.get(name)) or "none"
        return settings, facts, notes
    names = text_of(wanted).split()
    had = lambda name: native is None or native.get(name, False)
    hidden = [name for name in names if had(name) and features.get(name) is False]
    settings["disableCpuFeatures"] = " ".join(hidden) or "none"
    for name in names:
        if name in hidden:
            continue
        if name not in features:
            why = "it is not among those this build knows"
        elif not had(name):
            why = "this processor does not have it"
        elif name in umath.__cpu_baseline__:
            why = "this build takes it for granted"
        else:
            why = "this build chooses no loop by it"
        fact = f"NPY_DISABLE_CPU_FEATURES={text_of(wanted)}: NumPy {np.__version__} did not hide {name}: {why}"
        notes.append(no_effect("disableCpuFeatures", fact))
    return settings, facts, notes


def _features_unhidden():
    """What NumPy finds where nothing is hidden: of what is absent and of what it hid it says the same."""
    script = f"""import json, sys
sys.path[:] = {sys.path!r}
import numpy as np
umath = (getattr(np, "_core", None) or np.core)._multiarray_umath
json.dump({{name: bool(has) for name, has in umath.__cpu_features__.items()}}, sys.stdout)"""
    variables = {name: value for name, value in os.environ.items() if name != "NPY_DISABLE_CPU_FEATURES"}
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
