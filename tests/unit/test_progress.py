"""The state of a grid, as progress.py shows it."""

import json
import sys
from pathlib import Path

import progress
import pytest
import yaml
from comparisons import split
from conftest import REPOSITORY, run
from handmade import metrics_of, write_cell

from finegrid.config.cell import plans
from finegrid.config.resolve import resolve_config
from finegrid.evaluation.results import read_cells
from finegrid.evaluation.selection import select
from finegrid.files import write_json
from finegrid.records import EpochScore, Progress
from finegrid.reporting.expected_cost import expected_costs
from finegrid.sealed import as_json
from finegrid.training import progress as signs

NOW = 1_000_000.0
CONFIG = yaml.safe_load((REPOSITORY / "config/smoke.yaml").read_text()) | {"models": {"tiny": {"source": "bundled"}}}
TWO_MODELS = {"models": {"tiny": {"source": "bundled"}, "mini": {"source": "random"}}, "training": {"epochs": 4}}


@pytest.fixture
def grid(tmp_path, monkeypatch):
    """The configuration of a grid of four cells, of 4 epochs each, and these cells by mode and learning rate."""
    monkeypatch.chdir(tmp_path)
    config = resolve_config({**CONFIG, "training": {"epochs": 4}}, "smoke.yaml")
    return config, {(plan.mode.name, cell.learning_rate): cell for plan in plans(config) for cell in plan.cells()}


def folder_of(cell):
    return cell.folder("results/smoke")


def begin(cell, **fields) -> None:
    """Write progress.json of a cell."""
    made = {"epoch": 1, "loss": 0.51234, "score": 0.75, "started": NOW - 130, "updated": NOW - 65, **fields}
    write_json(folder_of(cell) / "progress.json", as_json(Progress(cell=cell, **made)))


def finish(cell, seconds: float, score: float | None = 0.8) -> None:
    """Write the result of a cell that took so many seconds."""
    write_cell("results/smoke", metrics_of(cell, score, seconds=seconds))


def shown(config) -> str:
    return progress.render(progress.survey(config), NOW)


def test_a_running_grid(grid):
    config, cells = grid
    finish(cells["full", "1e-3"], 100)
    begin(cells["full", "3e-4"])
    begin(cells["bitfit", "3e-4"], updated=NOW - 7300, epoch=0, loss=None, score=None)
    # full has 3/4 of 100 s to go; of bitfit nothing is known, so two cells of 100 s: 275 s, by two cells.
    assert shown(config).splitlines() == [
        "4 cells: 1 done, 2 running, 1 waiting",
        "Time left: about 2 min 18 s, 2 cells at a time",
        "",
        "task    mode    batch size    learning rate    seed    epoch    loss    validation       updated",
        "------  ------  ------------  ---------------  ------  -------  ------  ---------------  -------------",
        "imdb    full    16            3e-4             0       1 of 4   0.5123  accuracy 0.7500  1 min 5 s ago",
        "imdb    bitfit  16            3e-4             0       0 of 4                            2 h 1 min ago",
    ]


def test_the_time_left_is_that_of_like_cells_and_not_of_diverged_ones(grid):
    config, cells = grid
    finish(cells["full", "1e-3"], 1000)
    finish(cells["full", "3e-4"], 500)
    begin(cells["bitfit", "3e-4"], epoch=2)
    finish(cells["bitfit", "1e-3"], 40)
    assert "about 20 s, 1 cell at a time" in shown(config)
    metrics_of(cells["bitfit", "1e-3"], None, seconds=10).write(folder_of(cells["bitfit", "1e-3"]) / "metrics.json")
    assert "3 done (1 diverged), 1 running, 0 waiting" in shown(config)
    assert "about 6 min 15 s, 1 cell at a time" in shown(config)  # half of the mean of the others


def test_each_model_takes_its_own_time_and_is_named(grid):
    config = resolve_config(CONFIG | TWO_MODELS, "smoke.yaml")
    cells = {(*plan.key, cell.learning_rate): cell for plan in plans(config) for cell in plan.cells()}
    running = cells.pop(("mini", "imdb", "full", "3e-4"))
    for (model, *_), cell in cells.items():
        finish(cell, 10 if model == "tiny" else 1000)
    begin(running, epoch=2)
    _, left, _, names, _, row = shown(config).splitlines()
    assert left == "Time left: about 8 min 20 s, 1 cell at a time"  # half of 1000 s
    assert (names.split()[:3], row.split()[:3]) == (["model", "task", "mode"], ["mini", "imdb", "full"])


def test_nothing_is_known_before_a_cell_is_done(grid):
    assert shown(grid[0]) == "4 cells: 0 done, 0 running, 4 waiting\nTime left: not known before a cell is done"


def prepare(model: str, parameters: int, **sizes) -> None:
    """Write what the cost of a model's cells depends on."""
    folder = Path("results/smoke/base_model", model)
    config = {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, **sizes}
    write_json(folder / "config.json", config)
    with open(folder / "model.safetensors", "wb") as file:
        file.truncate(4 * parameters)
    for name, rows in (("train", 20_000), ("validation", 5_000)):
        stats = as_json(split(rows, "train")) | {"length": {"median": 100, "longest": 128}}
        write_json(Path("results/smoke/data", model, "imdb", f"{name}.json"), stats)


def test_what_a_grid_will_cost_is_known_before_it_begins(grid, monkeypatch):
    monkeypatch.setattr(progress, "rate", lambda: 100e9)
    config = resolve_config(CONFIG | TWO_MODELS | {"confirm": {"seeds": [5, 6]}}, "smoke.yaml")
    prepare("tiny", 4_386_178)
    said = progress.before_it_begins(config).splitlines()
    assert said[0] == "16 cells, none has begun. On a machine like this one, about:"
    assert said[4].split() == ["tiny", "imdb", "8", *said[4].split()[3:]]
    assert said[5].split() == ["mini", "imdb", "8", "?", "?", "?"]
    assert "`snakemake prepared --cores all`" in said[-1]

    prepare("mini", 11_171_074, num_hidden_layers=4, hidden_size=256)
    tiny, mini = expected_costs(config, 100e9)
    # Half of the cells are of bitfit, which leaves hardly anything.
    assert 4 * 4 * 4_386_178 < tiny.cost.disk_bytes < 1.1 * 4 * 4 * 4_386_178
    assert mini.cost.core_seconds > 4 * tiny.cost.core_seconds
    assert mini.cost.memory_mb > tiny.cost.memory_mb
    slower, _ = expected_costs(config, 50e9)
    assert tiny.cost.core_seconds < slower.cost.core_seconds < 2 * tiny.cost.core_seconds
    *_, total = progress.before_it_begins(config).splitlines()
    assert total.split()[:2] == ["all", "16"]


def test_memory_that_a_model_is_given_is_what_its_cells_ask_for(grid):
    models = {"tiny": {"source": "bundled", "memory_mb": 7000}}
    prepare("tiny", 4_386_178)
    [tiny] = expected_costs(resolve_config(CONFIG | {"models": models}, "smoke.yaml"), 100e9)
    assert tiny.cost.memory_mb == 7000


def test_the_rate_of_this_machine_is_measured():
    assert 1e9 < progress.rate() < 1e16


def test_a_finished_grid_is_one_line(grid):
    config, cells = grid
    for cell in cells.values():
        finish(cell, 10)
    assert shown(config) == "4 cells: 4 done, 0 running, 0 waiting"


def test_confirming_seeds_count(grid):
    _, cells = grid
    config = resolve_config({**CONFIG, "training": {"epochs": 4}, "confirm": {"seeds": [5, 6]}}, "smoke.yaml")
    full, bitfit = plans(config)
    for (_, rate), cell in cells.items():
        finish(cell, 100, 0.9 if rate == "1e-3" else 0.8)
    assert shown(config).splitlines()[0] == "8 cells: 4 done, 0 running, 4 waiting"
    results = read_cells(full, "results/smoke")
    select(full, results).write("results/smoke/cells/tiny/imdb/full/best.json")
    lost = [metrics_of(metrics.cell, None) for metrics in results]
    select(bitfit, lost).write("results/smoke/cells/tiny/imdb/bitfit/best.json")  # so there is nothing to confirm
    confirmed = full.cell(16, "1e-3", 5)
    write_cell(None, metrics_of(confirmed, 0.7), full.tested_folder(confirmed, "results/smoke"))
    assert shown(config).splitlines() == [
        "6 cells: 5 done, 0 running, 1 waiting",
        "Time left: about 1 min 11 s, 1 cell at a time",
    ]


def test_results_and_signs_of_other_settings_do_not_count(grid):
    config, cells = grid
    finish(cells["full", "1e-3"], 100)
    begin(cells["full", "3e-4"])
    other = resolve_config({**CONFIG, "training": {"epochs": 3}}, "smoke.yaml")
    assert [len(state) for state in progress.survey(config)] == [2, 1, 1]
    assert [len(state) for state in progress.survey(other)] == [4, 0, 0]


def test_a_damaged_result_is_not_done(grid):
    config, cells = grid
    finish(cells["full", "1e-3"], 100)
    path = folder_of(cells["full", "1e-3"]) / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "total": 1}))
    assert [len(state) for state in progress.survey(config)] == [4, 0, 0]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3725, "1 h 2 min"), (90000, "1 d 1 h")]
)
def test_duration(seconds, text):
    assert progress.duration(seconds) == text


def test_what_training_writes_is_what_is_read(grid):
    config, cells = grid
    cell = cells["full", "3e-4"]
    signs.write(folder_of(cell), cell, signs.Found(), seconds=0)
    [first] = progress.survey(config).running
    assert (first.cell, first.epoch, first.loss, first.score) == (cell, 0, None, None)
    score = EpochScore(epoch=1, score=0.5, scores={"accuracy": 0.5}, loss=0.6)
    found = signs.Found().after(score, [(1, 0.9), (2, 0.7)], tokens=100, seconds=8)
    signs.write(folder_of(cell), cell, found, seconds=9)
    [second] = progress.survey(config).running
    assert (second.epoch, second.loss, second.score) == (1, 0.7, 0.5)
    assert second.updated - second.started == pytest.approx(9, abs=0.01)
    signs.remove(folder_of(cell))
    assert progress.survey(config).running == []


def test_a_missing_configuration_is_named(tmp_path):
    done = run(sys.executable, progress.__file__, "--configfile", "config/none.yaml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: config/none.yaml: no such file\n")


def test_it_does_without_torch():
    code = "import sys; sys.path.insert(0, 'scripts'); import progress; sys.exit('torch' in sys.modules)"
    assert run(sys.executable, "-c", code, cwd=REPOSITORY).returncode == 0
