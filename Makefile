# Everything installs what it needs into .venv, from requirements/*.txt, which are locked by hash.
.DELETE_ON_ERROR:
.PHONY: help check test coverage demo bench stack lock clean
.DEFAULT_GOAL := help

BIN := .venv/bin
# The first of these that is new enough and can make a virtual environment.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v "$$python"; break; }; done)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Coverage writes beside its data; keep the tree clean.
export COVERAGE_FILE := $(CURDIR)/build/coverage/data

help:
	@echo 'make demo      the whole path on real flights, in a minute'
	@echo 'make test      all tests; TESTS="tests/unit -k cut" names some'
	@echo 'make coverage  the same, and which lines and branches they run'
	@echo 'make check     style, types, layers'
	@echo 'make bench     figures on a real Kafka: against plain clients, and of cuts, reads, digests, snapshots, verify'
	@echo 'make stack     Kafka, a schema registry, Jaeger and Prometheus on this machine, until Ctrl-C'
	@echo 'make lock      renew requirements/*.txt from pyproject.toml'
	@echo 'make clean     remove what was built and installed here'

check: $(BIN)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

SERVERLESS := tests/unit tests/simulation $(addprefix tests/functional/test_,cli_definitions.py cli_rollouts.py \
	compose.py datacontract.py alerts.py dashboards.py)
WATCHED := $(wildcard $(addprefix tests/integration/test_,stack.py traces.py trace_command.py lag.py prometheus.py \
	telemetry_*.py))
# Three parts at once, unless TESTS names some: some wait for their servers much of the time while others compute.
# Two are in the background: what has no servers, and what looks at Jaeger and Prometheus, with a Kafka of its own.
test coverage: PYTEST = $(RUN) -m pytest --durations=12
test: RUN := $(BIN)/python
test: $(BIN)/.dev
	@mkdir -p build; $(PARTS); exit $$failed

# Not with every `make test`: the tracer takes longer than the tests.
coverage: RUN := $(BIN)/coverage run
coverage: $(BIN)/.dev
	@rm -rf build/coverage && mkdir -p build/coverage; $(PARTS); \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage xml --quiet -o build/coverage.xml && $(BIN)/coverage report; \
	exit $$failed

define PARTS
failed=0; \
if [ -n '$(TESTS)' ]; then $(PYTEST) --junit-xml=build/tests.xml $(TESTS) || failed=$$?; \
else \
	$(PYTEST) --junit-xml=build/tests-unit.xml $(SERVERLESS) >build/tests-unit.log 2>&1 & unit=$$!; \
	$(PYTEST) --junit-xml=build/tests-watched.xml $(WATCHED) >build/tests-watched.log 2>&1 & watched=$$!; \
	trap 'kill $$unit $$watched; exit 130' INT TERM; \
	$(PYTEST) --junit-xml=build/tests.xml tests $(addprefix --ignore=,$(SERVERLESS) $(WATCHED)) || failed=$$?; \
	echo 'What looks at Jaeger and Prometheus (build/tests-watched.log):'; \
	wait $$watched || failed=$$?; cat build/tests-watched.log; \
	echo 'What has no servers (build/tests-unit.log):'; \
	wait $$unit || failed=$$?; cat build/tests-unit.log; \
fi
endef

demo: $(BIN)/.demo
	$(BIN)/syncline demo

bench: $(BIN)/.dev
	$(BIN)/python -m benchmarks

stack: $(BIN)/.dev
	@$(BIN)/python -m tests.stack

# Without hosts: an index belongs to the machine, not to the lock.
COMPILE = build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links --upgrade
lock: build/lock/bin/uv
	$(COMPILE) pyproject.toml requirements/build.in --extra demo --output-file requirements/demo.txt
	$(COMPILE) pyproject.toml requirements/build.in --extra demo --group dev \
		--constraint requirements/demo.txt --output-file requirements/dev.txt
	$(COMPILE) requirements/datacontract.in --output-file requirements/datacontract.txt

build/lock/bin/uv: | $(BIN)/python
	$(BIN)/python -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv

clean:
	rm -rf build dist .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n '$(PYTHON)' || { \
		echo 'Syncline needs Python 3.11 or later with venv (on Debian: apt install python3-venv).' >&2; \
		echo 'Name one with: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	$(PYTHON) -m venv .venv

# The stamps are newer than what they were installed from, so that a second run installs nothing.
$(BIN)/.dev $(BIN)/.demo: $(BIN)/.%: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo 'Installing $< into .venv: this takes a few minutes, once.'
	@$(INSTALL) --require-hashes -r $<
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@
