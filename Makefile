# Sluicegate. `make` lists the targets; README.md says what they are for.

PYTHON ?= python3
PORT ?= 4566
VENV := .venv
BIN := $(VENV)/bin
REGION_STAMP := $(VENV)/.region-installed
DEV_STAMP := $(VENV)/.dev-installed
# A package's hash is checked and nothing is resolved here: the locks name everything.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --no-compile
# pip compiles on one core. Packages have templates that only look like Python, over which pip passes, too.
COMPILE_ALL := $(BIN)/python -m compileall -qq -j 0 $(CURDIR)/$(VENV)/lib || true
PATHS := cli local_region layers/core/src functions tests benchmarks examples requirements scripts notebooks
# a worker begins with neighbours, which share what their file sets up, and takes from the other when it has done its own
UNIT_TESTS = $(BIN)/python -m pytest -q -n $(UNIT_WORKERS) --dist worksteal
UNIT_WORKERS ?= 2
# each has a region of its own; a file's tests stay together
E2E_TESTS = $(BIN)/python -m pytest -q -n $(E2E_WORKERS) --dist loadfile --no-loadscope-reorder --durations=10 tests/e2e tests/browser
E2E_WORKERS ?= 2
# what the region adds for scripts of one's own; it installs it itself when the first one comes
SCRIPTS := local_region/containers/script

# What is started here starts hundreds of Pythons: without its byte code each would compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help up down test test-unit test-e2e test-quick lint style types bench lock clean python-version install install-dev chromium

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(REGION_STAMP) ## set up, start the local region, deploy, train the example, show a prediction
	@$(BIN)/sluice up $(if $(filter-out 4566,$(PORT)),--port $(PORT))
	@$(BIN)/sluice deploy
	@$(BIN)/sluice example
	@$(BIN)/sluice watch churn --timeout 300 --quiet
	@echo
	@echo '$$ sluice predict churn examples/churn/record.json'
	@$(BIN)/sluice predict churn examples/churn/record.json
	@echo
	@$(BIN)/sluice next

down: ## end the local region and everything in it
	@if [ -x $(BIN)/sluice ]; then $(BIN)/sluice down; else echo "nothing is set up here"; fi

test: $(DEV_STAMP) chromium ## lint, types and every test, end to end included
	@$(MAKE) --no-print-directory style
	@$(MAKE) --no-print-directory -j 2 types test-quick
	$(E2E_TESTS)

test-unit: $(DEV_STAMP) ## only the quick tests
	$(UNIT_TESTS) tests/unit

test-e2e: $(DEV_STAMP) chromium ## only the end-to-end and browser tests
	$(E2E_TESTS)

test-quick: $(DEV_STAMP)
	$(UNIT_TESTS) --durations=5 tests/unit tests/contract tests/faults

lint: style types ## ruff, formatting and mypy

style: $(DEV_STAMP)
	$(BIN)/ruff check $(PATHS)
	$(BIN)/ruff format --check $(PATHS)

# It uses one core, so tests run beside it: what it says comes in one piece.
types: $(DEV_STAMP)
	@mkdir -p build
	@echo "$(BIN)/mypy $(PATHS)"; $(BIN)/mypy $(PATHS) >build/types.txt 2>&1; code=$$?; cat build/types.txt; exit $$code

bench: $(DEV_STAMP) ## measure speed and size; prints one table
	$(BIN)/python -m benchmarks

install: $(REGION_STAMP) ## only set up what `make up` needs

install-dev: $(DEV_STAMP) ## only set up what `make test` needs

python-version:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is %d.%d. Name another one: make $(or $(MAKECMDGOALS),up) PYTHON=python3.12" % v)'

$(BIN)/python: | python-version
	@echo "making the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# The project itself goes in by path, so that nothing has to be built and a change is there at once.
$(REGION_STAMP): requirements/region.txt | $(BIN)/python
	@echo "installing $$(grep -c '==' requirements/region.txt) packages (once)"
	@$(PIP_INSTALL) -r requirements/region.txt
	@$(COMPILE_ALL)
	@$(BIN)/python requirements/link.py
	@touch $@

$(DEV_STAMP): requirements/dev.txt $(REGION_STAMP)
	@echo "installing what the tests need (once)"
	@$(PIP_INSTALL) -r requirements/dev.txt
	@$(COMPILE_ALL)
	@touch $@

# The browser tests drive Debian's own Chromium; only root can install it.
chromium:
	@command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 \
	|| if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "installing chromium (once)"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else echo "no Chromium here: install it (Debian: apt install chromium), or the browser tests fail"; fi

LOCK := uv pip compile --quiet --no-emit-index-url --no-emit-find-links --no-header --generate-hashes
COMPILE := $(LOCK) --python-version 3.11 --universal
# the functions' layers, and the wheels of the processing job: its image has another Python
LAYERS := common:3.13 data:3.13 preparation:3.12
lock: | $(BIN)/python ## renew requirements/*.txt and the layers' locks from their *.in
	@rm -rf build/lock && $(BIN)/python -m venv build/lock && build/lock/bin/pip install --quiet --disable-pip-version-check uv
	build/lock/bin/$(COMPILE) requirements/region.in -o requirements/region.txt
	build/lock/bin/$(COMPILE) -c requirements/region.txt requirements/dev.in -o requirements/dev.txt
	build/lock/bin/$(COMPILE) -c requirements/region.txt $(SCRIPTS)/requirements.in -o $(SCRIPTS)/requirements.txt
	for layer in $(LAYERS); do (cd layers/dependencies/$${layer%:*} && ../../../build/lock/bin/$(LOCK) \
		--python-version $${layer#*:} -c ../../../requirements/region.txt requirements.in -o requirements.txt) || exit 1; done

clean: down ## end the region; remove the environment, caches and state
	rm -rf $(VENV) .sluice .aws-sam build .mypy_cache .ruff_cache .pytest_cache .hypothesis
