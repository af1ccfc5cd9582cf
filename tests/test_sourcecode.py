"""The hash of the code that a result depends on."""

import ast

from finegrid import code_hash as sourcecode


def modules(script: str) -> set[str]:
    return {path.name for path in sourcecode._modules(sourcecode.SCRIPTS / f"{script}.py")}


def test_training_depends_on_what_it_imports_and_on_no_table():
    assert {"finetune.py", "engine.py", "model.py", "data.py", "metrics.py", "grid.py"} <= modules("finetune")
    assert not {"tables.py", "results.py", "config.py", "modes.py", "tasks.py"} & modules("finetune")
    assert "engine.py" not in modules("tables")
    assert {"heatmap.py", "look.py", "__init__.py"} <= modules("figures")


def tree_of(text: str, tmp_path) -> str:
    path = tmp_path / f"{abs(hash(text))}.py"
    path.write_text(text)
    return ast.dump(sourcecode._tree(path))


def test_comments_docstrings_and_layout_do_not_count(tmp_path):
    plain = tree_of("def f(a):\n    return a + 1\n", tmp_path)
    assert (
        tree_of('"""Doc."""\n\n# remark\ndef f(a):\n    """Doc."""\n    return (a +\n        1)  # why\n', tmp_path)
        == plain
    )
    assert tree_of("def f(a):\n    return a + 2\n", tmp_path) != plain
    assert tree_of("def f(a):\n    'used'.strip()\n    return a + 1\n", tmp_path) != plain
