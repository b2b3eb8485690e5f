# `make demo` and `make test` do the complete set-up; `make help` lists the other targets.
VENV   := .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
# In CI everything must run, so CI installs the tools for training, too.
TEST_LOCK := $(if $(CI),train,dev)
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"

.PHONY: help demo test compiled fast lint check asvs fuzz damages bench chaos load screenshots messages train lock clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# One stamp per lock file: pip runs again only when the lock file or pyproject.toml has changed.
$(VENV)/.installed-%: requirements/%.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

demo: $(VENV)/.installed-run ## run everything on this machine, with demo accounts and scans
	$(BIN)/csss demo

test: $(VENV)/.installed-$(TEST_LOCK) $(if $(CI),compiled) lint ## all checks and tests; reports what this machine lacks
	$(BIN)/python -m pytest -n 4 --dist loadgroup

# In a fresh clone each of the four processes would compile every file and rewrite its assertions; CI does it once, beside `lint`.
compiled: $(VENV)/.installed-$(TEST_LOCK)
	$(BIN)/python -m pytest -q --collect-only >/dev/null

# Four processes for two cores: some tests wait half a minute for a lease or a lost worker, and use no CPU meanwhile.
fast: $(VENV)/.installed-dev ## the tests without browser and training
	$(BIN)/python -m pytest -n 4 --dist loadgroup -m "not browser and not training"

lint: $(VENV)/.installed-$(TEST_LOCK) ## style, types, and security linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit -q -c pyproject.toml -r csss
	$(BIN)/bandit -q -c pyproject.toml -s B311 -r training  # random numbers there are for science, not for secrets

check: $(VENV)/.installed-$(TEST_LOCK) ## known vulnerabilities of our dependencies, and their list in sbom.json
	$(BIN)/python -W ignore::UserWarning -m tests.dependencies

asvs: $(VENV)/.installed-$(TEST_LOCK) ## how far OWASP ASVS 5.0 is met, with every gap (docs/asvs.toml)
	$(BIN)/python -m tests.asvs $(ARGS)

fuzz: $(VENV)/.installed-dev ## fuzz every form, id, filter and header, for a long time (EXAMPLES=20000)
	$(BIN)/python -m pytest tests/rules/test_nonsense.py tests/rules/test_fuzz.py --hypothesis-profile=fuzz --timeout=0

damages: $(VENV)/.installed-dev ## test with randomly damaged pictures (EXAMPLES=5000), and 500 good ones
	$(BIN)/python -m pytest tests/integration/test_damages.py tests/dicom/test_damaged_files.py --hypothesis-profile=fuzz --timeout=0

bench: $(VENV)/.installed-train ## measure the performance budgets on this machine
	$(BIN)/python -m benchmarks

chaos: $(VENV)/.installed-dev ## the fault matrix, each fault 20 times on both databases (ARGS="--list" names them)
	$(BIN)/python -m tests.chaos $(ARGS)

load: $(VENV)/.installed-train ## fifty people at once for ten minutes (ARGS="--minutes 1 --database sqlite")
	$(BIN)/python -m benchmarks.load $(ARGS)

screenshots: $(VENV)/.installed-dev ## screenshots of every page, in screenshots/
	$(BIN)/python -m tests.screenshots $(ARGS)

messages: $(VENV)/.installed-dev ## collect the texts for translators, and compile their translations
	$(BIN)/pybabel -q extract -F babel.cfg -k _l -k _n:1,2 --no-location --project=CSSS -o messages.pot .
	if ls csss/translations/*/ >/dev/null 2>&1; then $(BIN)/pybabel -q update -i messages.pot -d csss/translations \
	&& $(BIN)/pybabel -q compile -d csss/translations; fi

train: $(VENV)/.installed-train ## train the classifier (see docs/training.md)
	$(BIN)/python -m training all

lock: ## resolve requirements/*.txt again from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra postgres --extra demo $(LOCK) -o requirements/run.txt
	uv pip compile pyproject.toml --extra postgres --extra demo --extra test $(LOCK) -o requirements/dev.txt
	uv pip compile pyproject.toml --extra postgres --extra demo --extra test --extra train --extra load $(LOCK) -o requirements/train.txt

clean: ## remove installed and generated files
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist
