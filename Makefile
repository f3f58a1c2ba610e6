# Everything runs in an environment of its own, made from python3, pip and the network's package index alone.
# PYTHON=python3.12 VENV=.venv-312 chooses another interpreter and its environment.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := .venv-demo
DOCS := .venv-docs

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow test-all test-mypy test-sqlalchemy dashboards screenshots kill docs docs-links bench bench-check bench-install coverage lint format build clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(READY)  ## make the environment with dddkit, its extras and the development tools

$(READY): pyproject.toml constraints.txt src/dddkit/__init__.py
	@PYTHON="$(PYTHON)" .ci/install $(VENV) dev
	@touch $@

demo: $(DEMO)/.ready  ## show a story, a sale, failures, killed processes, and what mypy catches
	@$(DEMO)/bin/python -m examples.demo

$(DEMO)/.ready: pyproject.toml constraints.txt src/dddkit/__init__.py
	@PYTHON="$(PYTHON)" .ci/install $(DEMO) demo
	@touch $@

# To debug a test, run pytest itself: without options it runs all tests, slow ones included, one after the other.
PARALLEL := -n logical --dist worksteal

test: $(READY)  ## run the tests, but for the slow ones: minutes
	@$(BIN)/python -m pytest -q $(PARALLEL) -m "not slow"

test-slow: $(READY)  ## run the slow tests: every edit and mistake in every mode of mypy, more random input
	@$(BIN)/python -m pytest -q $(PARALLEL) -m slow

test-all:  ## run `make test` on every supported Python found on this machine
	@.ci/test-all

test-mypy:  ## run the tests of the plugin on the oldest supported mypy and on the newest (MYPY="1.20.2 2.0.0": on these)
	@.ci/test-mypy $(MYPY)

test-sqlalchemy:  ## run the tests of persistence on the oldest supported SQLAlchemy and on the newest (SQLALCHEMY="2.0.30": on it)
	@.ci/test-sqlalchemy $(SQLALCHEMY)

docs: $(DOCS)/.ready  ## build the documentation site into docs/_build/html; a warning is an error
	@rm -rf docs/_build
	@$(DOCS)/bin/python -m sphinx -q -W --keep-going -j auto -b html -d docs/_build/doctrees docs docs/_build/html

docs-links: $(DOCS)/.ready  ## ask for every external link of the site; needs the network
	@$(DOCS)/bin/python -m sphinx -q -b linkcheck -d docs/_build/doctrees docs docs/_build/links

$(DOCS)/.ready: pyproject.toml constraints.txt src/dddkit/__init__.py
	@PYTHON="$(PYTHON)" .ci/install $(DOCS) docs
	@.ci/mermaid $(DOCS)/mermaid 11.17.2
	@touch $@

kill: $(READY)  ## kill writers, relays, consumers, servers and durable stories: is anything lost or done twice? (KILLS=40, KILL_SECONDS=45, STORY_SECONDS=10)
	@$(BIN)/python -m tests.kill $(if $(KILLS),--kills $(KILLS)) $(if $(KILL_SECONDS),--seconds $(KILL_SECONDS))
	@$(BIN)/python -m tests.kill.stories $(if $(KILLS),--kills $(KILLS)) $(if $(STORY_SECONDS),--seconds $(STORY_SECONDS))

dashboards: $(READY)  ## put every query of the dashboards to a Prometheus that scrapes the shop, and compare
	@if .ci/prometheus; then $(BIN)/python -m tests.dashboards.check && $(BIN)/python -m tests.dashboards.durable_check; fi

screenshots: $(READY)  ## make the pictures of the dashboards again (needs prometheus, chromium and npm)
	@.ci/prometheus
	@PYTHON=$(BIN)/python .grafana/screenshots/make

coverage: $(READY)  ## run the tests of the library and show what they miss
	@$(BIN)/python -m pytest -q --cov --cov-report=term-missing:skip-covered tests

lint: $(READY)  ## ruff, mypy --strict, pyright strict, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: $(READY)  ## let ruff mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

build: $(READY)  ## build the wheel and the source distribution into dist/
	@rm -rf dist
	$(BIN)/python -m build

# The targets are set for 3.13. Peers get environments of their own, .venv-bench-<name>.
BENCH_PYTHON ?= $(or $(shell .ci/pythons | sed -n 's/^3\.13 //p'),$(PYTHON))
BENCH_BIN := .venv-bench/bin

bench: bench-install  ## measure against hand-written code and the peers; write benchmarks/RESULTS.md (minutes)
	@$(BENCH_BIN)/python -m benchmarks
	@$(BENCH_BIN)/python -m benchmarks.scaling

bench-check: bench-install  ## fail where a target is missed by more than 15 %
	@$(BENCH_BIN)/python -m benchmarks --check

bench-install:
	@$(MAKE) --no-print-directory install PYTHON="$(BENCH_PYTHON)" VENV=.venv-bench
	@$(BENCH_BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt --group bench

clean:  ## remove environments, caches and built files
	rm -rf .venv .venv-* dist build docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage htmlcov .grafana/screenshots/node_modules
