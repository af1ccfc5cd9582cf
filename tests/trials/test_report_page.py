"""The report of a run, opened in a browser as its readers do: by keyboard, on a phone, in the dark, without network."""

import contextlib
import itertools
import re
import shutil
from pathlib import Path

import pytest
from report_files import CELLS, MARKUP, MODE, TASK, write_report_files

from finegrid.evaluation.comparison import Comparison
from finegrid.files import read_json
from finegrid.sealed import read_record


@pytest.fixture(scope="module")
def odd_page(tmp_path_factory) -> Path:
    return write_report_files(tmp_path_factory.mktemp("odd"))


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
    entries = read_json(any_page.parent / "figures" / "figures.json")
    with opened(chromium, any_page) as page:
        images = page.locator("figure img")
        assert {image.get_attribute("alt") for image in images.all()} == {entry["alt"] for entry in entries}
        for image in images.all():
            assert image.is_visible()
            assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        assert sorted(page.locator("figcaption").all_inner_texts()) == sorted(entry["caption"] for entry in entries)


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
        sort("best validation", "Enter")
        assert column("batch size")[::2] == ["16", "16", "128", "8", "8"]
        assert column("best validation")[-2:] == ["", ""]
        sort("best validation", "Enter")
        assert column("batch size")[::2] == ["8", "128", "16", "16", "8"]
        assert column("validation")[-2:] == ["diverged", "diverged"]
        sort("mode", "Enter")
        assert column("mode") == [MODE] * 5 + ["full"] * 5


def test_without_script_the_cells_are_a_plain_table(chromium, odd_page):
    with opened(chromium, odd_page, java_script_enabled=False) as page:
        assert page.get_by_role("columnheader", name="learning rate").is_visible()
        assert page.get_by_role("button").count() == 0
        assert page.locator("table.sortable tbody tr").count() == CELLS


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
    const ink = channels(style.color);
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


def test_markup_is_shown_as_text(chromium, odd_page):
    with opened(chromium, odd_page) as page:
        assert page.get_by_role("rowheader", name=MARKUP).count() == 3  # once in each table
        for text in (
            MARKUP,
            'onerror="alert(2)"',
            "One < two.",
            "costs & more",
            "Validation of <b>",
            "<u>",
            "The <answer>.",
        ):
            assert page.get_by_text(text).first.is_visible(), text
        assert page.locator("main :is(b, i, u)").count() == 0
        assert page.locator("script").count() == 1
        assert page.locator("img").count() == 2
        page.get_by_text("The configuration").click()
        assert MARKUP in page.locator("pre").inner_text() and TASK in page.locator("pre").inner_text()


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
            *("Result", "Discussion", "The run", "Tables", "Notes", "Figures", "Every cell", "Data"),
            *("What the model reads", "Configuration", "Versions", "Number of cells"),
        ]
        assert page.locator("tfoot").inner_text().split() == ["all", "10", "2", "0", "3.43"]


def test_the_result_is_seen_without_scrolling(chromium, smoke_page):
    with opened(chromium, smoke_page) as page:
        for shown in (page.locator(".answer"), page.get_by_text("Table 2. Test accuracy")):
            box = shown.bounding_box()
            assert box["y"] + box["height"] < 800


def test_a_table_leads_to_its_notes(chromium, odd_page):
    with opened(chromium, odd_page) as page:
        page.get_by_role("link", name="2", exact=True).click()
        note = page.locator("li:target")
        assert note.inner_text() == "A note of <u>."
        assert 0 <= note.bounding_box()["y"] < 800


def test_the_page_of_a_run_has_its_cells(chromium, smoke_page):
    comparison = read_record(Comparison, smoke_page.parent / "comparison.json")
    cells = [cell for _, mode in comparison.rows() for cell in mode.cells]
    with opened(chromium, smoke_page) as page:
        rows = page.locator("table.sortable tbody tr").all_inner_texts()
        assert [float(row.split("\t")[4]) for row in rows] == pytest.approx(
            [cell.validation for cell in cells], abs=5e-4
        )
        assert ["chosen" in row for row in rows] == [cell.chosen for cell in cells]
        assert page.locator("table.tokens").count() == 2
