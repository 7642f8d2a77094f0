# One command each; each sets up what it needs.  Needs Python 3.11 or newer and make, nothing else.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# The first interpreter that is new enough; PYTHON=/path/to/python overrides.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$python"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
# --no-compile: only what is imported gets compiled, when it is; the first start is 10 seconds sooner.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: --require-hashes
RESOLVE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"
# Three at once, on as few as two cores: whoever waits for a crash to be noticed leaves a core to the others.
TEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
ARGS ?=
# A process that finds no bytecode compiles all it imports, for 3 seconds, and tests start a hundred of them.
unexport PYTHONDONTWRITEBYTECODE

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUNTIME) ## everything on HOST:PORT (127.0.0.1:8000), data in .trialog; Ctrl-C stops it
	@exec $(BIN)/python -m infrastructure run $(ARGS)

test: $(DEV) ## all tests
	$(TEST) $(ARGS)

fast: $(DEV) ## format, lint, types and contracts; no tests
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

check: fast ## what the pipeline runs: fast, fresh docs, tests
	$(BIN)/python -m infrastructure docs --check
	$(TEST) $(ARGS)

docs: $(RUNTIME) ## write the generated pages of docs/reference
	$(BIN)/python -m infrastructure docs

bench: $(DEV) ## measure; ARGS=--quick to see only that it works
	$(BIN)/python -m benchmarks $(ARGS)

demo: $(DEV) ## fill a running system with data to look at
	$(BIN)/python -m benchmarks.demo $(ARGS)

migrate: $(RUNTIME) ## bring the schema of DATABASE_URL, or of the running system, up to date
	$(BIN)/python -m infrastructure migrate $(ARGS)

lock: $(DEV) ## write both lock files from pyproject.toml; ARGS=--upgrade for the newest of everything
	$(RESOLVE) pyproject.toml --output-file requirements.lock $(ARGS)
	$(RESOLVE) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock $(ARGS)

clean: ## remove what was installed and cached; data in .trialog stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis build dist *.egg-info

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Trialog needs Python 3.11 or newer with venv (none found on PATH).  Install it, or: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Trialog needs Python 3.11 or newer; $(PYTHON) is older" >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUNTIME): requirements.lock | $(BIN)/python
	@echo "installing what Trialog runs on (once, some 20 seconds) ..."
	@$(INSTALL) -r requirements.lock
	@printf '#!/bin/sh\ncd "$$(dirname "$$0")/../.." && exec .venv/bin/python -m infrastructure "$$@"\n' > $(BIN)/trialog && chmod +x $(BIN)/trialog
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "installing what its tests need (once, some 10 seconds) ..."
	@$(INSTALL) -r requirements-dev.lock
	@touch $@

.PHONY: help run test fast check docs bench demo migrate lock clean
.DELETE_ON_ERROR:
