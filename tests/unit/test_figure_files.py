"""The files of figures: all are written and listed, and their bytes are reproducible."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import figures
import pytest
from comparisons import comparison
from conftest import REPOSITORY, run
from figure_tasks import LONG, make_task
from ladders import ladder

from finegrid.files import read_json, write_json
from finegrid.reporting.figures import names, style
from finegrid.sealed import as_json


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Draw in the style of the figures, with few dots per inch."""
    monkeypatch.setattr(style, "DPI", 30)
    with style.applied():
        yield


def texts(folder, name: str) -> list[str]:
    """Return what is written in an SVG, whose text must still be text."""
    root = ElementTree.parse(folder / f"{name}.svg").getroot()
    return [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_every_figure_is_written_and_listed_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "FORMATS", ["svg", "png"])
    modes = {"full": [0.8, 0.7], "a_b": [None, None], "1.5-x": [0.7], LONG: [0.6]}
    few = {name: modes[name] for name in ("full", "1.5-x")}
    tasks = [make_task(modes, "1_task"), make_task(few, "mse", metric="mean_squared_error", seeds=(0, 1))]
    figures.write(tasks, tmp_path)
    index = read_json(tmp_path / "figures.json")
    assert [each["name"] for each in index] == names(["bert_tiny"], ["1_task", "mse"])
    assert [each.get("task") for each in index] == ["1_task"] * 3 + ["mse"] * 3 + [None, None]
    assert all(each["caption"].endswith(".") and each["alt"] for each in index)
    files = {f"{each['name']}.{form}" for each in index for form in ("svg", "png")}
    assert {path.name for path in tmp_path.iterdir()} == files | {"figures.json"}
    assert {"full", "a_b", "1.5-x"} <= set(texts(tmp_path, "heatmap_1_task"))
    assert {"full", "1.5-x"} <= set(texts(tmp_path, "trials_mse"))


def test_of_several_models_each_has_its_figures_and_the_ladder_is_one_more(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "FORMATS", ["svg"])
    figures.write(ladder().tasks[:2], tmp_path)
    index = {each["name"]: each for each in read_json(tmp_path / "figures.json")}
    assert list(index) == names(["mini", "tiny"], ["imdb"])
    assert index["heatmap_imdb+tiny"]["task"] == "imdb, tiny"
    assert not any("could not be drawn" in each["caption"] for each in index.values())
    assert {"4.4 M", "11 M"} <= set(texts(tmp_path, "ladder"))


def test_where_everything_diverged_each_figure_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "FORMATS", ["svg"])
    figures.write([make_task({"full": [None, None], "lora": [None]})], tmp_path)
    for name in names(["bert_tiny"], ["imdb"]):
        assert any("diverged" in text for text in texts(tmp_path, name)), name


def test_one_setting_of_one_mode(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "FORMATS", ["svg"])
    figures.write([make_task({"lora": [0.8]})], tmp_path)
    assert "★ 0.800" in texts(tmp_path, "heatmap_imdb")
    assert "Approximate: settings are drawn with replacement from the grid that was run." in texts(
        tmp_path, "trials_imdb"
    )
    assert "No shares to draw: imdb (no full fine-tuning)." in texts(tmp_path, "retention")


# Runs figures.py with few dots per inch.
SMALL = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import figures
from finegrid.reporting.figures import style
style.DPI = 30
figures.main()
"""


def test_the_same_comparison_gives_the_same_bytes_in_another_process(tmp_path):
    made = comparison([make_task({"full": [0.8, None], "lora": [0.7, 0.6]}, seeds=(0, 1))])
    write_json(tmp_path / "comparison.json", as_json(made))
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\n")  # the user's own, which has no effect
    command = (sys.executable, "-c", SMALL, REPOSITORY / "scripts", "comparison.json", "--output", "one")
    done = run(*command, cwd=tmp_path, PYTHONHASHSEED="1", SOURCE_DATE_EPOCH="1")
    assert (done.returncode, done.stderr) == (0, "")
    figures.write(made.tasks, tmp_path / "two")
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    starts = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}
    drawn = {f"{name}.{form}" for name in names(["bert_tiny"], ["imdb"]) for form in starts}
    assert one.keys() == drawn | {"figures.json"}
    assert all(content.startswith(starts.get(name[-3:], b"")) for name, content in one.items())


def test_nothing_is_left_of_a_figure_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "retention.svg").write_text("old")

    def fail(figure, path, **_):
        path.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(style.Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        style.save(style.only_text("title", "text").figure, tmp_path, "retention")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"retention.svg": "old"}


def test_no_comparison_is_told_in_one_line(tmp_path):
    command = (sys.executable, REPOSITORY / "scripts/figures.py", "none.json", "--output", "figures")
    done = run(*command, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: none.json: no such file\n")


def test_the_names_are_known_without_matplotlib():
    code = "import sys; import finegrid.reporting.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY / "scripts", check=False).returncode == 0


def test_a_figure_that_cannot_be_drawn_says_why_and_leaves_the_others(tmp_path, monkeypatch):
    def broken(_):
        raise ZeroDivisionError("no scores")

    monkeypatch.setattr(style, "FORMATS", ["svg"])
    monkeypatch.setitem(figures.OF_A_TASK, "curves", broken)
    figures.write(comparison().tasks, tmp_path)
    told = "curves_imdb could not be drawn: ZeroDivisionError: no scores."
    assert {each["name"]: each["caption"] for each in read_json(tmp_path / "figures.json")}["curves_imdb"] == told
    assert (tmp_path / "heatmap_imdb.svg").exists()
