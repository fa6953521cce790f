# Every verb works in a fresh clone: what it needs is installed into .venv first, once.

SHELL := bash
.DEFAULT_GOAL := help
READY := .venv/.installed
BIN := .venv/bin
SECONDS ?= 60
# Tests mostly wait: four processes, each with servers of its own, and whole files to each.
BESIDE := --numprocesses 4 --dist loadfile
SEED ?=
FAULTS ?= 24
RUNS ?= 200

.PHONY: help setup run test proofs operator-proof unit check format docs demo bench fuzz chaos chaos-long chaos-presence chaos-controls chaos-controls-short chaos-failovers chaos-workers flat flat-short lint pins rollout rollout-short rollout-controls rules-test story images images-test kind-up clean

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-21s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## Make .venv with all pinned versions (every other verb does it when needed)

$(READY): pyproject.toml constraints.txt .ci/setup
	@.ci/setup

run: $(READY) ## Start everything on this machine; prints two users and the next command; OBSERVE=1 adds a Prometheus, PORTS=a,b,c,d,e takes others
	@$(BIN)/continuo up $(if $(OBSERVE),--observe) $(if $(PORTS),--ports $(PORTS))

demo: $(READY) ## Show consistency, resume and several devices against fresh services
	@$(BIN)/continuo demo

test: $(READY) ## Run the tests, on a real Redis that it starts itself
	$(BIN)/pytest -m "not slow" $(BESIDE)

proofs: $(READY) ## Run the slow tests: planned failovers, every await cancelled, terminals, poisoned workers
	$(BIN)/pytest -m slow $(BESIDE)

operator-proof: $(READY) ## Hold the operator to its properties in RUNS=200 simulated clusters each; unplanned losses are told
	CONTINUO_PROOF_RUNS=$(RUNS) $(BIN)/pytest tests/cluster -n 2 --dist worksteal --timeout 3600

unit: $(READY) ## Run the tests that need no Redis: seconds
	$(BIN)/pytest -q tests/unit --numprocesses 2

check: lint unit ## Format, lint, types, import laws, generated pages, unit tests: under a minute

lint: $(READY) ## What `check` does before the unit tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/reference.py --check
	$(BIN)/python docs/protocol.py --check
	$(BIN)/python docs/permissions.py --check
	$(BIN)/python docs/lines.py --check
	$(BIN)/python docs/chart.py --check
	$(BIN)/python -m continuo_operator.crd --check
	$(BIN)/python -m observability --check
	$(BIN)/python -m tests.chaos.page --check
	$(BIN)/python -m tests.rollout.page --check
	$(BIN)/python -m tests.story.picture --check

bench: $(READY) ## Measure fan-out, memory, latency, threads, agents, tracing and presence on this machine; writes docs/benchmarks.md
	$(BIN)/python -m tests.bench.run

flat: $(READY) ## Show that memory stays flat: a device silent for SECONDS=60, no worker for five times that
	$(BIN)/python -m tests.bench.flat $(SECONDS)

flat-short: $(READY) ## The same with 10 seconds
	$(BIN)/python -m tests.bench.flat 10

fuzz: $(READY) ## Feed sessions and sockets hostile traffic for SECONDS=60
	$(BIN)/python -m tests.fuzz.run $(SECONDS)

chaos: $(READY) ## Hurt the whole house at random while devices talk, and check every promise: FAULTS=24 faults, then presence under 500 devices, SEED=n
	$(BIN)/python -m tests.chaos.run --faults $(FAULTS) --at-least $$(($(FAULTS) - 2)) --seed "$(SEED)"
	$(BIN)/python -m tests.chaos.presence_run --seed "$(SEED)"

chaos-presence: $(READY) ## The second half of it alone: 500 devices while servers, presence and Redis go and come back
	$(BIN)/python -m tests.chaos.presence_run --seed "$(SEED)"

chaos-long: $(READY) ## The same with over 200 faults; writes docs/failure-modes.json, from which its page is made
	$(BIN)/python -m tests.chaos.run --faults 42 --rounds 6 --at-least 200 --seed "$(SEED)" --results docs/failure-modes.json
	$(BIN)/python -m tests.chaos.presence_run --seed "$(SEED)" --results docs/failure-modes.json
	$(BIN)/python -m tests.chaos.page

chaos-controls: $(READY) ## The same with one protection taken out at a time: each must be missed
	$(BIN)/python -m tests.chaos.controls

chaos-controls-short: $(READY) ## Two of these, drawn anew each time: some minutes instead of ten
	$(BIN)/python -m tests.chaos.controls --some 2

chaos-failovers: $(READY) ## 20 planned and 20 unplanned failovers of Redis under load
	$(BIN)/python -m tests.chaos.run --nobody-disconnected --only redis.failover.planned --faults 20 --at-least 20 --seed "$(SEED)"
	$(BIN)/python -m tests.chaos.run --nobody-disconnected --only redis.master.kill,redis.master.freeze,redis.master.isolate --faults 20 --at-least 20 --seed "$(SEED)"

chaos-workers: $(READY) ## 50 workers killed at random points of the message's path
	$(BIN)/python -m tests.chaos.run --only worker.kill,step.[4567].* --faults 50 --at-least 50 --seed "$(SEED)"

format: $(READY) ## Format the code and mend what the linter can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: $(READY) ## Write the generated pages anew: configuration, metrics, keys, protocol, lines of the log, chart, rules and dashboards
	$(BIN)/python docs/reference.py
	$(BIN)/python docs/protocol.py
	$(BIN)/python docs/permissions.py
	$(BIN)/python docs/lines.py
	$(BIN)/python docs/chart.py
	$(BIN)/python -m continuo_operator.crd
	$(BIN)/python -m observability
	$(BIN)/python -m tests.chaos.page
	$(BIN)/python -m tests.rollout.page
	$(BIN)/python -m tests.story.picture

rollout: $(READY) ## Replace every server behind a real HAProxy while 500 devices talk, in five ways; writes docs/rollout.json
	.ci/haproxy
	$(BIN)/python -m tests.rollout.run whole --seed "$(SEED)" --results docs/rollout.json
	$(BIN)/python -m tests.rollout.page

rollout-short: $(READY) ## The same with 120 devices, to the next version and back: five minutes instead of twenty
	.ci/haproxy
	$(BIN)/python -m tests.rollout.run short --seed "$(SEED)"

rollout-controls: $(READY) ## The same with one protection taken out at a time: each must be missed
	.ci/haproxy
	$(BIN)/python -m tests.rollout.controls

story: $(READY) ## Play one message through a takeover and a failover, and draw its spans; writes docs/trace.jsonl and its picture
	$(BIN)/python -m tests.story.run

rules-test: $(READY) ## Have promtool judge the rules, a firing and a quiet case of each alert, and a page of metrics
	$(BIN)/python -m tests.rules.run "$$(.ci/prometheus)"

images: $(READY) ## Build the container images, with Docker or what Debian has of it; BASE, TAG and PREFIX as in docs/images.md
	k8s/images/docker k8s/images/build

images-test: $(READY) ## Build the images and run them, restricted as in Kubernetes, with Redis and Sentinels; needs Docker or root
	k8s/images/docker $(BIN)/pytest -q -m images tests/images

kind-up: $(READY) ## A cluster on this machine with everything in it, and what to type next; needs kind, helm and kubectl
	k8s/kind-up

pins: $(READY) ## Write constraints.txt from what .venv holds, after an upgrade in it
	@{ head -n 1 constraints.txt; $(BIN)/python -m pip freeze --exclude-editable; } > constraints.new
	@mv constraints.new constraints.txt

clean: ## Remove what was built, and .continuo: conversations and secret of this machine; all starts from nothing
	rm -rf build .venv .continuo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/e2e/js/node_modules
