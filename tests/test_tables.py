"""Tables against golden files, from a comparison written by hand."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tables
import yaml
from comparisons import comparison, mode, task
from conftest import REPOSITORY, edit_config, run, snakemake
from hypothesis import given
from hypothesis import strategies as st

from finegrid.reporting import cost_tables
from finegrid.reporting import layout
from finegrid.reporting import footnotes as notes
from finegrid.evaluation import published
from finegrid.reporting import published_table
from finegrid.reporting import score_tables
from finegrid.errors import InputError
from finegrid.files import write_json

GOLDEN = Path(__file__).parent / "golden"
PUBLISHED = REPOSITORY / "config" / "published.yaml"
MAKERS = [
    score_tables.validation,
    score_tables.test,
    score_tables.learning_rates,
    score_tables.pairs,
    score_tables.retention,
    cost_tables.parameters,
    cost_tables.cost,
    lambda told: published_table.table(told, published.read_published([PUBLISHED])),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    write_json(folder / "comparison.json", comparison())
    done = run(
        *(sys.executable, tables.__file__, "comparison.json", "--published", PUBLISHED, "--output", "tables"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder / "tables"


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_tables_are_the_golden_files(written, name):
    assert (written / name).read_text() == (GOLDEN / name).read_text()


def test_there_is_a_golden_file_for_each_table(written):
    assert sorted(path.name for path in written.iterdir()) == sorted(path.name for path in GOLDEN.iterdir())


# Several tasks and metrics, one without test labels, one where less is better, names as odd as JSON can hold.
ODD = comparison(
    [
        task("mrpc", [mode("full", 0.8), mode("bitfit", 0.795)], ["accuracy", "f1"]),
        task("stsb", [mode("full", 0.2), mode("bitfit", 0.1)], ["pearson", "spearman"], test="hidden"),
        task("error", [mode("full", 0.2), mode("bitfit", 0.3)], ["mean_squared_error"]),
        task("gone", [mode("full", None), mode("bitfit", 0.3)]),
        task(
            "50%_of|{$x$}\\~^#&",
            [mode("<b>x</b>", 0.7, seeds=(3,)), mode("*`a`*", 0.6, seeds=(3,))],
            test="no test split",
        ),
    ]
)


def document(text: str, folder: Path) -> subprocess.CompletedProcess:
    """Compile a piece of LaTeX."""
    packages = "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n%s\\end{document}\n"
    (folder / "document.tex").write_text(packages % text)
    return subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LOUD: pdflatex is not installed, no .tex is compiled")
@pytest.mark.parametrize("told", [comparison(), ODD], ids=["plain", "odd"])
def test_latex_compiles(told, tmp_path):
    done = document("\n\\clearpage\n".join(layout.latex(maker(told)) for maker in MAKERS), tmp_path)
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LOUD: pdflatex is not installed, no .tex is compiled")
def test_latex_has_a_spelling_of_every_character(tmp_path):
    letters = (
        "".join(map(chr, [*range(0x20, 0x7F), *range(0xA1, 0x180)])) + "±–—‘’“”…中→\N{GREEK CAPITAL LETTER DELTA}😀"
    )
    records = [{"source": letters[start : start + 20], "mean": 0.5} for start in range(0, len(letters), 20)]
    table = layout.Table("t", "T", letters[-60:], records, records, [letters[-9:], "`中`"])
    done = document(layout.latex(table), tmp_path)
    assert done.returncode == 0, done.stdout
    assert layout.latex_escape("Müller, 中") == "Müller, U+4E2D"


def rows(table: layout.Table) -> list[dict]:
    """Return the rows of a table as they are shown."""
    columns, texts, _ = layout.shown(table)
    return [dict(zip(columns, row, strict=True)) for row in texts]


def test_each_task_and_metric_has_a_row_and_what_is_missing_is_said():
    shown = {(row["task"], row["mode"], row["metric"]): row for row in rows(score_tables.test(ODD))}
    assert shown["mrpc", "bitfit", "accuracy"]["difference to full"] == "-0.005 [-0.015, 0.005], within noise"
    assert shown["mrpc", "bitfit", "F1"]["difference to full"] == ""
    assert shown["mrpc", "bitfit", "accuracy"]["p, Holm"]
    assert shown["mrpc", "bitfit", "F1"]["p, Holm"] == ""
    assert shown["stsb", "full", "Pearson correlation"]["mean"] == "hidden"
    assert shown["gone", "full", "accuracy"]["mean"] == "diverged"
    assert shown["50%_of|{$x$}\\~^#&", "<b>x</b>", "accuracy"]["mean"] == "no test split"
    validation = rows(score_tables.validation(ODD))
    assert [row["range"] for row in validation][:2] == ["0.800 to 0.820", "0.800 to 0.820"]
    assert {row["mean"] for row in validation if row["task"] == "gone"} == {"diverged", "0.310"}


def test_what_is_retained_is_of_full_fine_tuning_only():
    table = score_tables.retention(ODD)
    assert [(row["task"], row["split"], row["bitfit"]) for row in rows(table)] == [
        ("mrpc", "test", "99.4 %"),
        ("stsb", "validation", "52.4 %"),
    ]
    assert "error: of mean squared error less is better; gone: full fine-tuning diverged" in table.notes[-1]
    assert "full fine-tuning is not among the modes" in table.notes[-1]


def test_differences_on_validation_are_said_to_be():
    told = " ".join(score_tables.pairs(ODD).notes)
    assert "there are no test labels: stsb, 50%_of" in told
    assert "corrected by Holm over 4 comparisons" in told
    assert "cannot give a p below 0.250" in told


def test_one_seed_is_said_to_be_one():
    alone = comparison([task(modes=[mode("full", seeds=(7,)), mode("bitfit", 0.6, seeds=(7,))])])
    assert "seed 7 alone" in " ".join(score_tables.validation(alone).notes)
    assert not {"sd", "median", "range"} & set(rows(score_tables.validation(alone))[0])
    assert "p over seeds" not in rows(score_tables.pairs(alone))[0]


def test_nothing_to_compare_makes_tables_too(tmp_path):
    alone = comparison([task("own", [mode("a_b", None)])])
    for maker in MAKERS:
        layout.write_table(tmp_path, maker(alone))
    assert score_tables.pairs(alone).notes == ["There are no two modes to compare."]
    assert MAKERS[-1](alone).notes == ["Of these tasks no published score is known."]


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1), min_size=1, max_size=4)
)
def test_names_come_back_from_every_format(names):
    records = [{"mode": name, "mean": 0.5} for name in names]
    table = layout.Table("t", "T", "Caption", records, records, [])
    lines = layout.markdown(table).splitlines()[4:-1]
    assert len(lines) == len(names)
    for line, name in zip(lines, names, strict=True):
        cell = line.removeprefix("| ").rsplit(" |", 2)[0].strip()
        assert "".join(part.replace("\\", "") for part in cell.split("\\\\")) == name.replace("\\", "")
        assert "|" not in cell.replace("\\|", "")


def test_a_note_keeps_its_code_as_it_is():
    note = "a_b: look beyond: `modes.a_b.learning_rates: [1e-4, 3e-4]`."
    assert layout.marked(note, layout.escape, "`{}`").startswith("a\\_b: look beyond: `modes.a_b.learning_rates: [1e-4")
    assert "\\texttt{modes.a\\_b" in layout.marked(note, layout.latex_escape, "\\texttt{{{}}}", layout.latex_escape)


@pytest.mark.parametrize(("count", "text"), [(1, "1 text"), (0, "0 texts"), (1200, "1,200 texts")])
def test_counts_agree_with_their_noun(count, text):
    assert notes.plural(count, "text") == text


# Published scores


def test_published_scores_stand_in_the_column_of_their_split():
    table = MAKERS[-1](comparison())
    shown = {(row["source"], row["mode"]): row for row in rows(table)}
    assert shown["this run", "full"]["test"] == "0.890 (sd 0.010)"
    assert shown["The study that finegrid grew from", "bitfit"]["validation"] == "0.624"
    assert shown["The study that finegrid grew from", "bitfit"]["test"] == "0.623"
    assert shown["asmdv/bitfit-finetuning", "bitfit-head"]["validation"] == ""
    splits = {(row["source"], row["split"]) for row in table.exact}
    assert ("asmdv/bitfit-finetuning", "validation") not in splits
    assert all(row["score"] == 0.7392 for row in table.exact if row["mode"] == "bitfit-head")
    assert shown["theblack1/nlu_s25", "bitfit"]["learning rate"] == "3e-4"
    assert shown["theblack1/nlu_s25", "bitfit"]["batch size"] == "8"
    assert shown["this run", "a_b"]["validation"] == shown["this run", "a_b"]["test"] == "diverged"
    # Of hidden test labels there is no score of ours beside theirs.
    hidden = [row for row in rows(MAKERS[-1](ODD)) if row["task"] == "stsb"]
    assert {row["test"] for row in hidden if row["source"] == "this run"} == {"hidden"}
    assert {"0.743", ""} == {
        row["test"] for row in hidden if row["source"] != "this run" and "Pearson" in row["metric"]
    }


def test_every_published_score_tells_where_it_was_read():
    known = published.read_published([PUBLISHED])
    assert all(row["read"] and row["title"] for row in known)
    assert {row["split"] for row in known} == {"validation", "test"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("sources: [", "not YAML"),
        ("{}", "not a published file: data must contain"),
        ({"value": 88.8}, r"scores\[0\]\.value must be smaller than or equal to 1"),
        ({"split": "dev"}, "split must be one of"),
        ({"metric": "bleu"}, "metric 'bleu' is none of accuracy, f1"),
        ({"learning_rate": "fast"}, "learning rate 'fast' is not a positive number"),
    ],
)
def test_a_bad_file_of_published_scores_is_refused_in_one_line(content, problem, tmp_path):
    score = {"task": "imdb", "metric": "accuracy", "split": "test", "value": 0.5}
    if isinstance(content, dict):
        source = {"title": "a", "read": "b", "model": "c", "scores": [score | content]}
        content = yaml.safe_dump({"sources": [source]})
    (tmp_path / "own.yaml").write_text(content)
    with pytest.raises(InputError, match=problem) as raised:
        published.read_published([tmp_path / "own.yaml"])
    assert "\n" not in str(raised.value)
    assert "own.yaml" in str(raised.value)


def test_a_configuration_is_refused_for_a_file_of_published_scores_before_anything_runs(clone):
    (clone / "own.yaml").write_text("sources: [{title: a, read: b, model: c, scores: [{task: imdb, value: 0.5}]}]")
    edit_config(clone, lambda config: config.update(published=["own.yaml"]))
    done = snakemake(clone, "--dry-run")
    assert done.returncode != 0
    [line] = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    assert line.startswith("error: config/smoke.yaml: own.yaml: not a published file")
    assert "metric" in line


def test_own_published_scores_join(tmp_path):
    score = {"task": "imdb", "metric": "accuracy", "split": "test", "value": 0.5, "learning_rate": 0.0003}
    source = {"title": "mine", "read": "p. 1", "model": "m", "scores": [score]}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"sources": [source]}))
    [row] = published.rows_for(published.read_published([tmp_path / "own.yaml"]), task())
    assert (row["title"], row["learning_rate"], row["value"]) == ("mine", "3e-4", 0.5)


def test_missing_cells_are_told_in_every_table(tmp_path):
    identity = {"task": "imdb", "mode": "full", "batch_size": 16, "learning_rate": "3e-4"}
    cells = [{**identity, "seed": seed, "data_order_seed": 1, "model": "m"} for seed in range(2000)]
    missing = [{"task": "imdb", "mode": "full", "planned": 3000, "cells": cells}]
    write_json(tmp_path / "comparison.json", {**comparison([task(modes=[mode("bitfit")])]), "missing": missing})
    done = run(sys.executable, tables.__file__, "comparison.json", "--output", "tables", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    paths = sorted((tmp_path / "tables").glob("*.md"))
    assert len(paths) == len(MAKERS)
    for path in paths:
        caption, *_ = path.read_text().splitlines()
        (note,) = [line for line in path.read_text().splitlines() if line.startswith("- Missing: ")]
        assert "INCOMPLETE, without imdb full: " in caption
        assert note.startswith(
            "- Missing: imdb, full: 2,000 of 3,000 cells (batch size 16, learning rate 3e-4, seed 0, data order 1; "
        )
        assert note.endswith("; and 1,990 more): no setting of it was chosen, and no test read.")
        rows = list(csv.DictReader(path.with_suffix(".csv").open()))
        assert [row["missing_cells"] for row in rows if row["mode"] == "full"] == ["2000 of 3000"]
    statuses = [row["status"] for row in csv.DictReader((tmp_path / "tables" / "grid.csv").open())]
    assert (statuses.count("missing"), statuses.count("ok")) == (2000, 6)


def test_the_grid_has_a_row_per_cell(written):
    with open(written / "grid.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 18
    assert {row["status"] for row in lines} == {"ok", "diverged"}
    assert all(json.dumps(row) for row in lines)
