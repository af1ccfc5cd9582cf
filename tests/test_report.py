"""The report of a run, opened in a browser as its readers do: by keyboard, on a phone, in the dark, without network."""

import contextlib
import itertools
import json
import re
import shlex
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import report
from conftest import edit, planned_jobs, run, snakemake
from hypothesis import given
from hypothesis import strategies as st

from finegrid.files import write_json, write_text
from finegrid.flow import BOX, ancestors, draw, reduced

TASK, MODE = "<b>x</b>", "<script>alert(1)</script>"
STEPS = {"backbone": [], "prepare": ["backbone"], "finetune": ["backbone", "prepare"], "report": ["finetune"]}
# Both use the same id, as figures of one program do.
SVG = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="900" height="300"
viewBox="0 0 900 300"><defs><circle id="dot" r="{radius}"/></defs><use xlink:href="#dot" x="450" y="150"/></svg>"""
# (batch size, learning rate, validation), in an order that no column has; None diverged.
CELLS = [(16, "1e-2", 0.7), (128, "3e-4", 0.8125), (8, "1e-3", None), (16, "3e-4", 0.8123), (8, "3e-5", 0.9)]


def cell(batch_size: int, learning_rate: str, validation: float | None) -> dict:
    return {
        **{"batch_size": batch_size, "learning_rate": learning_rate, "seed": 0, "validation": validation},
        "status": "ok" if validation else "diverged",
        "chosen": validation == 0.9,
        "best_epoch": {"epoch": 2, "score": validation} if validation else None,
        "cost": {"total_seconds": 1234.5, "tokens_per_second": 18344.3, "peak_memory_bytes": 452861952},
    }


def handmade(folder: Path, discussion=None) -> Path:
    """Write all that a report is made of, with names that are markup; return the page."""
    split = {"rows": 1000, "tokens": 9000, "length": {"median": 9.5, "longest": 16}, "truncated_rows": 5}
    split |= {"empty_texts": 1, "origin": "held out of the official training split"}
    mode = {"plan": {"seeds": [0]}, "settings": CELLS, "cells": [cell(*each) for each in CELLS]}
    task = {
        "task": TASK,
        "metric": "accuracy",
        "settings": {"source": "files", "max_length": 16},
        "data": {
            "splits": {"train": split, "validation": split, "test": {"rows": 0}},
            "duplicates": {"train and test": 12},
            "source": {"dropped_training_rows": 3},
        },
        "modes": [{"mode": "full", **mode}, {"mode": MODE, **mode}],
    }
    environment = {"torch": "1.2.3", "device": "cpu"}
    model = {"name": "tiny & small", "source": "embedded"}
    comparison = {"run": "odd", "model": model, "environments": [environment], "tasks": [task]}
    write_json(folder / "comparison.json", comparison)
    sentences = [{"text": "One < two.", "figures": {}}, {"text": '<img src="x" onerror="alert(2)">', "figures": {}}]
    write_json(folder / "discussion.json", [{"heading": MODE, "sentences": sentences}] if discussion is None else [])
    columns = ["mode", *[f"a column of numbers {number}" for number in range(9)]]
    rows = [["full", *["0.805"] * 9], [MODE, *["<i>"] * 9]]
    table = {"name": "table1", "title": "Table 1", "caption": "Validation of <b>", "columns": columns, "rows": rows}
    table |= {"align": ["left", *["right"] * 9], "notes": ["A note of <u>."]}
    write_json(folder / "tables" / "tables.json", [table])
    entries = [
        {"name": name, "caption": f"About {name} & more", "alt": f"A dot for {name}", "task": TASK}
        for name in ("rates", "costs")
    ]
    write_json(folder / "figures" / "figures.json", entries)
    for radius, entry in enumerate(entries, 10):
        write_text(folder / "figures" / f"{entry['name']}.svg", SVG.format(radius=radius))
    tokens = ["[CLS]", "<b>", "##s", *["word"] * 40]
    example = {"heading": f"Row 0, label: {MODE}"}
    example["columns"] = {"token": tokens, "kind": ["special", "", "piece", *[""] * 39, "padding"]}
    page = {"task": {"name": TASK}, "introduction": ["What it reads."], "examples": [example]}
    page["inputs"] = [{"name": "input_ids", "purpose": "numbers of tokens.", "taken": True}]
    write_json(folder / "anatomy" / f"{TASK}.json", page)
    page = report.gather(folder, {"run": "odd", "tasks": {TASK: {}}, "modes": {MODE: {}}}, STEPS)
    write_text(folder / "report.html", report.html(page))
    return folder / "report.html"


@pytest.fixture(scope="module")
def odd_page(tmp_path_factory) -> Path:
    return handmade(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="module")
def smoke_page(smoke_run) -> Path:
    return smoke_run / "results" / "smoke" / "report.html"


@pytest.fixture(scope="module", params=["odd_page", "smoke_page"])
def any_page(request) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def chromium():
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("THE REPORT IS NOT OPENED: there is no program 'chromium' (Debian's package of this name)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(chromium, path: Path, width=1280, **options):
    """Open a page; at the end nothing may have gone wrong and nothing may have been asked for but the page itself."""
    context = chromium.new_context(viewport={"width": width, "height": 800}, **options)
    page = context.new_page()
    address = path.as_uri()
    problems = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    asked = []
    # Never called for what is inside the page (data:).
    page.route("**/*", lambda route: (asked.append(route.request.url), route.continue_()))
    page.goto(address)
    yield page
    context.close()
    assert problems == []
    assert asked == [address]


def test_it_asks_for_nothing_and_its_policy_would_not_let_it(chromium, any_page):
    with opened(chromium, any_page) as page:
        page.wait_for_load_state("load")
    context = chromium.new_context()
    page = context.new_page()
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
    page.goto(any_page.as_uri())
    page.evaluate(
        """() => {
          const add = (name, facts) => document.body.append(Object.assign(document.createElement(name), facts));
          add("script", {textContent: "window.ran = true"});
          add("style", {textContent: "body {position: fixed}"});
          add("img", {src: "http://127.0.0.1:9/x.png"});
        }"""
    )
    assert page.evaluate("window.ran") is None
    assert page.evaluate("getComputedStyle(document.body).position") == "static"
    assert page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'came', () => 'refused')") == "refused"
    assert sum("Content Security Policy" in text for text in refused) >= 4
    context.close()


def test_every_picture_is_there_and_has_a_text(chromium, any_page):
    entries = json.loads((any_page.parent / "figures" / "figures.json").read_text(encoding="utf-8"))
    with opened(chromium, any_page) as page:
        images = page.locator("figure img")
        assert [image.get_attribute("alt") for image in images.all()] == [entry["alt"] for entry in entries]
        for image in images.all():
            assert image.is_visible()
            assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        assert page.locator("figcaption").all_inner_texts() == [entry["caption"] for entry in entries]
        assert page.get_by_role("img", name="rules of the run").is_visible()


def test_cells_are_sorted_by_keyboard_and_by_what_they_are_worth(chromium, odd_page):
    def column(name: str) -> list[str]:
        names = page.locator("table.sortable thead th").all_inner_texts()
        return page.locator(f"table.sortable tbody td:nth-child({names.index(name) + 1})").all_inner_texts()

    def sort(name: str, key: str) -> str | None:
        table = page.locator("table.sortable")
        table.get_by_role("button", name=name, exact=True).focus()
        page.keyboard.press(key)
        return table.get_by_role("columnheader", name=name, exact=True).get_attribute("aria-sort")

    with opened(chromium, odd_page) as page:
        page.get_by_role("region", name="Table of every cell").focus()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "mode"
        assert sort("learning rate", "Enter") == "ascending"
        assert column("learning rate")[::2] == ["3e-5", "3e-4", "3e-4", "1e-3", "1e-2"]
        assert sort("learning rate", "Space") == "descending"
        assert column("learning rate")[::2] == ["1e-2", "1e-3", "3e-4", "3e-4", "3e-5"]
        assert sort("batch size", "Enter") == "ascending"
        assert column("batch size")[::2] == ["8", "8", "16", "16", "128"]
        assert page.locator("[aria-sort]").count() == 1
        # By what is behind 0.812 and 0.812 (0.8125 is even); what has no number comes last either way.
        sort("validation then", "Enter")
        assert column("batch size")[::2] == ["16", "16", "128", "8", "8"]
        assert column("validation then")[-2:] == ["", ""]
        sort("validation then", "Enter")
        assert column("batch size")[::2] == ["8", "128", "16", "16", "8"]
        assert column("validation")[-2:] == ["diverged", "diverged"]
        sort("mode", "Enter")
        assert column("mode") == [MODE] * 5 + ["full"] * 5


def test_without_script_the_cells_are_a_plain_table(chromium, odd_page):
    with opened(chromium, odd_page, java_script_enabled=False) as page:
        assert page.get_by_role("columnheader", name="learning rate").is_visible()
        assert page.get_by_role("button").count() == 0
        assert page.locator("table.sortable tbody tr").count() == 2 * len(CELLS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_only_boxes_scroll_sideways(chromium, any_page, scheme):
    with opened(chromium, any_page, width=360, color_scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        boxes = page.locator(".scroll, pre").all()
        assert all(box.get_attribute("tabindex") == "0" for box in boxes)
        assert any(box.evaluate("box => box.scrollWidth > box.clientWidth") for box in boxes)
        assert all(box.bounding_box()["width"] <= 360 for box in boxes)


# For each text that is shown: [contrast as WCAG 2 defines it, the text].
CONTRASTS = """() => {
  const channels = color => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      if (each.matches("svg.flow")) return channels(getComputedStyle(each.querySelector("rect")).fill);
      const color = channels(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.matches("script") || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const ink = channels(element instanceof SVGElement ? style.fill : style.color);
    const [low, high] = [luminance(ink), luminance(behind(element))].sort((a, b) => a - b);
    found.push([(high + 0.05) / (low + 0.05), walker.currentNode.data]);
  }
  return found;
}"""


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_all_text_stands_out_in_both_themes(chromium, any_page, scheme, dark):
    with opened(chromium, any_page, color_scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 100
        assert [each for each in contrasts if each[0] < 4.5] == []
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background))) < 3 * 64) == dark
        # Figures are drawn in dark on light, so they stay on a light panel.
        panel = page.locator("figure img").first.evaluate("image => getComputedStyle(image).backgroundColor")
        assert panel == "rgb(255, 255, 255)"


def test_names_that_are_markup_are_shown_as_text(chromium, odd_page):
    with opened(chromium, odd_page) as page:
        assert page.get_by_role("rowheader", name=MODE).count() >= 2
        for text in (TASK, MODE, 'onerror="alert(2)"', "One < two.", "tiny & small", "Validation of <b>", "<u>"):
            assert page.get_by_text(text).first.is_visible(), text
        assert page.locator("main :is(b, i, u)").count() == 0
        assert page.locator("script").count() == 1
        assert page.locator("img").count() == 2
        page.get_by_text("The configuration").click()
        assert TASK in page.locator("pre").inner_text()


def test_headings_landmarks_and_links(chromium, any_page):
    with opened(chromium, any_page) as page:
        levels = [
            int(heading.evaluate("heading => heading.tagName[1]")) for heading in page.locator(":is(h1,h2,h3,h4)").all()
        ]
        assert levels.count(1) == 1 and levels[0] == 1
        assert all(level <= before + 1 for before, level in itertools.pairwise(levels))
        assert page.locator("html").get_attribute("lang") == "en"
        for role in ("banner", "navigation", "main"):
            assert page.get_by_role(role).count() == 1
        ids = page.evaluate("Array.from(document.querySelectorAll('[id]'), each => each.id)")
        assert len(ids) == len(set(ids))
        targets = page.evaluate("Array.from(document.querySelectorAll('nav a'), each => each.hash.slice(1))")
        sections = page.evaluate("Array.from(document.querySelectorAll('h2'), each => each.id)")
        assert targets == sections
        page.keyboard.press("Tab")
        assert page.get_by_role("link", name="Skip to the content").bounding_box()["x"] >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.tagName") == "MAIN"


def test_the_contents_are_in_their_order(chromium, odd_page):
    with opened(chromium, odd_page) as page:
        assert page.locator("h2").all_inner_texts() == [
            *("Discussion", "Tables", "Figures", "Every cell", "Data", "What the model reads"),
            *("Configuration", "Versions", "Steps of the run", "Number of cells"),
        ]
        assert page.get_by_text("12 texts in both train and test").is_visible()
        assert page.get_by_text("3 training rows left out").is_visible()
        assert page.locator("tfoot").inner_text().split() == ["all", "10", "2", "3.43"]


def test_where_nothing_is_discussed_nothing_is_shown_of_it(tmp_path):
    assert "iscussion" not in handmade(tmp_path, discussion=[]).read_text(encoding="utf-8")


def test_what_is_missing_is_told_in_one_line(tmp_path):
    arguments = (tmp_path, "--configuration", "{}", "--steps", "{}", "--output", tmp_path / "report.html")
    done = run(sys.executable, report.__file__, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*comparison\.json: no such file\n", done.stderr)
    assert not (tmp_path / "report.html").exists()


def test_the_page_of_a_run_has_its_cells(chromium, smoke_page):
    comparison = json.loads((smoke_page.parent / "comparison.json").read_text(encoding="utf-8"))
    cells = [cell for mode in comparison["tasks"][0]["modes"] for cell in mode["cells"]]
    with opened(chromium, smoke_page) as page:
        rows = page.locator("table.sortable tbody tr").all_inner_texts()
        assert [float(row.split("\t")[4]) for row in rows] == pytest.approx(
            [cell["validation"] for cell in cells], abs=5e-4
        )
        assert ["chosen" in row for row in rows] == [cell["chosen"] for cell in cells]
        assert page.locator("table.tokens").count() == 2


def rule_graph(folder: Path, config: str) -> dict[str, set[str]]:
    """Return each rule that a whole run asks for, with those that it reads from, as Snakemake draws them."""
    done = run("snakemake", "--rulegraph", "--configfile", config, cwd=folder)
    assert done.returncode == 0, done.stderr
    names = dict(re.findall(r'(\d+)\[label = "(\w+)"', done.stdout))
    graph = {name: set() for name in names.values() if name != "all"}
    for source, target in re.findall(r"(\d+) -> (\d+)", done.stdout):
        if names[target] != "all":
            graph[names[target]].add(names[source])
    return graph


def test_the_steps_are_those_of_snakemake(chromium, smoke_run, smoke_page):
    with opened(chromium, smoke_page) as page:
        page.get_by_text("All that each rule reads from").click()
        rows = [row.inner_text().split("\t") for row in page.locator("#steps-table tbody tr").all()]
        drawn = page.locator("svg.flow text").all_text_contents()
    steps = {name: set(filter(None, sources.split(", "))) for name, sources in rows}
    assert steps == rule_graph(smoke_run, "config/smoke.yaml")
    assert drawn == list(steps)


def test_the_steps_with_files_of_the_hub_and_hidden_labels(clone):
    config = "config/glue.yaml"
    done = snakemake(clone, "results/glue/report.html", "--dry-run", "--printshellcmds", config=config)
    assert done.returncode == 0, done.stderr
    (command,) = re.findall(r"python scripts/report\.py .*", done.stdout)
    words = shlex.split(command)
    steps = json.loads(words[words.index("--steps") + 1])
    # What is behind the checkpoint is not known to Snakemake before it ran.
    expected = {name: set(sources) - {"evaluate"} for name, sources in steps.items() if name != "evaluate"}
    assert expected == rule_graph(clone, config)


def test_an_edit_of_its_looks_remakes_the_page_only(finished):
    edit(finished / "workflow/report/report.css", "36rem", "30rem")
    assert planned_jobs(finished) == {"report": 1}


@pytest.mark.parametrize("name", ["own.html", "own.zip"])
def test_snakemakes_own_report_is_made_without_network(finished, name):
    nowhere = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https", "HTTP", "HTTPS")}
    done = run("snakemake", "--report", name, "--configfile", "config/smoke.yaml", cwd=finished, **nowhere)
    assert done.returncode == 0, done.stderr
    if name.endswith(".zip"):
        with zipfile.ZipFile(finished / name) as archive:
            inside = {archive.read(each) for each in archive.namelist()}
        for page in ("report.html", "anatomy/imdb.html"):
            assert (finished / "results/smoke" / page).read_bytes() in inside
    else:
        text = (finished / name).read_text(encoding="utf-8")
        assert "The whole run on one page" in text and "What the model reads of imdb" in text
        assert all(f'"{category}"' in text for category in ("Report", "Tables", "Inputs"))


@st.composite
def step_graphs(draw):
    """Draw steps that read only from those before them."""
    names = [f"step{number}" for number in range(draw(st.integers(1, 9)))]
    return {name: draw(st.lists(st.sampled_from(names[:i]), unique=True)) if i else [] for i, name in enumerate(names)}


@given(step_graphs())
def test_a_step_is_below_what_it_reads_from_and_boxes_are_apart(steps):
    drawing = draw(steps)
    boxes = {box["name"]: box for box in drawing["boxes"]}
    for name, sources in steps.items():
        assert all(boxes[source]["y"] + BOX[1] < boxes[name]["y"] for source in sources)
        assert 0 <= boxes[name]["x"] <= drawing["width"] - BOX[0]
        assert 0 <= boxes[name]["y"] <= drawing["height"] - BOX[1]
    for one in boxes.values():
        for other in boxes.values():
            if one is not other and one["y"] == other["y"]:
                assert abs(one["x"] - other["x"]) > BOX[0]


@given(step_graphs())
def test_lines_say_all_that_reads_from_what_and_none_of_it_twice(steps):
    lines = reduced(steps)
    above = ancestors(steps)
    assert ancestors(lines) == above
    assert len(draw(steps)["lines"]) == sum(map(len, lines.values()))
    for sources in lines.values():
        assert not any(one in above[other] for one in sources for other in sources)


@given(step_graphs())
def test_no_line_goes_through_a_box(steps):
    drawing = draw(steps)
    for line in drawing["lines"]:
        # Upright pieces are the only ones beside boxes: where a line passes a layer.
        for piece in re.findall(r"([\d.]+) ([\d.]+)L[\d.]+ ([\d.]+)", line):
            x, top, bottom = map(float, piece)
            for box in drawing["boxes"]:
                beside = box["y"] < bottom and top < box["y"] + BOX[1]
                assert not (beside and box["x"] < x < box["x"] + BOX[0])


def test_data_orders_are_told_apart_and_counted_with_the_seeds():
    cells = [cell(*each) | {"data_order_seed": order} for each in CELLS for order in (0, 1)]
    task = {"task": "a", "metric": "accuracy"}
    mode = {"mode": "full", "plan": {"seeds": [0], "data_order_seeds": [0, 1]}, "settings": CELLS, "cells": cells}
    table = report.grid([task | {"modes": [mode]}])
    place = table["columns"].index("data order")
    assert [row[place] for row in table["rows"]] == [("0", 0), ("1", 1)] * len(CELLS)
    (count,) = report.counts([task | {"modes": [mode]}])
    assert (count["settings"], count["seeds"], count["cells"]) == (5, 2, 10)
    plain = [cell(*each) for each in CELLS]
    assert "data order" not in report.grid([task | {"modes": [mode | {"cells": plain}]}])["columns"]
