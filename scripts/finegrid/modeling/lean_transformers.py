"""A quick import of transformers, without what a cell never uses.

transformers imports whatever it finds installed. torch's compiler, its distributed tensors and scipy's optimisers take
longer to import than everything else together, and every cell would pay for that. It also reads the source of all its
models to list what they hold, which takes a third of the rest; a cell imports its model by the module's name.
"""

import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType

import torch

PACKAGES = ("transformers", "transformers.models")
COMPILER = "torch._dynamo"
MASK_INDEXING = f"{COMPILER}._trace_wrapped_higher_order_op"


@contextmanager
def lean(hidden: tuple[str, ...] = ("scipy", "accelerate")):
    """Within this block, transformers is imported as if these packages and the compiler were not installed.

    If transformers was imported whole before, it may have found the packages already, so they are not hidden.
    """
    whole = PACKAGES[0] in sys.modules and not isinstance(sys.modules[PACKAGES[0]], Unopened)
    absent = dict.fromkeys(() if whole else hidden)  # a module that is None counts as not installed
    stand_ins = {COMPILER: ModuleType(COMPILER), MASK_INDEXING: ModuleType(MASK_INDEXING)}
    for decorator in ("allow_in_graph", "assume_constant_result", "disable"):
        setattr(stand_ins[COMPILER], decorator, undecorated)
    stand_ins[MASK_INDEXING].TransformGetItemToIndex = mask_indexing
    replaced = {name: module for name, module in {**absent, **stand_ins}.items() if name not in sys.modules}
    for name in PACKAGES:
        if name not in sys.modules:
            sys.modules[name] = Unopened(name)
    is_available, disable = torch.distributed.is_available, torch.compiler.disable
    sys.modules.update(replaced)
    torch.distributed.is_available = lambda: False
    torch.compiler.disable = undecorated
    utils = import_module("transformers.utils")
    import_again = utils.direct_transformers_import  # by which its processors run the package's `__init__`
    utils.direct_transformers_import = lambda _: sys.modules["transformers"]
    try:
        yield
    finally:
        utils.direct_transformers_import = import_again
        torch.distributed.is_available, torch.compiler.disable = is_available, disable
        for name in replaced:
            del sys.modules[name]


class Unopened(ModuleType):
    """A package whose modules can be imported; its own `__init__` runs once it is asked for anything else."""

    def __init__(self, name: str):
        super().__init__(name)
        self.__spec__ = find_spec(name)
        self.__file__, self.__path__ = self.__spec__.origin, self.__spec__.submodule_search_locations
        self.__version__ = version(name.partition(".")[0])

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        if find_spec(f"{self.__name__}.{name}"):
            return import_module(f"{self.__name__}.{name}")
        if sys.modules[self.__name__] is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def undecorated(function=None, *_, **__):
    """Replace a decorator of the compiler: return the function as it is."""
    return undecorated if function is None else function


def mask_indexing():
    """Import the part of the compiler that some attention masks need, once such a mask is made."""
    from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex

    return TransformGetItemToIndex()
