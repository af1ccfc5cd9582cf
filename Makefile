# `make` runs the default configuration and prints its tables; `make test` checks everything.
# Both set up .venv by themselves.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CONFIG ?= config/config.yaml
# To the shell it comes as "$$CONFIG", whatever it holds: not as a piece of the command, nor once more through make.
override export CONFIG := $(value CONFIG)
BIN := .venv/bin
AUDIT := .venv-audit/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: run mirror test lint audit format bench pretrain reference clean

run: .venv/installed
	$(BIN)/snakemake --cores all --configfile "$$CONFIG"
	@cd "results/$$(sed -n 's/^run: *//p' "$$CONFIG")" && cat tables/table?.md discussion.md

# All that a configuration takes from the hub, fetched or checked: with its lock file it runs without internet.
mirror: .venv/installed
	$(BIN)/snakemake fetch --forceall --cores 1 --configfile "$$CONFIG"

test: lint
	$(BIN)/python -m pytest

lint: .venv/installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint --configfile config/smoke.yaml

# Known vulnerabilities of all that is pinned; it asks PyPI's service. In an environment of its own, beside .venv.
audit: .venv-audit/installed
	$(AUDIT)/python scripts/audit.py constraints.txt

format: .venv/installed-test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile workflow

# Nearly an hour on two cores.
bench: .venv/installed-test
	$(BIN)/python benchmarks/second_run.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/slurm_scale.py
	$(BIN)/python benchmarks/precision.py
	$(BIN)/python benchmarks/against_trainer.py

# About an hour and a half on one core with bfloat16 products, hours without; killed, it goes on where it was.
pretrain: .venv/installed
	$(BIN)/snakemake --cores all pretrain
	mkdir -p models/embedded-bert-tiny
	cp results/pretraining/embedded-bert-tiny/* models/embedded-bert-tiny/

# The published result in results/reference/: about an hour on two cores.
PUBLISHED := comparison.json discussion.json discussion.md report.html tables figures
reference: .venv/installed
	$(BIN)/snakemake --cores all --configfile config/imdb-embedded.yaml
	rm -rf results/reference
	mkdir -p results/reference
	cp -r $(addprefix results/imdb-embedded/,$(PUBLISHED)) results/reference/

clean:
	rm -rf .venv .venv-audit .snakemake .pytest_cache .ruff_cache .hypothesis

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

.venv/installed-test: .venv/installed
	$(PIP) install --constraint constraints.txt --editable '.[test]'
	touch $@

.venv-audit/installed: Makefile
	$(PYTHON) -m venv .venv-audit
	$(AUDIT)/pip --disable-pip-version-check --quiet install --constraint constraints.txt pip-audit==2.10.1
	touch $@
