"""The hash of the code that a result depends on."""

import shutil
import subprocess

import pytest
from conftest import REPOSITORY

from finegrid import code_hash


def modules(script: str) -> set[str]:
    """Return the modules that a script's hash covers, as their paths below scripts/."""
    return {
        path.relative_to(code_hash.SCRIPTS).as_posix()
        for path in code_hash._modules(code_hash.SCRIPTS / f"{script}.py")
    }


def test_training_depends_on_what_it_imports_and_on_no_table():
    rooms = {"training/loop.py", "modeling/classifier.py", "data/tokens.py", "evaluation/metrics.py", "config/cell.py"}
    assert {"finetune.py", *(f"finegrid/{path}" for path in rooms)} <= modules("finetune")
    # An edited message, table or built-in task retrains nothing.
    without_effect = {"errors.py", "config/types.py", "config/definition.py", "config/resolve.py", "config/tasks.py"}
    assert not {f"finegrid/{path}" for path in without_effect} & modules("finetune")
    assert not [path for path in modules("finetune") if "reporting/" in path]


def test_tables_and_figures_do_not_depend_on_training():
    for script in ("tables", "figures", "discuss", "report"):
        assert not [path for path in modules(script) if "training/" in path or "modeling/" in path]
    assert {"finegrid/reporting/figures/heatmap.py", "finegrid/reporting/figures/style.py"} <= modules("figures")
    assert "finegrid/reporting/figures/__init__.py" in modules("figures")


def tree_of(text: str, tmp_path) -> str:
    path = tmp_path / f"{abs(hash(text))}.py"
    path.write_text(text)
    return code_hash._spelled_file(path)


def test_comments_docstrings_and_layout_do_not_count(tmp_path):
    plain = tree_of("def f(a):\n    return a + 1\n", tmp_path)
    documented = '"""Doc."""\n\n# remark\ndef f(a):\n    """Doc."""\n    return (a +\n        1)  # why\n'
    assert tree_of(documented, tmp_path) == plain
    assert tree_of("def f(a):\n    return a + 2\n", tmp_path) != plain
    assert tree_of("def f(a):\n    'used'.strip()\n    return a + 1\n", tmp_path) != plain


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_another_python_makes_the_same_hash(version):
    """So whoever changes to a newer Python keeps what is done."""
    program = shutil.which(f"python{version}")
    if program is None or subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no python{version}")
    lines = "from finegrid.code_hash import code_hash; print(code_hash('finetune'))"
    told = subprocess.run(
        [program, "-c", lines], cwd=REPOSITORY / "scripts", capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == code_hash.code_hash("finetune")


def test_fields_that_only_some_pythons_know_do_not_count(tmp_path):
    path = tmp_path / "f.py"
    path.write_text("def f(a: int = None, *b, **c) -> None:\n    return f'{a!r:>{b}}' 'x'\n")
    assert code_hash._spelled_file(path) == (
        "Module(body=[FunctionDef(name='f',args=arguments(args=[arg(arg='a',annotation=Name(id='int',ctx=Load()))],"
        "vararg=arg(arg='b'),kwarg=arg(arg='c'),defaults=[Constant()]),body=[Return(value=JoinedStr(values=["
        "FormattedValue(value=Name(id='a',ctx=Load()),conversion=114,format_spec=JoinedStr(values=[Constant(value='>'),"
        "FormattedValue(value=Name(id='b',ctx=Load()),conversion=-1)])),Constant(value='x')]))],returns=Constant())])"
    )
