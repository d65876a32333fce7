# Every command sets itself up first: .venv with all tools, then the speech recordings.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON_BIN  := .venv/bin/python
ENVIRONMENT := .venv/.ready
DATA        := build/data/.ready
TYPES       := build/types/lstmith
# A worker takes whole files, in the order of hw_tests/conftest.py.
TESTS       := .venv/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder
# Folders that are the package lstmith; hw_tests/support is lstmith.test_support.
PACKAGES    := spec golden rtl boards compiler flow campaign host package cli tuning explore training vad datasets workloads scripts

# The folder names (rtl, host, ...) must not become importable top-level modules.
export PYTHONSAFEPATH := 1
# pytest already uses one process per core; BLAS threads on top of that only fight.
export OMP_NUM_THREADS ?= 1

.PHONY: demo check test nightly lint bench docs coverage flips fuzz long mutation numeric verification setup clean
.DEFAULT_GOAL := demo

demo: setup
	.venv/bin/lstmith demo

test: setup lint
	$(TESTS) -m "not slow" --durations=10

# What `make test` leaves out: more engines on both simulators, all pages' commands, and the campaigns.
nightly: setup
	@echo "make nightly: some eight hours of a processor, or half of that on two that do nothing else"
	$(TESTS) -m "slow or drawn" --durations=10
	$(MAKE) coverage long fuzz flips numeric verification

# Needs the tools of .venv but no recordings, and sets nothing up.
check:
	@test -x .venv/bin/pytest || { echo "make check: .venv has no tools yet; run 'make setup' once" >&2; exit 2; }
	@$(MAKE) --no-print-directory lint ENVIRONMENT=
	.venv/bin/pytest -q -n 2 hw_tests/fast --durations=10

lint: $(ENVIRONMENT)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	@# The folders map to the namespace lstmith; mypy needs to see that as a real tree.
	@rm -rf $(TYPES) && mkdir -p $(TYPES)
	@for package in $(PACKAGES); do ln -s "$(CURDIR)/$$package" $(TYPES)/; done
	@ln -s "$(CURDIR)/hw_tests/support" $(TYPES)/test_support
	.venv/bin/mypy $(PACKAGES:%=-p lstmith.%) -p lstmith.test_support
	.venv/bin/mypy hw_tests examples --exclude hw_tests/support

docs: $(ENVIRONMENT)
	.venv/bin/python -m lstmith.scripts.docs.site

# Goes on where it was stopped.
mutation: setup
	nice -n 19 $(PYTHON_BIN) -m lstmith.scripts.mutation

# Some forty minutes of a processor: random engines on two simulators, units on Verilator, tests of golden and compiler.
# A part alone: make coverage PARTS=python.
coverage: setup
	nice -n 10 $(PYTHON_BIN) -m lstmith.scripts.coverage $(if $(PARTS),--parts $(PARTS))

# An hour and a half of a processor; for less: python -m lstmith.scripts.flips --flips 500.
flips: setup
	nice -n 10 $(PYTHON_BIN) -m lstmith.scripts.flips

# An hour and a half of a processor, shared by all there are; for less: python -m lstmith.scripts.fuzz --files 1000 --devices 100.
fuzz: setup
	nice -n 10 $(PYTHON_BIN) -m lstmith.scripts.fuzz

# A million steps of Silero VAD beside golden: most of an hour of a processor, shared by all there are. It goes on where it was stopped.
long: setup
	nice -n 10 $(PYTHON_BIN) -m lstmith.scripts.long

# Errors of 320 random networks at three precisions, and their causes; about five minutes.
numeric: setup
	nice -n 10 $(PYTHON_BIN) -m lstmith.scripts.numeric

# The totals of docs/verification; mutants, coverage, fuzz and numbers as their own commands left them.
verification: $(ENVIRONMENT)
	$(PYTHON_BIN) -m lstmith.scripts.docs.verification

bench: setup
	.venv/bin/lstmith bench

setup: $(ENVIRONMENT) $(DATA)

$(ENVIRONMENT): pyproject.toml constraints/python.txt scripts/setup/environment.sh
	bash scripts/setup/environment.sh
	@touch $@

$(DATA): datasets/speech_files.csv datasets/workload_files.csv | $(ENVIRONMENT)
	$(PYTHON_BIN) -m lstmith.datasets.speech
	$(PYTHON_BIN) -m lstmith.datasets.workload_files
	@touch $@

# Keeps .venv and the downloaded recordings: neither depends on the sources.
clean:
	find build -mindepth 1 -maxdepth 1 ! -name data -exec rm -rf {} + 2>/dev/null || true
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(PACKAGES) hw_tests -name __pycache__ -type d -prune -exec rm -rf {} +
