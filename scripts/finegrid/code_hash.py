"""The hash of the code that a result depends on.

Snakemake never notices an edit to a module behind `shell:`. So each rule carries this hash as a
parameter: editing the training loop reruns the cells, editing a comment or a table does not.
Standard library only: the Snakefile imports this module.
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
# The configuration comes to a job as a parameter, and errors are words: an edited message retrains nothing.
WITHOUT_EFFECT = (
    "finegrid.errors",
    *(f"finegrid.config.{name}" for name in ("definition", "model", "types", "resolve")),
)


@cache
def code_hash(script: str) -> str:
    """Hash a script and every finegrid module that it imports, directly or not."""
    return syntax_hash(_modules(SCRIPTS / f"{script}.py"))


def syntax_hash(paths) -> str:
    """Hash the syntax trees of some files, without comments and docstrings, and the C beside packages among them."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(_module_name(path).encode() + b"\0" + _spelled_file(path).encode() + b"\0")
        for source in sorted(path.parent.glob("*.c")) if path.name == "__init__.py" else ():
            digest.update(source.name.encode() + b"\0" + re.sub(rb"//[^\n]*", b"", source.read_bytes()) + b"\0")
    return digest.hexdigest()[:16]


def _module_name(path: Path) -> str:
    """Return where a file is below scripts/, so a clone in another folder has the same hash."""
    return path.relative_to(SCRIPTS).as_posix() if path.is_relative_to(SCRIPTS) else path.name


@cache
def _tree(path: Path) -> ast.Module:
    tree = ast.parse(path.read_bytes(), filename=str(path))
    for node in list(_statements(tree)):
        if getattr(node, "body", None) and _is_docstring(node.body[0]):
            del node.body[0]
    return tree


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and the statements inside it, however deep; not their expressions, which are most of a tree."""
    yield node
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for inner in getattr(node, block, ()):
            yield from _statements(inner)


@cache
def _spelled_file(path: Path) -> str:
    return _spelled(_tree(path))


def _spelled(node) -> str:
    """Spell a syntax tree as every Python does.

    Not by ast.dump: 3.12 and 3.13 each changed which empty fields it shows, so another Python would rerun every job.
    """
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if value is not None and value != []]
        if isinstance(node, ast.JoinedStr):  # 3.12.1 has an empty text too many
            fields = [("values", [value for value in node.values if getattr(value, "value", None) != ""])]
        return f"{type(node).__name__}({','.join(f'{name}={_spelled(value)}' for name, value in fields)})"
    return f"[{','.join(map(_spelled, node))}]" if isinstance(node, list) else repr(node)


def _is_docstring(node) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _modules(path: Path) -> set[Path]:
    """Return `path` and the finegrid modules it imports, directly or not."""
    found, new = set(), {path}
    while new:
        found |= new
        new = set().union(*map(_imported, new)) - found
    return found


@cache
def _imported(path: Path) -> frozenset[Path]:
    """Return the finegrid modules that a file imports, at its top or inside a function."""
    names = []
    for node in _statements(_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return frozenset(module for name in names for module in _files(name))


def _files(name: str) -> list[Path]:
    """Return the files that importing a module of finegrid, or another script, runs; none of other names."""
    parts = name.split(".")
    if (parts[0] != "finegrid" and len(parts) > 1) or name in WITHOUT_EFFECT:
        return []
    packages = [SCRIPTS.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [path for path in (*packages, SCRIPTS.joinpath(*parts).with_suffix(".py")) if path.exists()]
