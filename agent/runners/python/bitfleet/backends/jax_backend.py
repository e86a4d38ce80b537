"""JAX on the processor: XLA compiles each kernel, or each operation of it."""

import glob
import os
import re
import tempfile

from ..elementary import domains
from ..errors import Unsupported
from ..tensors import Tensor
from .common import Effective, Opened, aligned_copy, substituted, text_of
from .jax_training import create_jax_engine

#: Knobs that are flags of XLA, which are read from one variable when it starts.
_flags = {
    "fastMath": "xla_cpu_enable_fast_math",
    "multiThreadEigen": "xla_cpu_multi_thread_eigen",
    "maxIsa": "xla_cpu_max_isa",
    "optimizationLevel": "xla_backend_optimization_level",
}
#: Where a flag stands that XLA does not write, because it is at its default.
_defaults = {"fastMath": "false", "multiThreadEigen": "true", "maxIsa": "none", "optimizationLevel": "3"}

_dtypes = {"f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16", "i32": "int32"}
#: XLA writes the flags in force beside the module of this name, and of no other.
_readback = "bitfleet_readback"


def detect():
    import jax
    import jaxlib  # noqa: F401

    return jax.__version__


def open_backend(asked):
    dump = tempfile.mkdtemp(prefix="xla-")
    given = [f"--{flag}={text_of(asked[name])}" for name, flag in _flags.items() if name in asked]
    own = [f"--xla_dump_to={dump}", f"--xla_dump_hlo_module_re={_readback}"]
    os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *given, *own]).strip()
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax

    # Widths are those that operands have; without this JAX would make binary32 of binary64.
    jax.config.update("jax_enable_x64", True)
    jit = text_of(asked.get("jit", "on")) == "on"
    compiled = jax.jit if jit else lambda function: function
    upload, download = _movers(jax)
    engine = lambda network, params: create_jax_engine(jax, network, params, upload, download, compiled)
    told = []

    def effective():
        # What is found by compiling something is asked when the workload is done, not before.
        told.append(len(told))
        return _read_back(jax, jit, dump if len(told) > 1 else None)

    kernels, multiply = _create_kernels(jax, compiled, upload, download)
    return Opened("jax", jax.__version__, kernels, effective, multiply, engine)


def _movers(jax):
    import numpy

    def dtype_of(name):
        return numpy.dtype(getattr(jax.numpy, _dtypes[name]))

    def upload(tensor):
        array = numpy.frombuffer(aligned_copy(tensor.data), dtype=dtype_of(tensor.dtype)).reshape(tensor.shape)
        return jax.device_put(array)

    def download(result):
        array = numpy.asarray(result)
        names = {dtype_of(dtype): dtype for dtype in _dtypes}
        flat = numpy.ascontiguousarray(array).reshape(-1)
        return Tensor(names[array.dtype], array.shape, flat.view(numpy.uint8))

    return upload, download


#: Names that jax.numpy has had in every version pinned here.
_names = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "pow": "power", "atan2": "arctan2"}


def _create_kernels(jax, compiled, upload, download):
    jnp = jax.numpy

    def compute(apply):
        function = compiled(apply)

        def kernel(*operands):
            tensors = [upload(operand) if isinstance(operand, Tensor) else operand for operand in operands]
            result = function(*tensors)
            if result.dtype != tensors[0].dtype:
                raise Unsupported(f"jax gives {result.dtype} for {tensors[0].dtype} here")
            return download(result)

        return kernel

    def elementary(name, *operands):
        function = getattr(jnp, _names.get(name, name), None)
        if name not in domains or function is None:
            raise Unsupported(f"jax has no {name}")
        return compute(lambda *tensors: function(*tensors))(*operands)

    def layernorm(x, gain, bias, epsilon):
        """Composed: JAX has no such operation."""
        mean, variance = jnp.mean(x, -1, keepdims=True), jnp.var(x, -1, keepdims=True)
        return (x - mean) / jnp.sqrt(variance + jnp.asarray(epsilon, x.dtype)) * gain + bias

    def conv2d(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    found = {
        "sum": compute(lambda x: jnp.sum(x)),
        "dot": compute(lambda x, y: jnp.dot(x, y)),
        "norm2": compute(lambda x: jnp.linalg.norm(x)),
        "gemv": compute(lambda a, x: jnp.dot(a, x)),
        "gemm": compute(lambda a, b: jnp.dot(a, b)),
        "elementary": elementary,
        "softmax": compute(lambda x: jax.nn.softmax(x, -1)),
        "layernorm": substituted("jax", "layernorm", "mean, var, sqrt, multiplication and addition", compute(layernorm)),
        "conv2d": compute(conv2d),
    }
    return found, compute(lambda x, y: x * y)


def _read_back(jax, jit, dump):
    import jaxlib
    import numpy

    settings = {"jit": "on" if jit else "off"}
    facts = {
        "lib.jax.version": jax.__version__,
        "lib.jaxlib.version": jaxlib.__version__,
        "lib.numpy.version": numpy.__version__,
        "lib.jax.platform": jax.default_backend(),
    }
    reasons = {"threads": "NPROC was given to XLA, which does not tell the size of its pools"}
    if dump is None:
        return Effective(settings, facts, reasons)
    in_force, complete = _flags_in_force(jax, dump)
    for name, flag in _flags.items():
        if flag in in_force:
            settings[name] = in_force[flag]
        elif complete and name in _defaults:
            settings[name] = _defaults[name]
        else:
            reasons[name] = "this version of XLA does not tell it"
    facts.update(
        {
            f"lib.xla.{flag}": value
            for flag, value in in_force.items()
            if not flag.startswith(("xla_dump", "xla_detailed"))
        }
    )
    return Effective(settings, facts, reasons)


def _flags_in_force(jax, dump):
    """XLA's flags that are not at their defaults, as it writes them beside a module it compiles; and
    whether these are all.

    Before jaxlib 0.5 it writes none; then those few that Python can ask for.
    """

    def bitfleet_readback(x):
        return x + 1

    jax.jit(bitfleet_readback)(jax.numpy.zeros(3)).block_until_ready()
    for path in glob.glob(os.path.join(dump, "*debug_options")):
        with open(path, encoding="utf-8") as file:
            return {
                flag: value.strip('"') for flag, value in re.findall(r"^(\w+): (.*)$", file.read(), re.MULTILINE)
            }, True
    from jax._src.lib import xla_client

    options = xla_client.CompileOptions().executable_build_options.debug_options
    return {flag: str(getattr(options, flag)).lower() for flag in _flags.values() if hasattr(options, flag)}, False
