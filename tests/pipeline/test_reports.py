"""The report of the smoke run: when it is remade, and Snakemake's own report beside it."""

import zipfile

import pytest
from conftest import MODEL, edit, planned_jobs, snakemake


def test_an_edit_of_its_style_remakes_the_page_only(finished):
    edit(finished / "workflow/report/report.css", "36rem", "30rem")
    assert planned_jobs(finished) == {"report": 1}


@pytest.mark.parametrize("name", ["own.html", "own.zip"])
def test_snakemakes_own_report_is_made_without_network(finished, name):
    nowhere = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https", "HTTP", "HTTPS")}
    done = snakemake(finished, "--report", name, **nowhere)
    assert done.returncode == 0, done.stderr
    if name.endswith(".zip"):
        with zipfile.ZipFile(finished / name) as archive:
            inside = {archive.read(each) for each in archive.namelist()}
        for page in ("report.html", f"inputs/{MODEL}/imdb.html"):
            assert (finished / "results/smoke" / page).read_bytes() in inside
    else:
        text = (finished / name).read_text(encoding="utf-8")
        assert "The whole run on one page" in text and "What the model reads of imdb" in text
        assert all(f'"{category}"' in text for category in ("Report", "Tables", "Inputs"))
