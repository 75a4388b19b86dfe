PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8

.PHONY: demo demo-kafka test check lint types contracts bench soak lock clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "driftline needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

lock: | $(BIN)/uv ## resolve the dependencies again and write both lock files
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 pyproject.toml --extra apprise --extra grafana --extra librdkafka --extra parquet --group dev -o requirements-dev.lock

clean: ## remove the environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/kafka/target

export FROM
demo: $(if $(filter %.parquet %.pq,$(FROM)),$(VENV)/.dev,$(VENV)/.runtime) ## watch a loan model drift, in some minutes; FROM=yours.csv watches a file
	@$(BIN)/driftline demo $(if $(FROM),--from-file "$$FROM")

demo-kafka: $(VENV)/.dev ## the same through a real broker (needs java and mvn)
	@$(BIN)/python -m tests.kafka.run $(BIN)/driftline demo --bootstrap BROKER

test: $(VENV)/.dev ## every test: unit, property, contract, crash, integration
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy, strict, no exempt package
	$(BIN)/mypy

contracts: $(VENV)/.dev ## which way imports may point
	$(BIN)/lint-imports

check: lint types contracts test ## all that must be green

bench: $(VENV)/.dev ## speed and memory beside the peers; rewrites benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m monitor.commands.manual sizing > docs/sizing.md

soak: $(VENV)/.dev ## the crash tests, ten times as large
	SOAK=1 $(BIN)/python -m pytest -q -s tests/crash/test_kill.py tests/crash/test_labels.py
