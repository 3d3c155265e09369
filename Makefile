# `make check` before a commit, `make test` before a push; `.ci/run` does the rest.
.PHONY: install check test

PYTHON ?= python
# A process per core, at most four, each with one thread; tests of one file mostly stay together.
# Where a test has two threads, they sleep while they wait, as another test needs the core.
PYTEST = OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(PYTHON) -m pytest -n auto --maxprocesses 4 --dist worksteal

install:
	$(PYTHON) -m pip install -e '.[dev]'

check:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTEST) -m "not slow" tests/unit

test:
	$(PYTEST) -m "not gpu" --durations 10
