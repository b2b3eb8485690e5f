# `make demo` and `make test` do all the set-up; see README.md.
VENV   := .venv
PYTHON ?= python3
BIN    := $(VENV)/bin

.PHONY: lock
lock: ## resolve requirements/*.txt anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra postgres --extra demo $(LOCK) -o requirements/run.txt
	uv pip compile pyproject.toml --extra postgres --extra demo --extra test $(LOCK) -o requirements/dev.txt
	uv pip compile pyproject.toml --extra postgres --extra demo --extra test --extra train $(LOCK) -o requirements/train.txt
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"
