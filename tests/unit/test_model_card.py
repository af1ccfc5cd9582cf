"""The model card of an exported model, from results written by hand."""

import re
from dataclasses import replace

import pytest
import yaml
from comparisons import changed, plan, settings_of, split
from huggingface_hub import ModelCard

from finegrid.config.cell import Cell
from finegrid.evaluation.results import ModeResults, chosen_cells
from finegrid.evaluation.selection import best_seed, select
from finegrid.records import (
    Cost,
    Environment,
    EpochScore,
    EvaluatedCell,
    Evaluation,
    EvaluationData,
    Metrics,
    ParameterCounts,
    Start,
    TrainingData,
    Validation,
)
from finegrid.reporting.model_card import model_card

ENVIRONMENT = Environment(python="3.11", machine="m", device="cpu", threads=1, dtype="float32", batches="unpadded")
COST = Cost(
    startup_seconds=1,
    training_seconds=1,
    total_seconds=2,
    tokens=10,
    tokens_per_second=10,
    peak_memory_bytes=2**20,
)


def result(cell: Cell, score: float | None) -> Metrics:
    """Return the result of a cell; a score of None: it diverged."""
    last = None if score is None else EpochScore(epoch=4, score=score, scores={cell.task.metrics[0]: score}, loss=0.5)
    return Metrics(
        cell=cell,
        fingerprint="0" * 64,
        status="diverged" if last is None else "ok",
        trainable=ParameterCounts(encoder=3072, head=258, total=3330),
        total=4_386_178,
        trained_bytes=13_320,
        validation=Validation(metric=cell.task.metrics[0], last=last, best=last, history=(last,) if last else ()),
        train_loss=((10, 0.5),),
        start=Start(encoder="1" * 64, head="2" * 64),
        data=TrainingData(train=split(20_000, "official training split"), validation=split(5_000, "held out")),
        environment=ENVIRONMENT,
        cost=COST,
    )


def results(seeds=(0,), metric="accuracy", confirming=(), **fields) -> tuple[ModeResults, Metrics]:
    """Return the arguments of `model_card`: the second learning rate diverged; fields are those of Task."""
    made = plan("a_b", batch_sizes=(8, 16), seeds=seeds)
    made = changed(changed(made, "confirming_seeds", confirming), "task", settings_of("imdb", [metric], **fields))
    cells = [
        result(cell, None if cell.learning_rate == "1e-3" else 0.7 + cell.batch_size / 100 + cell.seed / 10)
        for cell in made.cells()
    ]
    best = select(made, cells)
    chosen = chosen_cells(best, cells)
    tested = [result(cell, 0.5 + cell.seed / 100) for cell in best.cells()] if confirming else chosen
    evaluated = [
        EvaluatedCell(seed=seed, fingerprint="0" * 64, scores={metric: 0.5 + seed / 8}) for seed in made.tested_seeds
    ]
    evaluation = Evaluation(
        plan=made,
        status="ok",
        chosen=best.chosen,
        cells=evaluated,
        data=EvaluationData(test=split(25_000, "official test split"), hidden=split(0, "none")),
    )
    return ModeResults(best, cells, chosen, tested, evaluation), best_seed(tested)


def test_the_card_says_what_was_trained_and_how_well_it_does():
    text = model_card(*results(seeds=(0, 1)))
    for line in (
        "# bert_tiny, fine-tuned on imdb (a_b)".replace("_", "\\_"),
        "- **Task**: imdb, texts of at most 128 tokens; classes neg, pos.",
        "- **Mode**: a\\_b, which trains 3,330 of 4,386,178 parameters, 258 of them in the head.",
        "- **Training**: learning rate 3e-4, batch size 16, epochs 4, seed 1 (the best of 2 seeds on "
        "validation); 20,000 rows.",
        "- **Validation**: accuracy 0.960 on 5,000 rows.",
        "- **Test**: accuracy 0.625 on 25,000 rows (official test split).",
        "- **Seeds**: these scores are one model's; the run's tables have the mean over 2 seeds, with its interval.",
        "Validation accuracy after the last epoch, mean over seeds 0, 1; the chosen setting is in bold.",
        "|            3e-4 |          0.830 |       **0.910** |",
        "|            1e-3 |       diverged |        diverged |",
    ):
        assert line in text.splitlines()
    assert "Edge of the grid: learning rate 3e-4 is the smallest tried; batch size 16 is the largest tried." in text


def test_the_front_matter_is_what_the_hub_reads():
    card = ModelCard(model_card(*results()))
    assert card.data.base_model == "bert_tiny"
    assert card.data.model_name == "bert_tiny-imdb-a_b"
    scores = {each.dataset_split: each.metric_value for each in card.data.eval_results}
    assert scores == {"validation": pytest.approx(0.86), "test": 0.5}
    assert {each.dataset_name for each in card.data.eval_results} == {"imdb, as finegrid splits it"}


def test_one_seed_is_no_mean():
    text = model_card(*results())
    assert "epochs 4, seed 0; 20,000 rows" in text
    assert "after the last epoch, seed 0; the chosen" in text
    assert "- **Seeds**: one, so how much these scores vary from seed to seed is not assessable.\n" in text
    assert "noise" not in text and "mean" not in text


def test_confirming_seeds_are_exported_and_the_grid_has_its_own():
    text = model_card(*results(confirming=(2, 3)))
    for line in (
        "- **Training**: learning rate 3e-4, batch size 16, epochs 4, seed 3 (the best of 2 confirming seeds on "
        "validation); 20,000 rows.",
        "- **Validation**: accuracy 0.530 on 5,000 rows.",
        "- **Test**: accuracy 0.875 on 25,000 rows (official test split).",
        "- **Seeds**: these scores are one model's; the run's tables have the mean over 2 seeds, with its interval.",
        "Validation accuracy after the last epoch, seed 0; the chosen setting is in bold.",
        "|            3e-4 |          0.780 |       **0.860** |",
    ):
        assert line in text.splitlines()


def test_names_with_special_characters_are_shown_literally():
    odd = 'a|b *c* <i>d</i> `e` [f](g) _h_ "i": #j'
    mode, metrics = results(classes=[odd, "other"])
    text = model_card(mode, changed(metrics, "cell.task.name", odd))
    _, front, body = text.split("---\n", 2)
    [entry] = yaml.safe_load(front)["model-index"]
    assert {each["dataset"]["name"] for each in entry["results"]} == {f"{odd}, as finegrid splits it"}
    special = re.compile(r"(?<!\\)[|*<>`\[\]_]")
    for before, after in (("# bert\\_tiny, fine-tuned on ", " (a\\_b)"), ("128 tokens; classes ", ", other.")):
        [shown] = re.findall(f"{re.escape(before)}(.*){re.escape(after)}$", body, re.MULTILINE)
        assert not special.search(shown)
        assert re.sub(r"\\(.)", r"\1", shown) == odd


@pytest.mark.parametrize(
    ("hidden", "reason"), [(100, "the labels are hidden, so there is no score"), (0, "there is no test split")]
)
def test_a_missing_test_score_is_explained(hidden, reason):
    mode, metrics = results()
    evaluation = changed(mode.evaluation, "cells.0.scores", None)
    data = EvaluationData(test=split(0, "none"), hidden=split(hidden, "none"))
    text = model_card(replace(mode, evaluation=changed(evaluation, "data", data)), metrics)
    [entry] = yaml.safe_load(text.split("---\n")[1])["model-index"]
    assert [each["dataset"]["split"] for each in entry["results"]] == ["validation"]
    assert f"- **Test**: {reason}.\n" in text


def test_regressions_and_pairs_of_texts():
    text = model_card(*results(metric="pearson", text=["one", "two"]))
    assert "pairs of texts of at most 128 tokens; predicts a number." in text
    assert 'predict({"text": "One text.", "text_pair": "Another."})' in text
    assert "- **Test**: Pearson correlation 0.500 on" in text
