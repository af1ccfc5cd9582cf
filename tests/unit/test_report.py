"""What the report holds, and how it fails."""

import re
import sys

import pytest
import report
from comparisons import comparison, confirmed, mode_of, task
from conftest import run
from ladders import ladder
from report_files import BOTH, CELLS, MARKUP, MODE, TASK, odd_comparison, write_report_files

from finegrid.errors import InputError
from finegrid.files import write_json
from finegrid.reporting import report_page


def test_no_markup_of_the_run_becomes_markup_of_the_page(tmp_path):
    text = write_report_files(tmp_path).read_text(encoding="utf-8")
    assert MARKUP not in text and "<img src=x" not in text and 'src="x"' not in text
    body = text.partition("<body>")[2]
    assert not re.search(r"<(b|i|u)>", body)
    assert body.count("<script>") == 1
    assert "&lt;script&gt;alert(1)" in body and "&lt;u&gt;official&lt;/u&gt;" in body and "1.2.3 &lt;b&gt;" in body


def test_where_nothing_is_discussed_nothing_is_shown_of_it(tmp_path):
    text = write_report_files(tmp_path, discussion=False).read_text(encoding="utf-8")
    assert "iscussion" not in text and 'class="answer"' not in text


def test_it_begins_with_the_result_and_shows_it_once(tmp_path):
    text = write_report_files(tmp_path).read_text(encoding="utf-8")
    result, _, rest = text.partition('<main id="content"')[2].partition("</section>")
    for shown in (
        "The &lt;answer&gt;.",
        "Table 1. Validation",
        "Table 2. Test",
        f'alt="A &#34;dot&#34; for heatmap_{TASK}"',
    ):
        assert shown in result and shown not in rest, shown
    for shown in ("Table 3. Rates", 'alt="A &#34;dot&#34; for costs"'):
        assert shown in rest and shown not in result, shown


def test_each_note_is_there_once_and_its_tables_link_it(tmp_path):
    text = write_report_files(tmp_path).read_text(encoding="utf-8")
    assert text.count(BOTH) == 1
    assert re.findall(r'<li id="note-(\d)">(.*)</li>', text) == [("1", BOTH), ("2", "A note of &lt;u&gt;.")]
    links = [re.findall('href="#note-(.)"', each) for each in re.findall(r">Notes? (<a href=.*)</p>", text)]
    assert links == [["1"], ["1"], ["1", "2"]]


def test_several_tasks_begin_with_figures_of_all():
    several = comparison([task("one"), task("two")])
    assert report_page.result_figures(several) == {"parameters", "retention"}
    assert report_page.result_figures(ladder()) == {"parameters", "ladder"}
    assert report_page.result_figures(odd_comparison()) == {"parameters", f"heatmap_{TASK}"}


def test_the_page_asks_for_nothing_outside_it(tmp_path):
    text = write_report_files(tmp_path).read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    assert not re.search(r"@import|url\(", text)


def test_a_row_for_each_cell_with_exact_numbers_to_sort_by():
    grid = report_page.grid(odd_comparison())
    assert grid.constant == {"model": "bert_tiny", "task": TASK, "metric": "accuracy"}
    assert not {"model", "task", "metric"} & set(grid.columns)
    assert len(grid.rows) == CELLS
    columns = dict(zip(grid.columns, zip(*(row.values for row in grid.rows), strict=True), strict=True))
    assert columns["mode"][::5] == (("full", None), (MODE, None))
    assert columns["learning rate"][:2] == (("1e-2", 0.01), ("3e-4", 0.0003))
    assert columns["validation"][1:3] == (("0.812", 0.8125), ("diverged", None))
    assert columns["best validation"][2] == columns["best epoch"][2] == ("", None)
    assert columns["seconds"][0] == ("1,234.5", 1234.5)
    assert [row.chosen for row in grid.rows] == [value.text == "chosen" for value in columns["chosen"]]
    assert sum(row.chosen for row in grid.rows) == 2


def test_tasks_and_metrics_are_columns_where_they_differ():
    grid = report_page.grid(comparison([task("one"), task("two", metrics=["matthews"])]))
    assert grid.constant == {"model": "bert_tiny"}
    assert {"task", "metric"} <= set(grid.columns)
    same = report_page.grid(comparison([task("one"), task("two")]))
    assert report_page.grid(ladder()).constant == {"task": "imdb", "metric": "accuracy"}
    assert report_page.data(ladder().tasks[0]).task == "imdb, mini"
    assert same.constant == {"model": "bert_tiny", "metric": "accuracy"} and "task" in same.columns


def test_cells_are_counted_by_mode():
    mode = mode_of("full", {(8, "1e-4"): [0.1, 0.2], (8, "1e-3"): None, (16, "1e-4"): [0.3, 0.4]}, seeds=(0, 1))
    made = task("imdb", [mode])
    hours = 3 * (305 + 306) / 3600
    assert report_page.count(made, made.modes[0]) == ("bert_tiny", "imdb", "full", 3, 2, 6, 2, 0, pytest.approx(hours))


def test_confirming_seeds_are_rows_and_are_counted():
    mode = confirmed(mode_of("full", {(8, "1e-4"): [0.1], (8, "1e-3"): [0.2]}), {10: 0.3, 11: None})
    made = task("imdb", [mode])
    hours = (305 + 305 + 315 + 316) / 3600
    assert report_page.count(made, made.modes[0]) == ("bert_tiny", "imdb", "full", 2, 1, 2, 0, 2, pytest.approx(hours))
    grid = report_page.grid(comparison([made]))
    columns = dict(zip(grid.columns, zip(*(row.values for row in grid.rows), strict=True), strict=True))
    assert [value.text for value in columns["seed"]] == ["0", "0", "10", "11"]
    assert [value.text for value in columns["validation"]] == ["0.100", "0.200", "0.300", "diverged"]
    assert [value.text for value in columns["chosen"]] == ["chosen", "", "confirms", "confirms"]


def test_what_is_missing_is_told_in_one_line(tmp_path):
    arguments = (tmp_path, "--configuration", "{}", "--inputs", "inputs.json", "--output", tmp_path / "report.html")
    done = run(sys.executable, report.__file__, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*comparison\.json: no such file\n", done.stderr)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("name", ["comparison.json", "discussion.json", "tables/tables.json", "inputs/a-task.json"])
def test_a_file_of_another_kind_is_told_in_one_line(tmp_path, name):
    write_report_files(tmp_path)
    write_json(tmp_path / name, [{"other": 1}])
    with pytest.raises(InputError, match=rf"{name}: not a file of this version's \w+"):
        report_page.gather(tmp_path, {}, [tmp_path / "inputs" / f"{TASK}.json"])


def test_it_needs_no_torch_and_its_templates_are_found_from_anywhere(tmp_path):
    write_report_files(tmp_path / "run")
    script = "import sys, runpy; runpy.run_path(sys.argv.pop(1), run_name='__main__'); sys.exit('torch' in sys.modules)"
    arguments = (report.__file__, "run", "--configuration", "{}", "--inputs", f"run/inputs/{TASK}.json")
    arguments += ("--output", "again.html")
    done = run(sys.executable, "-c", script, *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "again.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
