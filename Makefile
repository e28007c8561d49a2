# `make help` lists every target.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/.installed: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: setup
setup: $(BIN)/.installed ## make the virtual environment with every pinned dependency

.PHONY: lock
lock: setup ## write requirements/*.txt again from pyproject.toml (needs uv)
	UV="uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet" && \
	$$UV pyproject.toml -o requirements/runtime.txt && \
	$$UV --extra local --extra gateway --group dev pyproject.toml -o requirements/dev.txt

.PHONY: unit
unit: setup ## unit tests alone (< 30 s)
	$(BIN)/pytest -q -m "not cluster and not gateway and not e2e"

.PHONY: lint
lint: setup ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check operator tests
	$(BIN)/ruff format --check operator tests
	$(BIN)/mypy
	$(BIN)/lint-imports
