"""Tables against golden files, from a comparison written by hand, and tables of unusual comparisons."""

import csv
import io
import re
import sys
from pathlib import Path

import discuss
import pytest
import tables
from comparisons import changed, comparison, confirmed, mode, plan, task
from hypothesis import given
from hypothesis import strategies as st
from odd_names import ODD_NAME, odd

from finegrid.evaluation.comparison import MissingCells
from finegrid.evaluation.published import read_published
from finegrid.files import read_json, write_json
from finegrid.reporting import cost_tables, footnotes, layout, published_table, score_tables
from finegrid.sealed import as_json

GOLDEN = Path(__file__).parents[1] / "golden"
PUBLISHED = Path(__file__).parents[2] / "config" / "published.yaml"


def write_all(made, folder: Path, *published) -> Path:
    """Run tables.py and discuss.py on a comparison, and return the folder of what they wrote."""
    write_json(folder / "comparison.json", as_json(made))
    with pytest.MonkeyPatch.context() as patch:
        for verb in (tables, discuss):
            arguments = [str(folder / "comparison.json"), "--published", *map(str, published), "--output"]
            patch.setattr(sys, "argv", [verb.__file__, *arguments, str(folder / "written")])
            verb.main()
    return folder / "written"


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return write_all(comparison(), tmp_path_factory.mktemp("golden"), PUBLISHED)


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_files_are_the_golden_ones(written, name):
    assert (written / name).read_text() == (GOLDEN / name).read_text()


def test_there_is_a_golden_file_for_each(written):
    assert sorted(path.name for path in written.iterdir()) == sorted(path.name for path in GOLDEN.iterdir())


TABLES = {table.name: table for table in tables.make_tables(odd(), read_published([PUBLISHED]))}


def rows(table: layout.Table) -> list[dict]:
    """Return the rows of a table as they are shown."""
    made = layout.shown(table)
    return [dict(zip(made.columns, row, strict=True)) for row in made.rows]


def test_each_task_and_metric_has_a_row_and_says_what_is_missing():
    shown = {(row["task"], row["mode"], row["metric"]): row for row in rows(TABLES["table2"])}
    assert shown["mrpc", "bitfit", "accuracy"]["difference to full"] == "-0.005 [-0.015, 0.005]"
    assert shown["mrpc", "bitfit", "accuracy"]["verdict"] == "within noise"
    assert shown["error", "bitfit", "mean squared error"]["verdict"] == "beyond noise"
    assert shown["mrpc", "bitfit", "F1"]["difference to full"] == ""
    assert shown["mrpc", "bitfit", "accuracy"]["p, Holm"]
    assert shown["mrpc", "bitfit", "F1"]["p, Holm"] == shown["mrpc", "bitfit", "F1"]["verdict"] == ""
    assert shown["stsb", "full", "Pearson correlation"]["mean"] == "hidden"
    assert shown["gone", "full", "accuracy"]["mean"] == "diverged"
    assert shown[ODD_NAME, "<b>x</b>", "accuracy"]["mean"] == "no test split"
    validation = rows(TABLES["table1"])
    assert [row["range"] for row in validation][:2] == ["0.800 to 0.820", "0.800 to 0.820"]
    assert {row["mean"] for row in validation if row["task"] == "gone"} == {"diverged", "0.310"}


def test_retention_is_relative_to_full_fine_tuning():
    shown = [(row["task"], row["split"], row["bitfit"]) for row in rows(TABLES["retention"])]
    assert shown == [("mrpc", "test", "99.4%"), ("stsb", "validation", "52.4%")]
    left_out = TABLES["retention"].notes[-1]
    assert "error (for mean squared error, lower is better), gone (full fine-tuning diverged)" in left_out
    assert f"{ODD_NAME} (no full fine-tuning)" in left_out


def test_differences_on_validation_are_marked_as_such():
    notes = " ".join(TABLES["pairs"].notes)
    assert f"compared on validation, which also chose their settings: stsb, {ODD_NAME}" in notes
    assert "Holm's correction covers 4 comparisons" in notes
    assert "combined by Rüger's method" in notes


def test_within_noise_comes_with_what_the_run_could_have_seen():
    made = task(modes=[mode("full", 0.8), mode("lora", 0.799), mode("ia3", 0.801), mode("bitfit", 0.5)])
    for detectable, span in (((0.012, 0.03, 0.02), "0.012 to 0.030"), ((0.0121, 0.0119, 0.012), "0.012")):
        for index, value in zip((0, 1, 2), detectable, strict=True):
            made = changed(made, f"pairs.{index}.detectable", value)
        made = changed(made, "pairs.3.detectable", 0.9)  # of a difference beyond noise
        for table in (score_tables.pairs(comparison([made])), score_tables.test(comparison([made]))):
            [note] = [note for note in table.notes if "does not mean equal" in note]
            assert f"finds a true difference of {span} with 80% power" in note
    assert [row["detectable"] for row in rows(score_tables.pairs(comparison([made])))][:2] == ["0.012", "0.012"]
    clear = task(modes=[mode("full", 0.8), mode("bitfit", 0.5)])
    assert "equal" not in " ".join(score_tables.pairs(comparison([clear])).notes)


def test_one_seed_has_no_spread_and_no_verdict():
    modes = [mode("full", seeds=(7,)), mode("lora", 0.87, seeds=(7,)), mode("bitfit", 0.6, seeds=(7,))]
    alone = comparison([task(modes=modes), task("hidden", modes, test="hidden")])
    validation, test, pairs = (getattr(score_tables, name)(alone) for name in ("validation", "test", "pairs"))
    assert any(note.startswith("Seeds: one (7), so nothing here shows how much scores vary") for note in test.notes)
    assert not {"sd", "median", "range"} & set(rows(validation)[0])
    assert not {"p", "p, Holm", "detectable"} & {*rows(pairs)[0], *rows(test)[0]}
    assert {row["verdict"] for row in rows(pairs)} == {"one seed: not assessable"}
    assert {row["verdict"] for row in rows(test)} == {"one seed: not assessable", ""}
    assert {row["p"] for row in pairs.exact} == {None}
    said = " ".join([*test.notes, *pairs.notes])
    assert "over the rows of the split only, as one seed does not show" in said
    assert "both sources" not in said and "Rüger" not in said and "power" not in said
    everything = " ".join(layout.markdown(table) for table in tables.make_tables(alone, []))
    assert "noise" not in everything.replace("So no difference is called beyond noise.", "")


def confirming(*confirmations: dict[int, float | None]) -> list:
    """Return full fine-tuning, lora and bitfit with these confirming seeds."""
    names = ("full", 0.99), ("lora", 0.98), ("bitfit", 0.97)
    return [
        confirmed(mode(name, score, seeds=(7,)), seeds)
        for (name, score), seeds in zip(names, confirmations, strict=True)
    ]


def test_confirming_seeds_are_tested_and_the_grid_s_seeds_choose():
    modes = confirming({10: 0.8, 11: 0.82}, {10: 0.801, 11: 0.821}, {10: 0.6, 11: 0.64})
    made = comparison([task(modes=modes)])
    validation, test = score_tables.validation(made), score_tables.test(made)
    assert [(row["seeds"], row["mean"]) for row in rows(validation)] == [("1", "0.990"), ("1", "0.980"), ("1", "0.970")]
    assert [(row["seeds"], row["mean"], row["sd"], row["95% interval"]) for row in rows(test)] == [
        ("2", "0.810", "0.014", "[0.806, 0.814]"),
        ("2", "0.811", "0.014", "[0.807, 0.815]"),
        ("2", "0.620", "0.028", "[0.616, 0.624]"),
    ]
    assert [row["verdict"] for row in rows(test)] == ["", "within noise", "beyond noise"]
    for table in (validation, test):
        [note] = [note for note in table.notes if note.startswith("Seeds: ")]
        assert "seed 7 chose the settings" in note and "confirming seeds 10 and 11, which had no say" in note
        assert {(row["seeds"], row["confirming_seeds"]) for row in table.exact} == {("7", "10 11")}
    [note] = [note for note in cost_tables.cost(made).notes if note.startswith("The whole grid")]
    assert note.startswith("The whole grid: 12 cells, 6 of them confirming, ")


@pytest.mark.parametrize("test", ["read", "hidden"])
def test_a_confirming_seed_that_diverged_leaves_its_mode_untested(test):
    modes = confirming({10: 0.8, 11: 0.82}, {10: 0.7, 11: None}, {10: 0.6, 11: 0.64})
    made = comparison([task(modes=modes, test=test)])
    shown = {row["mode"]: row for row in rows(score_tables.test(made))}
    assert shown["lora"]["mean"] == "diverged" and shown["lora"]["verdict"] == ""
    assert shown["full"]["mean"] == ("0.810" if test == "read" else "hidden")
    assert [row["mean"] for row in rows(score_tables.validation(made))] == ["0.990", "0.980", "0.970"]
    assert [(row["mode"], row["against"]) for row in rows(score_tables.pairs(made))] == [("bitfit", "full")]
    assert [row["lora"] for row in rows(score_tables.retention(made))] == ["diverged"]
    told = "Diverged: lora: the chosen setting with confirming seed 11, so it is not tested or compared."
    assert told in score_tables.validation(made).notes
    assert "hidden" not in {row["test"] for row in rows(published_table.table(made, [])) if row["mode"] == "lora"}


def test_modes_that_ran_on_unlike_machines_are_told():
    made = task(modes=[mode("full"), mode("lora", 0.8), mode("bitfit", 0.6)])
    assert "Not like with like" not in str(tables.make_tables(comparison([made]), []))
    made = changed(made, "modes.1.computed_on", ("cpu, bfloat16", "cuda, float32"))
    told = (
        "Not like with like: cells of imdb ran on different devices or in different precisions (full: cpu, bfloat16; "
        "lora: cpu, bfloat16 and cuda, float32; bitfit: cpu, bfloat16)."
    )
    assert told in score_tables.test(comparison([made])).notes
    assert told in score_tables.pairs(comparison([made])).notes


def test_the_best_score_at_a_learning_rate_is_the_lowest_error():
    both = mode("full", 0.3, seeds=(0,), rates=("3e-4",))
    worse = changed(both.settings[0], "validation.mean", 0.4)
    made = changed(both, "settings", (worse.model_copy(update={"batch_size": 8}), *both.settings))
    for metric, best in (("mean_squared_error", 0.3), ("pearson", 0.4)):
        [row] = score_tables.learning_rates(comparison([task(modes=[made], metrics=[metric])])).records
        assert row["3e-4"] == best


def test_nothing_to_compare_makes_tables_too(tmp_path):
    alone = comparison([task("own", [mode("a_b", None)])])
    write_all(alone, tmp_path, PUBLISHED)
    assert score_tables.pairs(alone).notes == ["There is no pair of modes to compare."]
    notes = published_table.table(alone, read_published([PUBLISHED])).notes
    assert notes == ["No published scores are known for these tasks."]


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


def test_a_note_keeps_its_code_unchanged():
    note = "a_b: extend it: `modes.a_b.learning_rates: [1e-4, 3e-4]`."
    table = layout.Table("t", "T", "Caption", [], [], [note])
    assert "- a\\_b: extend it: `modes.a_b.learning_rates: [1e-4, 3e-4]`.\n" in layout.markdown(table)
    assert "a\\_b: extend it: \\texttt{modes.a\\_b.learning\\_rates: [1e-4, 3e-4]}.\n" in layout.latex(table)


def test_latex_gets_only_characters_that_pdflatex_has():
    assert layout.latex_escape("Müller, 中 – 100%") == "Müller, U+4E2D -- 100\\%"
    table = layout.Table("t", "T", "Caption", [{"source": "中 & _"}], [], [])
    assert re.search(r"U\+4E2D \\& \\_ +\\\\", layout.latex(table))


@pytest.mark.parametrize(("count", "text"), [(1, "1 text"), (0, "0 texts"), (1200, "1,200 texts")])
def test_counts_agree_with_their_noun(count, text):
    assert footnotes.plural(count, "text") == text


def test_missing_cells_are_named_in_every_table(tmp_path):
    cells = plan("full", seeds=range(1000)).cells()
    missing = MissingCells(model="bert_tiny", task="imdb", mode="full", planned=3000, cells=cells)
    folder = write_all(comparison([task(modes=[mode("bitfit")])], missing=[missing]), tmp_path)
    paths = sorted(set(folder.glob("*.md")) - {folder / "discussion.md"})
    assert len(paths) == len(TABLES)
    for path in paths:
        caption, *_ = path.read_text().splitlines()
        [note] = [line for line in path.read_text().splitlines() if line.startswith("- Missing: ")]
        assert "INCOMPLETE, without imdb full: " in caption
        start = "- Missing: imdb, full: 2,000 of 3,000 cells (batch size 16, learning rate 3e-4, seed 0; "
        assert note.startswith(start)
        assert note.endswith("; and 1,990 more), so no setting was chosen or tested.")
        lines = csv.DictReader(path.with_suffix(".csv").open())
        assert [line["missing_cells"] for line in lines if line["mode"] == "full"] == ["2000 of 3000"]
    statuses = [line["status"] for line in csv.DictReader((folder / "grid.csv").open())]
    assert (statuses.count("missing"), statuses.count("ok")) == (2000, 6)


def test_the_grid_has_a_row_per_cell(written):
    lines = list(csv.DictReader(io.StringIO((written / "grid.csv").read_text())))
    assert len(lines) == 18
    assert {line["status"] for line in lines} == {"ok", "diverged"}
    assert {line["best_epoch"] for line in lines} == {"4", ""}  # not 4.0
    tested = [line["test"] for line in lines if line["test"]]
    assert tested == [line["validation"] for line in lines if line["chosen"] == "True"]


def test_confirming_seeds_are_rows_of_the_grid():
    made = tables.grid(comparison([task(modes=confirming({10: 0.8}, {10: 0.7}, {10: None}))]))
    rows = made[["seed", "chosen", "confirming", "status", "test"]].astype(object).where(made.notna(), None)
    found = rows[made["mode"] == "full"].values.tolist()
    assert found == [[7, True, False, "ok", None], [7, False, False, "ok", None], [10, True, True, "ok", 0.8]]
    assert rows[made["mode"] == "bitfit"].values.tolist()[-1] == [10, True, True, "diverged", None]


def test_the_report_gets_every_table(written):
    shown = [layout.ShownTable.model_validate(table) for table in read_json(written / "tables.json")]
    assert [table.name for table in shown] == list(TABLES)
    assert all(len(row) == len(table.columns) == len(table.align) for table in shown for row in table.rows)


def test_published_scores_stand_in_the_column_of_their_split():
    table = published_table.table(comparison(), read_published([PUBLISHED]))
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


def test_hidden_labels_leave_no_score_beside_the_published():
    hidden = [row for row in rows(TABLES["published"]) if row["task"] == "stsb"]
    assert {row["test"] for row in hidden if row["source"] == "this run"} == {"hidden"}
    published = [row for row in hidden if row["source"] != "this run" and "Pearson" in row["metric"]]
    assert {row["test"] for row in published} == {"0.743", ""}
