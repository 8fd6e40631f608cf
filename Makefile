# splitway: every target works from a clean clone with Python 3.11+ and make alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check bench clean
.DEFAULT_GOAL := demo

# A machine too busy to be judged on ends the demo inconclusive, exit code 3: nothing is wrong then.
demo: $(VENV)/.core  ## set up, then replay a drive through town with a trained network
	$(BIN)/splitway demo || test $$? -eq 3

test: $(VENV)/.dev  ## set up, then run the test suite
	$(BIN)/pytest -n 2 --dist loadfile -m 'not live'
	$(BIN)/pytest -m live

check: $(VENV)/.dev  ## format, lint, types, layers, spelling, metadata
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/validate-pyproject pyproject.toml

bench: $(VENV)/.dev  ## figures, as ratios against a named rival in the same run
	$(BIN)/python bench/run.py

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Splitway needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(VENV)/.core $@

clean:
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
