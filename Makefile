# `make` runs the default configuration and prints its tables; `make test` checks everything.
# Both set up .venv by themselves.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CONFIG ?= config/config.yaml
# Passed to the shell as the variable "$$CONFIG", so no character of a file name is read as code, by make or the shell.
override export CONFIG := $(value CONFIG)
RUN_OF := import sys; from finegrid.config.resolve import read_configfile; print(read_configfile(sys.argv[1])["run"])
BIN := .venv/bin
AUDIT := .venv-audit/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: run mirror test lint audit format bench pretrain reference clean

run: .venv/installed
	$(BIN)/snakemake --cores all --configfile "$$CONFIG"
	@cd "results/$$($(BIN)/python -c '$(RUN_OF)' "$$CONFIG")" && cat tables/table?.md discussion.md

# Fetch, or check, everything that a configuration takes from the hub. With its lock file it then runs without internet.
mirror: .venv/installed
	$(BIN)/snakemake fetch --forceall --cores 1 --configfile "$$CONFIG"

test: lint
	$(BIN)/python -m pytest

lint: .venv/installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint --configfile config/smoke.yaml

# Look up every pinned package among the known vulnerabilities, by PyPI's service. pip-audit has an environment of its own.
audit: .venv-audit/installed
	$(AUDIT)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

format: .venv/installed-test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile workflow

# Nearly an hour on two cores.
bench: .venv/installed-test
	$(BIN)/python benchmarks/graph.py
	$(BIN)/python benchmarks/precision.py
	$(BIN)/python benchmarks/against_trainer.py

# About an hour and a half on one core that multiplies bfloat16, otherwise hours. Killed, it continues where it was.
PRETRAINED := results/pretraining/bundled-bert-tiny
pretrain: .venv/installed
	$(BIN)/python scripts/pretraining/pretrain.py scripts/pretraining/recipe.yaml \
		--checkpoint results/pretraining/checkpoint.pt --output $(PRETRAINED)
	mkdir -p models/bundled-bert-tiny
	cp $(PRETRAINED)/* models/bundled-bert-tiny/

# The published result in results/reference/: about an hour on two cores.
PUBLISHED := comparison.json discussion.json discussion.md report.html tables figures
reference: .venv/installed
	$(BIN)/snakemake --cores all --configfile config/imdb-bundled.yaml
	rm -rf results/reference
	mkdir -p results/reference
	cp -r $(addprefix results/imdb-bundled/,$(PUBLISHED)) results/reference/

clean:
	rm -rf .venv .venv-audit .snakemake .pytest_cache .ruff_cache .import_linter_cache .hypothesis

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
