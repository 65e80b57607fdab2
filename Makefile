# Two commands matter: `make demo` and `make test`. Each makes its own environment in .venv
# and needs git, make and Python 3.11, 3.12 or 3.13; no account, no key, no running service.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p && break; done)
BIN := .venv/bin
SHARED := -n auto --dist loadfile # a process for each core, a file to each

.PHONY: demo test test-all versions peers lint types format wheel-test clean

demo: .venv/demo.stamp  ## The incident, and the same app under ragtrace.
	@$(BIN)/ragtrace demo

test: .venv/test.stamp  ## Every test but the slow ones, laws with fewer examples.
	@$(BIN)/pytest -q $(SHARED) -m 'not slow' --hypothesis-profile=quick

test-all: .venv/test.stamp  ## Every test, as CI runs them.
	@$(BIN)/pytest -q $(SHARED)

versions: .venv/bin/python  ## Each integration's suite on the oldest versions that are supported.
	@sh .ci/versions $(BIN)/python

peers: .venv/bin/python  ## Phoenix, in an environment of its own, for the tests that start one.
	@sh .ci/peers $(BIN)/python

lint: .venv/dev.stamp  ## Style, and who may import whom.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: .venv/dev.stamp  ## Types, strictly.
	@$(BIN)/mypy

format: .venv/dev.stamp
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

wheel-test: .venv/test.stamp  ## The tests once more, against the built wheel in an empty environment.
	@sh .ci/wheel-test $(BIN)/python

clean:
	rm -rf .venv .venv-oldest .venv-phoenix .venv-wheel dist build .ragtrace

.venv/bin/python:
	@sh .ci/environment "$(PYTHON)" .venv

.venv/%.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/pip install -q -e '.[$*]'
	@touch $@
