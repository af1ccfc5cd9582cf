"""The published speed: the pages show what benchmarks/results/against_trainer.json says; and how it is computed."""

import re

import pytest
import torch
from conftest import REPOSITORY
from documentation import text_of
from measurements import CONTENDERS, Measurements, full_table, page, short_table, with_table
from useful_work import Encoder

from finegrid.sealed import read_record

RESULTS = REPOSITORY / "benchmarks" / "results"
WEIGHTS = 2 * (4 * 128**2 + 2 * 128 * 512)  # of BERT-tiny's two layers


@pytest.fixture(scope="module")
def measured() -> Measurements:
    if not (RESULTS / "against_trainer.json").exists():
        pytest.skip("speed was not measured with this version: python benchmarks/against_trainer.py")
    return read_record(Measurements, RESULTS / "against_trainer.json")


def test_the_markdown_follows_from_the_numbers(measured):
    assert (RESULTS / "against_trainer.md").read_text(encoding="utf-8") == page(measured)


def test_the_pages_show_its_tables(measured):
    assert short_table(measured) in text_of("README.md")
    assert page(measured) in text_of("docs/speed.md")


def test_no_other_speed_is_claimed(measured):
    for name in ("README.md", "docs/speed.md"):
        rest = text_of(name).replace(short_table(measured), "").replace(page(measured), "")
        assert not re.search(r"\d( x|-fold| times (as long|quicker|slower|faster))|tokens/s|\d% of product", rest), name


def test_the_tables_give_medians_of_the_turns(measured):
    for workload in measured.workloads:
        row = next(line for line in short_table(measured).splitlines() if line.startswith(f"| {workload.title} "))
        ours, theirs = (sorted(run.seconds for run in workload.runs(name)) for name in CONTENDERS)
        middle = len(ours) // 2
        if len(ours) % 2:
            assert f" {ours[middle]:.0f} s | " in row
            assert row.endswith(f" {theirs[middle] / ours[middle]:.1f} |")
    assert full_table(measured).count("\n") == 1 + 2 * len(measured.workloads)


def test_a_table_is_replaced_where_it_is_and_nowhere_else():
    before = "text\n\n| mode | x |\n|:--|:--|\n\n| grid  | a |\n|:--|--:|\n| old | 1 |\n\nmore\n"
    after = "text\n\n| mode | x |\n|:--|:--|\n\n| grid | b |\n|:--|--:|\n\nmore\n"
    assert with_table(before, "| grid | b |\n|:--|--:|") == after
    with pytest.raises(ValueError, match="0 tables"):
        with_table("text\n", "| grid | b |\n|:--|--:|")


@pytest.mark.parametrize(
    ("architecture", "shape"),
    [
        ("bert", {"hidden_size": 128, "num_hidden_layers": 2, "intermediate_size": 512}),
        ("distilbert", {"dim": 128, "n_layers": 2, "hidden_dim": 512}),
        ("roberta", {"hidden_size": 128, "num_hidden_layers": 2, "intermediate_size": 512}),
    ],
)
def test_useful_work_is_counted_of_every_architecture(architecture, shape):
    from transformers import AutoConfig

    encoder = Encoder.of(AutoConfig.for_model(architecture, **shape))
    lengths = torch.tensor([3, 5])
    assert encoder.weight_flops(lengths) == 2 * 8 * WEIGHTS
    assert encoder.attention_flops(lengths) == 4 * 2 * 128 * (9 + 25)
