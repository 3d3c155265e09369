# `make check` before a commit, `make test` before a push; `.ci/run` does the rest.
.PHONY: install check test

PYTHON ?= python

install:
	$(PYTHON) -m pip install -e '.[dev]'

check:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest tests/unit tests/contract

test:
	$(PYTHON) -m pytest -m "not gpu"
