"""What a result was computed with, and what it cost in memory."""

import platform
import resource
import sys
from importlib.metadata import version

import torch


def choose_device() -> str:
    """Return "cuda" where there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def describe(device: str) -> dict:
    """Return the versions, device, threads and dtype that a result depends on."""
    return {
        **{package: version(package) for package in ("torch", "transformers", "numpy")},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
    }


def peak_memory_bytes(device: str) -> int:
    """Return the most memory held at once so far: the GPU's, or else the process's."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
