"""Figures of comparisons made here: what they hold, that their bytes are the same again, and odd cases."""

import itertools
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import figures
import pytest
from conftest import REPOSITORY, run
from hypothesis import given
from hypothesis import strategies as st

from finegrid.reporting.figures import curves, heatmap, look, names, parameters, retention, trials
from finegrid.evaluation.metrics import METRICS

RATES, SIZES = ["1e-4", "3e-4"], [8, 16]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Draw in the look of the figures, few dots per inch."""
    monkeypatch.setattr(look, "DPI", 30)
    with look.looking():
        yield


def spread(scores: list[float]) -> dict:
    return {"n": len(scores), "mean": sum(scores) / len(scores), "min": min(scores), "max": max(scores)}


def make_mode(name, metric, scores, test=None, trainable=3330, seeds=(0,)) -> dict:
    """Return a mode whose settings reach these scores, None where diverged; a seed adds a hundredth each."""
    grid = list(zip(itertools.product(SIZES, RATES), scores, strict=False))
    known = [(score, place) for place, score in grid if score is not None]
    best = (max if METRICS[metric].higher_is_better else min)(known) if known else None
    settings, cells = [], []
    for (batch_size, learning_rate), score in grid:
        reached = [score + seed / 100 for seed in seeds] if score is not None else None
        place = {"batch_size": batch_size, "learning_rate": learning_rate}
        chosen = best is not None and best[1] == (batch_size, learning_rate)
        validation = reached and spread(reached)
        diverged = 0 if reached else len(seeds)
        settings.append({**place, "chosen": chosen, "diverged": diverged, "validation": validation})
        for seed in seeds:
            last = score and score + seed / 100
            history = [{"epoch": 1, "score": last - 0.1}, {"epoch": 2, "score": last}] if reached else []
            loss = [[5, 0.7], [10, 0.6], [15, 0.5], [20, 0.4]] if reached else [[5, None]]
            cells.append({**place, "seed": seed, "chosen": chosen, "history": history, "train_loss": loss})
    chosen = None
    if best:
        place = {"batch_size": best[1][0], "learning_rate": best[1][1]}
        tested = test and {metric: {**spread([test]), "interval": [test - 0.05, test + 0.03]}}
        validation = next(setting["validation"] for setting in settings if setting["chosen"])
        chosen = {**place, "validation": {metric: validation}, "test": tested}
    return {
        **{"mode": name, "plan": {"seeds": list(seeds)}, "trainable": {"total": trainable}},
        **{"settings": settings, "cells": cells, "chosen": chosen},
    }


def make_task(modes: dict, name="imdb", metric="accuracy", **common) -> dict:
    """Return a task with modes by name: their scores, or the keyword arguments of `make_mode`."""
    settings = {mode: values if isinstance(values, dict) else {"scores": values} for mode, values in modes.items()}
    made = [make_mode(mode, metric, **{**common, **values}) for mode, values in settings.items()]
    return {"task": name, "metric": metric, "modes": made}


def texts(folder, name: str) -> list[str]:
    """Return what is written in an SVG, whose text must still be text."""
    root = ElementTree.parse(folder / f"{name}.svg").getroot()
    return [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]


def drawn_texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text")) if text.get_text()]


# The expectation of the best of several trials.


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=4), st.booleans())
def test_the_expected_best_is_the_mean_over_all_draws(scores, higher_is_better):
    best = max if higher_is_better else min
    for number, expected in enumerate(trials.expected_best(scores, higher_is_better), start=1):
        draws = [best(draw) for draw in itertools.product(scores, repeat=number)]
        assert expected == pytest.approx(sum(draws) / len(draws), abs=1e-12)


def test_the_expected_best_by_hand():
    # Two draws of 0.6 and 0.8: both 0.6 a quarter of the time.
    assert trials.expected_best([0.8, 0.6]) == pytest.approx([0.7, 0.75])
    assert trials.expected_best([0.8, 0.6], higher_is_better=False) == pytest.approx([0.7, 0.65])
    # Three draws of 1, 2 and 3: at most 1 in 1 of 27, at most 2 in 8, so (1 + 2 * 7 + 3 * 19) / 27.
    assert trials.expected_best([3, 1, 2])[2] == pytest.approx(72 / 27)


def test_a_diverged_setting_is_a_trial_with_the_worst_score_of_the_task():
    modes = {"full": [0.8, None], "lora": [0.5, 0.7], "lost": [None, None]}
    assert trials.scores_of(make_task(modes)) == {"full": [0.8, 0.5], "lora": [0.5, 0.7]}
    errors = make_task(modes, metric="mean_squared_error")
    assert trials.scores_of(errors) == {"full": [0.8, 0.8], "lora": [0.5, 0.7]}


# What the figures hold.


def test_the_heat_map_writes_every_score_and_marks_the_winner_and_the_diverged():
    task = make_task({"full": [0.81, 0.82, 0.83, None], "lora": [0.71]}, seeds=(0, 1))
    figure, caption, alt = heatmap.draw(task)
    full = next(axes for axes in figure.axes if axes.get_title(loc="left") == "full")
    where = {text.get_text(): text.get_position() for text in full.texts}
    # Upwards batch size 8 and 16, to the right 1e-4 and 3e-4; a mean over two seeds adds 0.005.
    assert where == {
        **{"0.815": (0.5, 0.5), "0.825": (1.5, 0.5)},
        **{"★ 0.835": (0.5, 1.5), "diverged\n2 of 2": (1.5, 1.5)},
    }
    hatched = [patch.get_xy() for patch in full.patches if patch.get_hatch()]
    framed = [patch.get_bbox().p0.tolist() for patch in full.patches if not patch.get_fill()]
    assert hatched == [(1, 1)]
    assert framed == [[0.05, 1.08]]
    assert "full: 4 settings, from 0.815 to 0.835, chosen learning rate 1e-4 and batch size 16; 1 diverged." in alt
    assert "imdb" in caption


def test_one_scale_of_colours_serves_all_panels():
    task = make_task({"full": [0.9, 0.6], "lora": [0.6, 0.5]})
    figure, _, _ = heatmap.draw(task)
    colour = {
        (axes.get_title(loc="left"), text.get_text().removeprefix("★ ")): patch.get_facecolor()
        for axes in figure.axes
        for text, patch in zip(axes.texts, (each for each in axes.patches if each.get_fill()), strict=False)
    }
    assert colour["full", "0.600"] == colour["lora", "0.600"]
    assert len(set(colour.values())) == 3


def test_the_heat_map_counts_data_orders_with_the_seeds():
    task = make_task({"full": [0.81, None]}, seeds=(0, 1))
    task["modes"][0]["plan"] = {"seeds": [0], "data_order_seeds": [0, 1]}
    figure, *_ = heatmap.draw(task)
    texts = drawn_texts(figure)
    assert "diverged\n2 of 2" in texts
    assert any("mean over seeds" in text for text in texts)


def test_learning_curves_have_a_bold_mean_and_a_thin_line_for_each_seed():
    task = make_task({"full": [0.8, 0.9], "lora": [0.7], "lost": [None]}, seeds=(0, 1, 2))
    figure, _, alt = curves.draw(task)
    scores, losses = figure.axes
    bold = [line for line in scores.lines if line.get_linewidth() > 2]
    assert [line.get_ydata() for line in bold] == [pytest.approx([0.81, 0.91]), pytest.approx([0.61, 0.71])]
    assert len(scores.lines) == len(losses.lines) == 2 * (1 + 3)
    # 20 steps are two epochs.
    assert list(losses.lines[0].get_xdata()) == [0.5, 1, 1.5, 2]
    assert len({(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in bold}) == 2
    assert "full (3e-4, 8)" in drawn_texts(figure)
    assert any("diverged: lost" in text for text in drawn_texts(figure))
    assert "full from 0.810 after epoch 1 to 0.910 after epoch 2" in alt


def test_test_and_validation_scores_are_told_apart():
    read = {"scores": [0.8], "test": 0.75}
    hidden = {"scores": [0.7], "trainable": 20}
    for modes, label in (
        ({"full": read}, "test accuracy"),
        ({"full": hidden}, "validation accuracy"),
        ({"full": read, "lora": hidden}, "filled: test accuracy\nhollow: validation"),
    ):
        figure, _, _ = parameters.draw([make_task(modes)])
        (axes,) = figure.axes
        assert axes.get_ylabel() == label
    filled, hollow = (line for line in axes.lines if line.get_marker() in ("o", "s"))
    assert (filled.get_fillstyle(), filled.get_xydata().tolist()) == ("full", [[pytest.approx(3330), 0.75]])
    assert (hollow.get_fillstyle(), hollow.get_xydata().tolist()) == ("none", [[pytest.approx(20), 0.7]])
    (interval,) = axes.collections
    assert interval.get_segments()[0][:, 1].tolist() == pytest.approx([0.70, 0.78])
    assert axes.get_xscale() == "log"


@given(st.lists(st.floats(0, 9), min_size=1, max_size=8), st.floats(0.01, 0.5))
def test_points_are_pushed_apart_in_their_order_and_no_further_than_needed(places, gap):
    moved = parameters.pushed_apart(places, gap)
    order = sorted(range(len(places)), key=places.__getitem__)
    assert all(moved[right] - moved[left] >= gap - 1e-9 for left, right in itertools.pairwise(order))
    assert sum(moved) == pytest.approx(sum(places), abs=1e-6)
    if not any(places[right] - places[left] < gap for left, right in itertools.pairwise(order)):
        assert moved == pytest.approx(places)


def test_shares_of_full_are_of_one_split():
    full, lora = {"scores": [0.8], "test": 0.6}, {"scores": [0.4], "test": 0.45}
    assert retention.shares(make_task({"full": full, "lora": lora})) == ("test", {"lora": pytest.approx(0.75)})
    unread = make_task({"lora": lora | {"test": None}, "full": full})
    assert retention.shares(unread) == ("validation", {"lora": pytest.approx(0.5)})


def test_tasks_without_shares_are_named_with_the_reason():
    fine = {"full": [0.8], "lora": [0.4]}
    tasks = [
        make_task(fine, "fine"),
        make_task(fine, "error", metric="mean_squared_error"),
        make_task({"full": [-0.1], "lora": [0.4]}, "below", metric="matthews"),
        make_task({"full": [0.0], "lora": [0.4]}, "zero", metric="matthews"),
        make_task({"full": [None], "lora": [0.4]}, "lost"),
    ]
    figure, _, alt = retention.draw(tasks)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["fine\n(validation accuracy)"]
    assert retention.left_out(tasks) == [
        "error (of mean squared error lower is better)",
        "below (full reaches -0.100, which is not above 0)",
        "zero (full reaches 0.000, which is not above 0)",
        "lost (every setting of full diverged)",
    ]
    assert "lora 50.0 %" in alt
    figure, caption, _ = retention.draw([make_task({"lora": [0.4]}, name) for name in "ab"])
    assert caption == "No shares to draw: a and b (no mode is called full)."
    assert not figure.axes


# The files.


def test_every_figure_is_written_and_listed_in_order_whatever_the_names(tmp_path):
    modes = {"full": [0.8, 0.7], "a_b": [None, None], "<b>x</b>": [0.7], "$x$": [0.6], "_h\\frac{&": [0.5]}
    tasks = [make_task(modes, "$t_1$"), make_task(modes, "mse", metric="mean_squared_error", seeds=(0, 1))]
    figures.write(tasks, tmp_path)
    index = json.loads((tmp_path / "figures.json").read_text())
    assert [each["name"] for each in index] == names(["$t_1$", "mse"])
    assert [each["task"] for each in index] == ["$t_1$"] * 3 + ["mse"] * 3 + [None, None]
    assert all(each["caption"].endswith(".") and each["alt"] for each in index)
    files = {f"{each['name']}.{form}" for each in index for form in ("svg", "pdf", "png")}
    assert {path.name for path in tmp_path.iterdir()} == files | {"figures.json"}
    assert set(modes) <= set(texts(tmp_path, "heatmap_$t_1$"))
    assert set(modes) - {"a_b"} <= set(texts(tmp_path, "trials_mse"))
    starts = {".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG"}
    for name in files:
        assert (tmp_path / name).read_bytes().startswith(starts[name[-4:]])


def test_where_everything_diverged_each_figure_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(look, "FORMATS", ["svg"])
    figures.write([make_task({"full": [None, None], "lora": [None]})], tmp_path)
    for name in names(["imdb"]):
        assert any("diverged" in text for text in texts(tmp_path, name)), name


def test_one_setting_of_one_mode(tmp_path, monkeypatch):
    monkeypatch.setattr(look, "FORMATS", ["svg"])
    figures.write([make_task({"lora": [0.8]})], tmp_path)
    assert "★ 0.800" in texts(tmp_path, "heatmap_imdb")
    assert "Approximate: settings are drawn with replacement from the grid that was run." in texts(
        tmp_path, "trials_imdb"
    )
    assert "No shares to draw: imdb (no mode is called full)." in texts(tmp_path, "retention")


def test_more_modes_than_markers_still_look_different():
    many = {f"mode-{number}": {"scores": [number / 40], "trainable": 10 + number} for number in range(30)}
    figure, _, _ = trials.draw(make_task(many))
    looks = {(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in figure.axes[0].lines}
    assert len(looks) == 30


def test_the_same_comparison_gives_the_same_bytes_in_another_process(tmp_path, monkeypatch):
    tasks = [make_task({"full": [0.8, None], "lora": [0.7, 0.6]}, seeds=(0, 1))]
    (tmp_path / "comparison.json").write_text(json.dumps({"tasks": tasks}))
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\n")  # the user's own, which has no say
    command = ("python", REPOSITORY / "scripts/figures.py", "comparison.json", "--output", "one")
    done = run(*command, cwd=tmp_path, PYTHONHASHSEED="1", SOURCE_DATE_EPOCH="1")
    assert (done.returncode, done.stderr) == (0, "")
    monkeypatch.undo()  # as many dots per inch as there
    with look.looking():
        figures.write(tasks, tmp_path / "two")
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two


def test_nothing_is_left_of_a_figure_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "retention.svg").write_text("old")

    def fail(figure, path, **_):
        path.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(look.Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        look.save(look.only_text("title", "text"), tmp_path, "retention")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"retention.svg": "old"}


def test_no_comparison_is_told_in_one_line(tmp_path):
    done = run("python", REPOSITORY / "scripts/figures.py", "none.json", "--output", "figures", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: none.json: no such file\n")


def test_the_names_are_known_without_matplotlib():
    code = "import sys; sys.path.insert(0, 'scripts'); import finegrid.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0
