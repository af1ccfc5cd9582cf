"""A quick import of transformers, without what a cell never uses.

transformers imports whatever it finds installed. torch's compiler, its distributed tensors and scipy's optimisers take
longer to import than everything else together, and every cell would pay for that.
"""

import sys
from contextlib import contextmanager
from types import ModuleType

import torch

COMPILER = "torch._dynamo"
MASK_INDEXING = f"{COMPILER}._trace_wrapped_higher_order_op"


@contextmanager
def lean(hidden: tuple[str, ...] = ("scipy", "accelerate")):
    """Within this block, transformers is imported as if these packages and the compiler were not installed."""
    absent = dict.fromkeys(hidden)  # a module that is None counts as not installed
    stand_ins = {COMPILER: ModuleType(COMPILER), MASK_INDEXING: ModuleType(MASK_INDEXING)}
    for decorator in ("allow_in_graph", "assume_constant_result"):
        setattr(stand_ins[COMPILER], decorator, undecorated)
    stand_ins[MASK_INDEXING].TransformGetItemToIndex = mask_indexing
    replaced = {name: module for name, module in {**absent, **stand_ins}.items() if name not in sys.modules}
    is_available, disable = torch.distributed.is_available, torch.compiler.disable
    sys.modules.update(replaced)
    torch.distributed.is_available = lambda: False
    torch.compiler.disable = undecorated
    try:
        yield
    finally:
        torch.distributed.is_available, torch.compiler.disable = is_available, disable
        for name in replaced:
            del sys.modules[name]


def undecorated(function=None, **_):
    """Replace a decorator of the compiler: return the function as it is."""
    return undecorated if function is None else function


def mask_indexing():
    """Import the part of the compiler that some attention masks need, once such a mask is made."""
    from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex

    return TransformGetItemToIndex()
