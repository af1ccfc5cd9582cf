"""How many floating-point operations a core does in matrix products, in the dtype that cells train in."""

import os
import time

import torch

from finegrid.training.environment import choose_device, choose_dtype

ROWS, WIDTH = 4096, 512  # of the products measured: tokens by a layer's width
REPEATS = 20


def product_rate() -> float:
    """Return the floating-point operations per second of one core when all are busy; of a GPU, those of the GPU."""
    device = choose_device()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = 1 if device == "cuda" else cores
    torch.set_num_threads(cores)
    left, right = (torch.randn(shape, WIDTH, device=device, dtype=choose_dtype(device)) for shape in (ROWS, WIDTH))
    return 2 * ROWS * WIDTH**2 / min(_seconds(left, right) for _ in range(REPEATS)) / cores


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    started = time.perf_counter()
    (left @ right)[0, 0].item()  # waits for a GPU
    return time.perf_counter() - started
