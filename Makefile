# `make run` sets everything up and starts the product; `make test` sets up and runs the tests.
# Any POSIX make and a Python from 3.11 to 3.13 will do: PYTHON=python3.12 make run
# Where the default torch brings CUDA, name the index of CPU wheels that PyTorch documents: TORCH_INDEX=URL make run

PYTHON ?= python3
TORCH_INDEX ?=
BIN = .venv/bin
STAMP = .venv/.made

.PHONY: setup run test check bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "Firstline needs Python 3.11, 3.12 or 3.13. Name one: PYTHON=python3.12 make $(MAKECMDGOALS)"; exit 1; }
	rm -rf .venv
	$(PYTHON) -m venv .venv
	@echo "Installing what Firstline is made of: a few minutes the first time."
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

run: $(STAMP)
	$(BIN)/firstline serve --demo

test: $(STAMP)
	$(BIN)/python -m pytest

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

# What it compares with has an environment of its own, made the first time. Where it cannot be made, that part is left out.
BENCH = tests/bench/langgraph/requirements.txt

bench: $(STAMP)
	@test .venv-bench/.made -nt $(BENCH) || { rm -rf .venv-bench && $(PYTHON) -m venv .venv-bench \
		&& echo "Installing LangGraph beside it: a minute or two the first time." \
		&& .venv-bench/bin/pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -r $(BENCH) \
		&& touch .venv-bench/.made; } || { rm -rf .venv-bench; echo "LangGraph could not be installed; the rest is measured."; }
	$(BIN)/python -m tests.bench $(if $(QUICK),--quick) $(if $(JSON),--json $(JSON))

# Never the data: DATA_DIR stays as it is.
clean:
	rm -rf .venv .venv-bench *.egg-info .pytest_cache .ruff_cache .hypothesis
	find channels knowledge service dashboard tests -name __pycache__ -type d -prune -exec rm -rf {} +
