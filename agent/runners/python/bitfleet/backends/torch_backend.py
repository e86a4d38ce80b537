"""PyTorch on the processor, whatever its build could do elsewhere."""

import ctypes
import os
import re
import tempfile

from ..elementary import domains
from ..errors import Unsupported
from ..tensors import Tensor
from .common import Effective, Opened, aligned_copy
from .torch_training import create_torch_engine

_dtypes = {"f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16", "i32": "int32"}


def detect():
    import torch

    return _version(torch)


def open_backend(asked):
    import torch

    if "threads" in asked:
        torch.set_num_threads(int(asked["threads"]))
    if "interopThreads" in asked:
        torch.set_num_interop_threads(int(asked["interopThreads"]))
    if "deterministic" in asked:
        # What torch.use_deterministic_algorithms does, without loading the compiler of graphs, which is not used.
        torch._C._set_deterministic_algorithms(asked["deterministic"] == "on", warn_only=False)
    if "mkldnn" in asked:
        torch.backends.mkldnn.set_flags(asked["mkldnn"] == "on")
    if "matmulPrecision" in asked:
        torch.set_float32_matmul_precision(asked["matmulPrecision"])
    told = []

    def effective():
        # What is found by computing something is asked when the workload is done, not before.
        told.append(len(told))
        return _read_back(torch, last=len(told) > 1)

    engine = lambda network, params: create_torch_engine(torch, network, params, upload, download)
    upload, download = _movers(torch)
    kernels, multiply = _create_kernels(torch, upload, download)
    return Opened("pytorch", _version(torch), kernels, effective, multiply, engine)


def _version(torch):
    """Without what the build says of itself (`+cu130`), which is a fact."""
    return torch.__version__.split("+")[0]


def _movers(torch):
    def upload(tensor):
        dtype = getattr(torch, _dtypes[tensor.dtype])
        if memoryview(tensor.data).nbytes == 0:
            return torch.empty(tensor.shape, dtype=dtype)
        return torch.frombuffer(aligned_copy(tensor.data), dtype=dtype).reshape(tensor.shape)

    def download(result):
        names = {getattr(torch, name): dtype for dtype, name in _dtypes.items()}
        flat = result.detach().contiguous()
        data = ctypes.string_at(flat.data_ptr(), flat.numel() * flat.element_size()) if flat.numel() else b""
        return Tensor(names[result.dtype], tuple(result.shape), data)

    return upload, download


def _create_kernels(torch, upload, download):
    def compute(apply):
        def kernel(*operands):
            tensors = [upload(operand) if isinstance(operand, Tensor) else operand for operand in operands]
            try:
                with torch.no_grad():
                    result = apply(*tensors)
            except (NotImplementedError, RuntimeError) as error:
                if "not implemented for" in str(error) or isinstance(error, NotImplementedError):
                    raise Unsupported(f"pytorch: {str(error).splitlines()[0]}") from error
                raise
            return download(result)

        return kernel

    def elementary(name, *operands):
        function = getattr(torch, name, None)
        if name not in domains or function is None:
            raise Unsupported(f"pytorch has no {name}")
        return compute(function)(*operands)

    functional = torch.nn.functional
    found = {
        "sum": compute(torch.sum),
        "dot": compute(torch.dot),
        "norm2": compute(torch.linalg.vector_norm),
        "gemv": compute(torch.mv),
        "gemm": compute(torch.mm),
        "elementary": elementary,
        "softmax": compute(lambda x: torch.softmax(x, -1)),
        "layernorm": compute(
            lambda x, gain, bias, epsilon: functional.layer_norm(x, x.shape[-1:], gain, bias, epsilon)
        ),
        "conv2d": compute(
            lambda x, kernel: functional.conv2d(x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1)).permute(0, 2, 3, 1)
        ),
    }
    return found, compute(torch.mul)


def _read_back(torch, last):
    on = lambda value: "on" if value else "off"
    capability = torch.backends.cpu.get_cpu_capability() if hasattr(torch.backends, "cpu") else None
    settings = {
        "threads": str(torch.get_num_threads()),
        "interopThreads": str(torch.get_num_interop_threads()),
        "deterministic": on(torch.are_deterministic_algorithms_enabled()),
        "mkldnn": on(torch.backends.mkldnn.is_available() and torch._C._get_mkldnn_enabled()),
        "matmulPrecision": torch.get_float32_matmul_precision(),
    }
    reasons = {}
    if capability is None:
        reasons["cpuCapability"] = f"PyTorch {torch.__version__} has no function that tells it"
    else:
        settings["cpuCapability"] = "default" if capability in ("DEFAULT", "NO AVX") else capability.lower()
    config = torch.__config__.show()
    facts = {
        "lib.pytorch.version": torch.__version__,
        "lib.pytorch.mkl": _first(r"Math Kernel Library Version (\S+)", config),
        "lib.pytorch.onednn": _first(r"MKL-DNN (v[0-9.]+)", config),
        "build.pytorch.blas": _first(r"BLAS_INFO=(\w+)", config),
        "build.pytorch.compiler": _first(r"^\s+- (GCC [0-9.]+|clang [0-9.]+)", config),
        "pool.pytorch.threads": settings["threads"],
        "pool.pytorch.interop": settings["interopThreads"],
    }
    branch = _mkl_branch(torch)
    if branch is None:
        reasons["mklCbwr"] = "this PyTorch has no MKL that can be asked"
    else:
        settings["mklCbwr"] = branch
    if last:
        said = _hear(lambda: _ask_onednn(torch))
        isa = _first(r"info,cpu,isa:(.*)", said)
        if isa:
            settings["onednnMaxIsa"] = facts["lib.pytorch.onednn.isa"] = _isas.get(isa, isa)
        bound = "it is a bound: oneDNN takes no instructions that the processor lacks"
        reasons["onednnMaxIsa"] = bound if isa else "oneDNN said nothing of its instructions"
        facts["lib.pytorch.mkl.processor"] = _first(r"64 architecture (.*?) (?:enabled )?processors,", said)
    return Effective(settings, {key: value for key, value in facts.items() if value}, reasons)


def _first(pattern, text):
    found = re.search(pattern, text, re.M)
    return found[1].strip() if found else ""


#: mkl_cbwr_get's numbers; see mkl_types.h (MKL_CBWR_AUTO and those after it).
_branches = {
    1: "OFF", 2: "AUTO", 3: "COMPATIBLE", 4: "SSE2", 6: "SSSE3", 7: "SSE4_1", 8: "SSE4_2", 9: "AVX", 10: "AVX2",
    11: "AVX512_MIC", 12: "AVX512", 13: "AVX512_MIC_E1", 14: "AVX512_E1",
}  # fmt: skip
_strict = 0x10000


def _mkl_branch(torch):
    """The branch of MKL that is in force; None where this build has no MKL that can be asked."""
    library = ctypes.CDLL(os.path.join(os.path.dirname(torch.__file__), "lib/libtorch_cpu.so"))
    if not hasattr(library, "mkl_serv_cbwr_get"):
        return None
    code = library.mkl_serv_cbwr_get(-1)
    return _branches.get(code & ~_strict, str(code)) + (",STRICT" if code & _strict else "")


def _ask_onednn(torch):
    """Lets oneDNN and MKL say what they found; a product and a convolution that nobody looks at."""
    # Large enough that PyTorch hands it to oneDNN.
    images, kernel = torch.ones(2, 8, 16, 16), torch.ones(16, 8, 3, 3)
    with torch.no_grad():
        if torch._C._get_mkldnn_enabled():
            with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
                torch.nn.functional.conv2d(images, kernel)
        if torch.backends.mkl.is_available():
            with torch.backends.mkl.verbose(torch.backends.mkl.VERBOSE_ON):
                torch.mm(torch.ones(8, 8), torch.ones(8, 8))


def _hear(act):
    """What libraries print on standard output meanwhile."""
    with tempfile.TemporaryFile() as file:
        kept = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            act()
        except Exception:
            return ""
        finally:
            ctypes.CDLL(None).fflush(None)
            os.dup2(kept, 1)
            os.close(kept)
        file.seek(0)
        return file.read().decode("utf-8", "replace")


#: oneDNN's words as the variable has them: `Intel AVX-512 with Intel DL Boost` is AVX512_CORE_VNNI.
#: oneDNN, src/cpu/x64/cpu_isa_traits.cpp, `get_isa_info`.
_isas = {
    "Intel SSE4.1": "SSE41",
    "Intel AVX": "AVX",
    "Intel AVX2": "AVX2",
    "Intel AVX2 with Intel DL Boost": "AVX2_VNNI",
    "Intel AVX2 with Intel DL Boost, float16 and bfloat16 support": "AVX2_VNNI_2",
    "Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions": "AVX512_CORE",
    "Intel AVX-512 with Intel DL Boost": "AVX512_CORE_VNNI",
    "Intel AVX-512 with Intel DL Boost and bfloat16 support": "AVX512_CORE_BF16",
    "Intel AVX-512 with float16, Intel DL Boost and bfloat16 support ": "AVX512_CORE_FP16",
    "Intel AVX-512 with float16, Intel DL Boost and bfloat16 support": "AVX512_CORE_FP16",
}
