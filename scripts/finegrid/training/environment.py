"""The device and number format of a training, and what a result was computed with."""

import ctypes
import os
import platform
import resource
import sys
from importlib.metadata import version

import torch

from finegrid.modeling.architectures import FLOAT32_ONLY
from finegrid.records import Environment, Form

# Options of glibc's mallopt by their numbers in malloc.h.
HEAP = (
    (-1, 2**31 - 1),  # M_TRIM_THRESHOLD: free memory at the heap's end that goes back to the system
    (-2, 2**26),  # M_TOP_PAD: what the heap grows by at least
    (-3, 2**30),  # M_MMAP_THRESHOLD: from this size on, memory does not come from the heap
)


def set_up(threads: int) -> tuple[str, torch.dtype]:
    """Prepare torch for a cell; return the device and the dtype of its matrix products."""
    torch.set_num_threads(threads)
    keep_memory()
    # AdamW's averages of a word not seen for 800 steps fall below 1e-38, where arithmetic takes twice as long.
    torch.set_flush_denormal(True)
    device = choose_device()
    if device == "cuda":  # CPU results do not depend on this, and the call imports torch's compiler
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # required for deterministic matrix products
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # no result reads any
    return device, choose_dtype(device)


def keep_memory() -> None:
    """Keep the memory that a step frees for the next one: glibc gives it back, which costs thousands of page faults."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for option, value in HEAP:
            libc.mallopt(option, value)


def choose_device() -> str:
    """Return "cuda" if there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_dtype(device: str) -> torch.dtype:
    """Return the dtype for matrix products: bfloat16 if the hardware multiplies it, else float32."""
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    # Without these instructions bfloat16 is emulated, ten times slower than float32.
    capable = {"avx512_bf16", "amx_bf16"} & {name for name, has in torch.cpu.get_capabilities().items() if has}
    return torch.bfloat16 if capable else torch.float32


def dtype_for(model: torch.nn.Module, dtype: torch.dtype) -> torch.dtype:
    """Return the dtype for the matrix products of a model: the hardware's, unless the model fails in it."""
    return torch.float32 if model.config.model_type in FLOAT32_ONLY else dtype


def describe(device: str, dtype: torch.dtype, batches: Form, kernels: str | None = None) -> Environment:
    """Return what a result depends on: versions, device, threads, dtype, and `batches` and `kernels` of the engine."""
    packages = ["torch", "transformers", "numpy", *(["peft"] if "peft" in sys.modules else [])]
    return Environment(
        **{package: version(package) for package in packages},
        python=platform.python_version(),
        machine=platform.machine(),
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        dtype=str(dtype).removeprefix("torch."),
        batches=batches,
        **({"kernels": kernels} if kernels else {}),
    )


def peak_memory_bytes(device: str) -> int:
    """Return the peak memory so far: the GPU's, or else that of the process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def exit_without_teardown() -> None:
    """End the process once everything is written: tearing down torch's modules takes most of a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
