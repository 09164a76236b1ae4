# naruto: `make` lists the targets.
#
# PYTHON  the interpreter to build the virtual environment with
# VENV    where the virtual environment is
# ROUNDS  how many rounds of chaos; SEED the first one's, JOBS how many at a time

PYTHON ?= python3
VENV ?= .venv
ROUNDS ?= 100
SEED ?= 1
JOBS ?= 1
BIN = $(VENV)/bin
READY = $(VENV)/.ready
BENCH_VENV = $(VENV)-bench
BENCH_READY = $(BENCH_VENV)/.ready
# A bare Debian has its venv module in a package of its own.
VENV_MODULE = test "$$(id -u)" = 0 && apt-get install -y -q python3-venv \
	|| { echo "no venv module; as root: apt-get install python3-venv" >&2; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help run test test-fast thorough chaos check lint types cover bench bench-quick docs clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(READY): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "naruto needs Python 3.10 or newer; say which: make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV) || { $(VENV_MODULE) && $(PYTHON) -m venv --clear $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

run: $(READY) ## run five workers of the built-in demo; Ctrl-C ends them
	@exec $(BIN)/python -m naruto start --workers 5

test: $(READY) ## run the whole test suite
	$(BIN)/python -m pytest

test-fast: $(READY) ## run the tests of the pure core only
	$(BIN)/python -m pytest tests/core tests/settings

thorough: $(READY) ## 4,000 new random schedules for the core, in some minutes
	$(BIN)/python -m pytest tests/core/test_invariants.py --hypothesis-profile=thorough

chaos: $(READY) ## real services under a random driver; ROUNDS=100 SEED=1 JOBS=1
	$(BIN)/python -m tests.chaos --rounds $(ROUNDS) --seed $(SEED) --jobs $(JOBS)

check: lint types test ## everything that CI runs

lint: $(READY) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## mypy, strict
	$(BIN)/mypy

cover: $(READY) ## the suite with coverage, forked workers included
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine
	$(BIN)/coverage report

$(BENCH_READY): setup.cfg pyproject.toml bench/requirements.txt
	@$(PYTHON) -m venv $(BENCH_VENV) || { $(VENV_MODULE) && $(PYTHON) -m venv --clear $(BENCH_VENV); }
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		--editable . --requirement bench/requirements.txt
	@touch $@

bench: $(BENCH_READY) ## naruto, the floor and its peers in one run; writes docs/benchmarks.md
	$(BENCH_VENV)/bin/python -m bench

bench-quick: $(BENCH_READY) ## the same in under three minutes; only prints
	$(BENCH_VENV)/bin/python -m bench --quick

docs: $(READY) ## write the generated parts of docs/ anew
	$(BIN)/python -m docs.generate

clean: ## remove what was built
	rm -rf $(VENV) $(BENCH_VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
