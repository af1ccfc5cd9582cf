"""What a result was computed with, and what it cost in memory."""

import os
import platform
import resource
import sys
from importlib.metadata import version

import torch


def choose_device() -> str:
    """Return "cuda" where there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_dtype(device: str) -> torch.dtype:
    """Return the dtype for matrix products: bfloat16 where the processor multiplies it quickly, else float32."""
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    # Without these instructions bfloat16 is emulated, ten times slower than float32.
    capable = {"avx512_bf16", "amx_bf16"} & {name for name, has in torch.cpu.get_capabilities().items() if has}
    return torch.bfloat16 if capable else torch.float32


def describe(device: str, dtype: torch.dtype) -> dict:
    """Return the versions, device, threads and dtype that a result depends on."""
    packages = ["torch", "transformers", "numpy", *(["peft"] if "peft" in sys.modules else [])]
    return {
        **{package: version(package) for package in packages},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "dtype": str(dtype).removeprefix("torch."),
    }


def leave() -> None:
    """End the process, all being written: to take torch's modules apart, as Python would, takes most of a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def peak_memory_bytes(device: str) -> int:
    """Return the most memory held at once so far: the GPU's, or else the process's."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
