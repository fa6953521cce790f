# Every verb works in a fresh clone: what it needs is installed into .venv first, once.

SHELL := bash
.DEFAULT_GOAL := help
READY := .venv/.installed
BIN := .venv/bin
SECONDS ?= 60

.PHONY: help setup run test unit check format docs demo bench fuzz pins clean flat

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## Make .venv with all pinned versions (every other verb does it when needed)

$(READY): pyproject.toml constraints.txt .ci/setup
	@.ci/setup

run: $(READY) ## Start everything on this machine; prints two users and the next command
	@$(BIN)/continuo up

demo: $(READY) ## Show consistency, resume and several devices against fresh services
	@$(BIN)/continuo demo

test: $(READY) ## Run every test, on a real Redis that it starts itself
	$(BIN)/pytest

unit: $(READY) ## Run the tests that need no Redis: seconds
	$(BIN)/pytest -q tests/unit

check: $(READY) ## Format, lint, types, import laws, generated pages, unit tests: under a minute
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/reference.py --check
	$(BIN)/python docs/protocol.py --check
	$(BIN)/pytest -q tests/unit

bench: $(READY) ## Measure fan-out, memory, latency and threads on this machine; writes docs/benchmarks.md
	$(BIN)/python -m tests.bench.run

flat: $(READY) ## Show that memory stays flat: a device silent for SECONDS=60, no worker for five times that
	$(BIN)/python -m tests.bench.flat $(SECONDS)

fuzz: $(READY) ## Feed sessions and sockets hostile traffic for SECONDS=60
	$(BIN)/python -m tests.fuzz.run $(SECONDS)

format: $(READY) ## Format the code and mend what the linter can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: $(READY) ## Write the generated pages anew: configuration, metrics, keys, protocol
	$(BIN)/python docs/reference.py
	$(BIN)/python docs/protocol.py

pins: $(READY) ## Write constraints.txt from what .venv holds, after an upgrade in it
	@{ head -n 1 constraints.txt; $(BIN)/python -m pip freeze --exclude-editable; } > constraints.new
	@mv constraints.new constraints.txt

clean: ## Remove what was built; the next verb starts from nothing
	rm -rf .venv .continuo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/e2e/js/node_modules
