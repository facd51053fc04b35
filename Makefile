# Every target does its own set-up: a fresh clone needs nothing but make and Python.
#
#   make test                       all tests, Python 3.11 or newer
#   make test PYTHON=python3.13     the same in that interpreter's own environment
#   make test TESTS=tests/core      a part of them

PYTHON ?= python3
TESTS ?=
VENV := .venv$(if $(filter python3,$(PYTHON)),,-$(notdir $(PYTHON)))
RUN := $(VENV)/bin/python
# Most of the time goes into machine code that runs once: here it is made in haste.
HASTE = XLA_FLAGS="$(XLA_FLAGS) $$(cat $(VENV)/.haste)"
PYTEST := $(RUN) -m pytest --numprocesses=auto --maxprocesses=8 --dist=worksteal -q

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-long lint format bench bench-torch docs clean

help:  ## say what can be made
	@echo "make TARGET [PYTHON=python3.13] [TESTS=tests/core]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.has-demo  ## train models and run dynamics with them, in two minutes
	@$(RUN) -m jaxmeta.demo

test: $(VENV)/.haste  ## run tests and the examples in docstrings
	@echo "testing with $$($(RUN) --version)"
	@$(HASTE) $(PYTEST) $(TESTS)

test-long: $(VENV)/.has-test  ## the same with many more random examples, and long tests
	@echo "testing at length with $$($(RUN) --version)"
	@$(PYTEST) -m "" --hypothesis-profile=long $(TESTS)

lint: $(VENV)/.has-test $(VENV)/.has-lint  ## check format, style and types
	@echo "checking format, style and types"
	@$(RUN) -m ruff format --check --quiet .
	@$(RUN) -m ruff check --quiet .
	@$(RUN) -m pyright --pythonpath $(RUN)

format: $(VENV)/.has-lint  ## put the code into the house's format
	@$(RUN) -m ruff check --quiet --fix .
	@$(RUN) -m ruff format .

bench: $(VENV)/.has-bench  ## measure every number there is a goal for
	@$(RUN) -m benchmarks $(BENCH)

bench-torch: $(VENV)/.has-bench-torch bench  ## the same, beside metatensor-torch too

docs: $(VENV)/.has-docs  ## build docs/_build/html
	@echo "building docs/_build/html"
	@$(RUN) -m sphinx -W -E --keep-going -q -b html docs docs/_build/html

clean:  ## remove environments and everything built
	@echo "removing environments, caches and built files"
	@rm -rf .venv .venv-* build dist docs/_build demo-output
	@rm -rf .pytest_cache .ruff_cache .hypothesis .jupyter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.haste: $(VENV)/.has-test scripts/hasty_flags.sh
	@scripts/hasty_flags.sh $(RUN) > $@

$(VENV)/.has-%: pyproject.toml scripts/environment.sh scripts/interpreter.sh
	@scripts/environment.sh $(VENV) $(PYTHON) $*
