"""Figures of comparisons written by hand: what they show, and that they stay legible in unusual cases."""

import itertools

import figures
import pytest
from comparisons import changed, confirmed, task
from figure_tasks import LONG, make_mode, make_task
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps
from matplotlib.text import Text

from finegrid.reporting.figures import curves, heatmap, parameters, retention, style, trials


@pytest.fixture(autouse=True)
def styled():
    """Draw in the style of the figures."""
    with style.applied():
        yield


def with_test_score(task, mode: int, score: float):
    """Return a task in which a mode reaches another test score, with an interval from 0.05 below to 0.03 above it."""
    place = f"modes.{mode}.chosen.test.{task.metric}"
    return changed(changed(task, f"{place}.mean", score), f"{place}.interval", (score - 0.05, score + 0.03))


def drawn_texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


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


# What the figures show.


def test_the_heat_map_writes_every_score_and_marks_the_winner_and_the_diverged():
    figure, caption, alt = heatmap.draw(make_task({"full": [0.81, 0.82, 0.83, None], "lora": [0.71]}, seeds=(0, 1)))
    full = next(axes for axes in figure.axes if axes.get_title(loc="left") == "full")
    where = {text.get_text(): text.get_position() for text in full.texts}
    # Batch sizes 8 and 16 upwards, 1e-4 and 3e-4 to the right; the mean over two seeds adds 0.005.
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
    [notes] = [text for text in drawn_texts(figure) if "frame" in text]
    assert "Hatched" in notes and "means over the seeds" in notes


def test_one_scale_of_colours_serves_all_panels():
    figure, _, _ = heatmap.draw(make_task({"full": [0.9, 0.6], "lora": [0.6, 0.5]}))
    colour = {
        (axes.get_title(loc="left"), text.get_text().removeprefix("★ ")): patch.get_facecolor()
        for axes in figure.axes
        for text, patch in zip(axes.texts, (each for each in axes.patches if each.get_fill()), strict=False)
    }
    assert colour["full", "0.600"] == colour["lora", "0.600"]
    assert len(set(colour.values())) == 3


def test_scores_stand_out_from_every_colour_of_the_scale():
    for share in range(101):
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
            for part in colormaps[heatmap.COLOURS](share / 100)[:3]
        ]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        white, black = 1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05
        assert (white if share / 100 < heatmap.DARK else black) >= 4.5  # the contrast that WCAG 2.2 asks for


def test_learning_curves_have_a_bold_mean_and_a_thin_line_for_each_seed():
    figure, _, alt = curves.draw(make_task({"full": [0.8, 0.9], "lora": [0.7], "lost": [None]}, seeds=(0, 1, 2)))
    scores, losses = figure.axes
    bold = [line for line in scores.lines if line.get_linewidth() > 2]
    assert [line.get_ydata() for line in bold] == [pytest.approx([0.90, 0.91]), pytest.approx([0.70, 0.71])]
    assert len(scores.lines) == len(losses.lines) == 2 * (1 + 3)
    # 20 steps are four epochs.
    assert list(losses.lines[0].get_xdata()) == [2, 4]
    assert len({(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in bold}) == 2
    assert "full (3e-4, 8)" in drawn_texts(figure)
    assert any("diverged: lost" in text for text in drawn_texts(figure))
    assert "full from 0.900 after epoch 3 to 0.910 after epoch 4" in alt


def test_test_scores_are_filled_and_validation_scores_hollow():
    modes = {"full": [0.8], "lora": {"scores": [0.7], "trainable": 20}}
    tested = with_test_score(make_task(modes, "tested", test="read"), 0, 0.75)
    figure, caption, alt = parameters.draw([tested, make_task(modes, "hidden", test="hidden")])
    filled, hollow = figure.axes
    assert (filled.get_ylabel(), hollow.get_ylabel()) == ("test accuracy", "validation accuracy")
    assert {line.get_fillstyle() for line in filled.lines if line.get_marker() in ("o", "s")} == {"full"}
    assert {line.get_fillstyle() for line in hollow.lines if line.get_marker() in ("o", "s")} == {"none"}
    places = [line.get_xydata().tolist() for line in filled.lines if line.get_marker() in ("o", "s")]
    assert places == [[[pytest.approx(3330), 0.75]], [[pytest.approx(20), 0.7]]]
    for axes, index, ends in ((filled, 0, (0.70, 0.78)), (filled, 1, (0.696, 0.704)), (hollow, 0, (0.796, 0.804))):
        assert axes.collections[index].get_segments()[0][:, 1].tolist() == pytest.approx(ends)
    assert filled.get_xscale() == "log"
    assert "filled: test; hollow: validation, which chose the setting" in caption
    assert "full trains 3,330: test 0.750, 95 % interval 0.700 to 0.780" in alt
    assert "full trains 3,330: validation 0.800, 95 % interval 0.796 to 0.804" in alt


@pytest.mark.parametrize(
    ("seeds", "over"), [((0,), "over rows, not over seeds, as there is one"), ((0, 1), "over rows and seeds")]
)
def test_what_the_bars_cover_is_told(seeds, over):
    figure, caption, alt = parameters.draw([make_task({"full": [0.8], "lora": [0.7]}, seeds=seeds, test="read")])
    [notes] = [text for text in drawn_texts(figure) if "Bars" in text]
    assert f"Bars: 95 % intervals {over}." in notes
    assert f"bars: 95 % interval {over})" in caption
    assert "noise" not in " ".join([*drawn_texts(figure), caption, alt])


def test_confirming_seeds_are_drawn_and_a_mode_of_which_one_diverged_is_not():
    modes = [confirmed(make_mode("full", [0.9]), {10: 0.6, 11: 0.62})]
    modes += [confirmed(make_mode(name, [0.8]), {10: 0.5, 11: None}) for name in ("lora", "ia3")]
    for test, split in (("read", "test"), ("hidden", "validation")):
        made = task("imdb", modes, test=test)
        figure, caption, alt = parameters.draw([made])
        assert f"full trains 3,330: {split} 0.610, 95 % interval 0.606 to 0.614; lora trains 3,330: diverged;" in alt
        assert "over rows and seeds" in caption
        [notes] = [text for text in drawn_texts(figure) if "Bars" in text]
        assert "Not shown, as they diverged: lora on imdb and ia3 on imdb." in notes.replace("\n", " ")
        assert retention.why_not(made) == "no other mode has a score"
    _, _, alt = retention.draw([task("imdb", [modes[0], confirmed(make_mode("lora", [0.8]), {10: 0.305, 11: 0.305})])])
    assert "lora 50.0 %" in alt


def test_points_moved_apart_stay_within_the_axes():
    some = {f"mode-{number}": {"scores": [number / 60], "trainable": 1000} for number in range(parameters.NAMED)}
    figure, _, _ = parameters.draw([make_task(some)])
    *points, _ = figure.axes[0].lines  # the last one is the front
    places = [line.get_xdata()[0] for line in points]
    low, high = figure.axes[0].get_xlim()
    assert len(set(places)) == parameters.NAMED
    assert low < min(places) and max(places) < high
    assert any("moved apart" in text for text in drawn_texts(figure))


def test_the_front_has_the_modes_that_none_beats_with_as_few_parameters():
    sizes = {"full": (0.8, 9000), "small": (0.6, 10), "good": (0.7, 20), "as-good": (0.7, 30), "bad": (0.5, 20)}
    made = make_task({name: {"scores": [score], "trainable": size} for name, (score, size) in sizes.items()})
    assert parameters.front(made) == {"small", "good", "full"}
    figure, _, alt = parameters.draw([made])
    assert figure.axes[0].lines[-1].get_ydata().tolist() == [0.6, 0.7, 0.8]
    assert "on the Pareto front full, small, good." in alt


def test_of_many_modes_only_those_of_the_front_have_a_name():
    many = {f"mode-{number}": {"scores": [0.5 - number / 100], "trainable": 1000 + number} for number in range(20)}
    figure, _, _ = parameters.draw([make_task({"full": {"scores": [0.4], "trainable": 9000}, **many})])
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["full", "mode-0"]
    assert any("Grey" in text for text in drawn_texts(figure))
    assert not any("moved apart" in text for text in drawn_texts(figure))
    *points, _ = figure.axes[0].lines
    assert {round(line.get_xdata()[0]) for line in points} == {9000, *range(1000, 1020)}


@given(st.lists(st.floats(0, 9), min_size=1, max_size=8), st.floats(0.01, 0.5))
def test_points_are_pushed_apart_in_their_order_and_no_further_than_needed(places, gap):
    moved = parameters.pushed_apart(places, gap)
    order = sorted(range(len(places)), key=places.__getitem__)
    assert all(moved[right] - moved[left] >= gap - 1e-9 for left, right in itertools.pairwise(order))
    assert sum(moved) == pytest.approx(sum(places), abs=1e-6)
    if not any(places[right] - places[left] < gap for left, right in itertools.pairwise(order)):
        assert moved == pytest.approx(places)


def test_shares_of_full_are_of_one_split():
    both = make_task({"full": [0.8], "lora": [0.4]}, test="read")
    both = with_test_score(with_test_score(both, 0, 0.6), 1, 0.45)
    assert retention.shares(both) == ("test", {"lora": pytest.approx(0.75)})
    assert retention.shares(make_task({"full": [0.8], "lora": [0.4]}, test="hidden")) == ("validation", {"lora": 0.5})


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
        "error (for mean squared error, lower is better)",
        "below and zero (full fine-tuning's score is not above 0)",
        "lost (full fine-tuning diverged)",
    ]
    assert "lora 50.0 %" in alt
    figure, caption, _ = retention.draw([make_task({"lora": [0.4]}, name) for name in "ab"])
    assert caption == "No shares to draw: a and b (no full fine-tuning)."
    assert not figure.axes


def test_more_modes_than_markers_still_look_different():
    many = {f"mode-{number}": {"scores": [number / 40], "trainable": 10 + number} for number in range(30)}
    figure, _, _ = trials.draw(make_task(many))
    styles = {(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in figure.axes[0].lines}
    assert len(styles) == 30


def all_drawings(tasks):
    return [
        *(draw(each) for each in tasks for draw in figures.OF_A_TASK.values()),
        *(draw(tasks) for draw in figures.OF_A_RUN.values()),
    ]


@pytest.mark.filterwarnings("error")  # as constrained layout warns where axes collapse
@pytest.mark.parametrize("count", [1, 45])
def test_however_many_modes_and_however_long_their_names_axes_stay_large_and_text_legible(count):
    modes = {f"{number}{LONG}"[:100]: [0.5 + number / 100, None, 0.4, 0.45] for number in range(count)}
    for figure, _, _ in all_drawings([make_task({"full": [0.8], **modes}, LONG, metric="mean_squared_error")]):
        figure.draw_without_rendering()
        for text in figure.findobj(Text):
            assert not text.get_text() or text.get_fontsize() >= style.SMALL
        for axes in figure.axes:
            box = axes.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
            assert box.width > 1.4
            assert box.height > (0.05 if axes.get_label() == "<colorbar>" else 0.3)


def test_panels_of_the_heat_map_and_their_titles_do_not_overlap():
    modes = {f"{number}{LONG}"[:100]: [0.5, 0.6, 0.7, 0.8] for number in range(7)}
    figure, _, _ = heatmap.draw(make_task(modes))
    figure.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in figure.axes if axes.get_title(loc="left")]
    assert len(boxes) == 7
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
