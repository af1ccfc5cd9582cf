"""The answer of a run in one sentence."""

import pytest
from comparisons import changed, comparison, confirmed, mode, pair, task
from ladders import ladder
from odd_names import odd

from finegrid.reporting.answer import answer

FULL, HEAD, BIAS = mode("full", 0.88), mode("bitfit-head", 0.86, (3072, 258)), mode("bitfit", 0.63, (3072, 2))


def said(*tasks) -> str | None:
    made = answer(comparison(list(tasks)))
    return made and made.text


def test_full_fine_tuning_comes_first_and_the_others_by_score():
    assert said(task(modes=[FULL, BIAS, mode("a_b", None), HEAD])) == (
        "On the test split of imdb, full fine-tuning reaches 0.890 accuracy, bitfit-head 0.870 (0.08% of the "
        "parameters trained, 0.020 worse, beyond noise) and bitfit 0.640 (0.07%, 0.250 worse, beyond noise); a_b "
        "diverged at every setting."
    )


def test_within_noise_no_direction_is_told():
    near = said(task(modes=[FULL, mode("lora", 0.885, (3072, 258))], test="hidden"))
    assert near == (
        "On validation rows of imdb, full fine-tuning reaches 0.890 accuracy and lora 0.895 (0.08% of the parameters "
        "trained, a difference within noise)."
    )


def test_a_lower_error_is_better():
    modes = [mode("full", 0.4), mode("bitfit", 0.3, (3072, 2)), mode("lora", 0.5, (3072, 258))]
    text = said(task(modes=modes, metrics=["mean_squared_error"]))
    assert "0.410 mean squared error, bitfit 0.310 (0.07% of the parameters trained, 0.100 better, beyond" in text
    assert "and lora 0.510 (0.08%, 0.100 worse, beyond noise)." in text


def test_without_full_fine_tuning_nothing_is_told_of_a_distance():
    assert said(task(modes=[BIAS, HEAD])) == (
        "On the test split of imdb, bitfit-head reaches 0.870 accuracy (0.08% of the parameters trained) and bitfit "
        "0.640 (0.07%)."
    )


def test_of_several_tasks_the_verdicts_are_counted():
    text = "Compared with full fine-tuning, bitfit is worse beyond noise on 2 and within noise of it on 1 of 3 tasks."
    assert answer(odd()).text == text
    better = task("two", [mode("full", 0.5), HEAD])
    assert said(task("one", [FULL, HEAD, BIAS]), better) == (
        "Compared with full fine-tuning, bitfit-head is worse beyond noise on 1 and better beyond noise on 1 of 2 "
        "tasks; bitfit is worse beyond noise on 1 of 1 task."
    )


def test_of_several_models_the_verdicts_are_counted():
    text = (
        "Compared with full fine-tuning, bitfit is worse beyond noise on 3 of 3 models; a_b is worse beyond noise on 1 "
        "and within noise of it on 1 of 2 models."
    )
    assert answer(ladder()).text == text
    other = [changed(changed(each, "task.name", "two"), "title", "two, x") for each in ladder().tasks]
    assert "a_b is worse beyond noise on 2 and within noise of it on 2 of 4 pairs of model and task." in said(
        *ladder().tasks, *other
    )


def one_seed(name: str, score: float):
    return mode(name, score, (3072, 258), seeds=(7,))


def test_one_seed_gives_no_verdict():
    modes = [one_seed("full", 0.88), one_seed("lora", 0.9), one_seed("ia3", 0.88), one_seed("bitfit", 0.6)]
    assert said(task(modes=modes)) == (
        "On the test split of imdb, full fine-tuning reaches 0.880 accuracy, lora 0.900 (0.08% of the parameters "
        "trained, 0.020 better), ia3 0.880 (0.08%, as good) and bitfit 0.600 (0.08%, 0.280 worse); with one seed, "
        "whether the modes differ is not assessable."
    )
    assert said(task("one", modes), task("two", modes[:2])) == (
        "Compared with full fine-tuning, lora scores higher on 2 of 2 tasks; ia3 scores the same on 1 of 1 "
        "task; bitfit scores lower on 1 of 1 task; with one seed, whether the modes differ is not assessable."
    )


def test_confirming_seeds_speak_and_one_that_diverged_silences_its_mode():
    modes = [
        confirmed(one_seed("full", 0.99), {10: 0.8, 11: 0.82}),
        confirmed(one_seed("lora", 0.99), {10: 0.7, 11: 0.72}),
        confirmed(one_seed("ia3", 0.99), {10: 0.7, 11: None}),
    ]
    assert said(task(modes=modes)) == (
        "On the test split of imdb, full fine-tuning reaches 0.810 accuracy and lora 0.710 (0.08% of the parameters "
        "trained, 0.100 worse, beyond noise); ia3 diverged with a confirming seed."
    )


@pytest.mark.parametrize(
    "tasks",
    [
        [task(modes=[mode("full", None)])],
        [task("one", [BIAS]), task("two", [BIAS])],
        [odd().tasks[3], task("two", [mode("full", None)])],
    ],
)
def test_without_a_score_or_a_comparison_there_is_no_answer(tasks):
    assert said(*tasks) is None


def test_its_figures_are_those_of_the_comparison():
    made = task(modes=[FULL, HEAD])
    made = changed(made, "pairs", (pair(made.modes[1], made.modes[0], made),))
    figures = answer(comparison([made])).figures
    assert figures == pytest.approx({"score0": 0.89, "score1": 0.87, "share1": 3330 / 4_386_178, "distance1": 0.02})


def test_many_modes_are_counted_and_only_those_beyond_noise_are_named():
    near = [mode(f"near{number}", 0.88 + number / 1000, (3072, 258)) for number in range(8)]
    assert said(task(modes=[FULL, *near, HEAD, BIAS, mode("a_b", None)])) == (
        "On the test split of imdb, full fine-tuning reaches 0.890 accuracy; the best of the others is near7, which "
        "reaches 0.897 (0.08% of the parameters trained). Of 10 other modes, 2 are worse beyond noise (bitfit-head "
        "and bitfit) and 8 are within noise of it. a_b diverged."
    )
    near = [mode(f"near{number}", 0.885, (3072, 258)) for number in range(8)]
    assert said(task(modes=[FULL, *near])).endswith(" All 8 other modes are within noise of it.")
