# `make` runs the default configuration and prints its tables. `make test` checks the project in minutes;
# `make test-all` adds the trials, such as kills and full disks. All of them set up .venv by themselves.
# The newest Python of these that is there. With `make PYTHON=python3.12` a .venv of another one is made anew.
PYTHONS := python3.14 python3.13 python3.12 python3.11
ASKED_FOR := $(PYTHON)
PYTHON ?= $(shell for each in $(PYTHONS); do $$each -c "" 2>/dev/null && echo $$each && break; done || echo python3)
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
CONFIG ?= config/config.yaml
# Passed to the shell as the variable "$$CONFIG", so no character of a file name is read as code, by make or the shell.
override export CONFIG := $(value CONFIG)
RUN_OF := import sys; from finegrid.config.resolve import read_configfile; print(read_configfile(sys.argv[1])["run"])
VENV ?= .venv
BIN := $(VENV)/bin
AUDIT := .venv-audit/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
# The tests of a file share runs, so a file goes to one of the two workers; slow files first.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: run mirror test test-all lint audit format bench pretrain reference ladder methods methods-minilm glue clean

# A line of progress for each job; Snakemake's own words, reasons included, are in its log.
run: $(VENV)/installed
	$(BIN)/snakemake --cores all --logger finegrid --quiet host --configfile "$$CONFIG"
	@$(BIN)/python scripts/show.py "results/$$($(BIN)/python -c '$(RUN_OF)' "$$CONFIG")"

# Fetch, or check, everything that a configuration takes from the hub. With its lock file it then runs without internet.
mirror: $(VENV)/installed
	$(BIN)/snakemake fetch --forceall --cores 1 --configfile "$$CONFIG"

test: lint
	$(PYTEST) tests/pipeline tests/unit

# What `make test` leaves out: the trials, and many more examples of each property.
test-all: test
	$(PYTEST) --hypothesis-profile full -m "trials or hypothesis"

lint: $(VENV)/installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint --configfile config/smoke.yaml

# Look up every pinned package among the known vulnerabilities, by PyPI's service. pip-audit has an environment of its own.
audit: .venv-audit/installed
	$(AUDIT)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile workflow

# About an hour on two cores. The last one writes benchmarks/results/, the README's table of speed and that of docs/speed.md.
bench: $(VENV)/installed
	$(BIN)/python benchmarks/graph.py
	$(BIN)/python benchmarks/precision.py
	$(BIN)/python benchmarks/against_trainer.py

# About an hour and a half on one core that multiplies bfloat16, otherwise hours. Killed, it continues where it was.
PRETRAINED := results/pretraining/bundled-bert-tiny
pretrain: $(VENV)/installed
	$(BIN)/python scripts/pretraining/pretrain.py scripts/pretraining/recipe.yaml \
		--checkpoint results/pretraining/checkpoint.pt --output $(PRETRAINED)
	mkdir -p models/bundled-bert-tiny
	cp $(PRETRAINED)/* models/bundled-bert-tiny/

# The published results, each in results/<name>/ from a configuration of its own. Killed, they continue where they were.
# `make glue` reads a mirror of the hub: `make mirror CONFIG=config/glue-small.yaml` makes it.
PUBLISHED := comparison.json discussion.json discussion.md report.html tables figures
reference: SETTINGS := config/imdb-bundled.yaml
ladder: SETTINGS := config/ladder-offline.yaml
methods: SETTINGS := config/methods.yaml
methods-minilm: SETTINGS := config/methods-minilm.yaml
glue: SETTINGS := config/glue-small.yaml
methods: methods-minilm
reference ladder methods methods-minilm glue: $(VENV)/installed
	$(BIN)/snakemake prepared --cores all --configfile $(SETTINGS)
	$(BIN)/python scripts/progress.py --configfile $(SETTINGS)
	$(BIN)/snakemake --cores all --configfile $(SETTINGS)
	rm -rf $(addprefix results/$@/,$(PUBLISHED))
	mkdir -p results/$@
	cd "results/$$($(BIN)/python -c '$(RUN_OF)' $(SETTINGS))" && cp -r $(PUBLISHED) $(CURDIR)/results/$@/

clean:
	rm -rf .venv .venv-* .snakemake .pytest_cache .ruff_cache .import_linter_cache .hypothesis

ifneq ($(ASKED_FOR),)
ifneq ($(shell $(PYTHON) -V),$(shell $(BIN)/python -V 2>/dev/null))
.PHONY: $(VENV)/installed
endif
endif

$(VENV)/installed: pyproject.toml constraints.txt scripts/finegrid/training/fast/bert/_kernels.c
	@$(PYTHON) -c '$(SUPPORTED)' || { echo "finegrid needs Python 3.11 to 3.14; $(PYTHON) is $$($(PYTHON) -V 2>&1)" >&2; exit 1; }
	@[ "$$($(PYTHON) -V)" = "$$($(BIN)/python -V 2>&1)" ] || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) install --constraint constraints.txt --editable '.[test]'
	touch $@

.venv-audit/installed: Makefile
	$(PYTHON) -m venv .venv-audit
	$(AUDIT)/pip --disable-pip-version-check --quiet install --constraint constraints.txt pip-audit==2.10.1
	touch $@
