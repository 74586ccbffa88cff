# `make run` and `make test` need nothing but Python 3.11 and make; see CONTRIBUTING.md for the rest.
PYTHON := $(or $(shell command -v python3.11),python3)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: run test bench harden check install install-dev format docs lock clean

# The reference company on a real RabbitMQ, watched by ordertrace. ARGS="--seed 7 --orders-per-minute 120"
run: install
	@deploy/debian-packages.sh run
	@exec $(BIN)/ordertrace demo $(ARGS)

# Everything that must hold; ends with pytest's summary. ARGS="tests/api -k limit" narrows it.
test: install-dev
	@deploy/debian-packages.sh test
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest -q $(ARGS)

# Figures, into bench/results; beside other programs that are named in ORDERTRACE_BENCH_… (bench/peer_programs.py).
bench: install-dev
	$(BIN)/python -m bench --broker $(ARGS)
	$(BIN)/python -m bench.peers

# A hundred thousand mutated requests, twenty kills under load, a full disk, and real senders.
harden: install-dev
	$(BIN)/python -m bench.fuzz $(ARGS)
	$(BIN)/python -m bench.kills
	$(BIN)/python -m bench.senders

# Style, types and the import contract, without tests.
check: install-dev
	@$(BIN)/ruff check -q
	@$(BIN)/ruff format -q --check
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > $(VENV)/lint-imports.txt || { cat $(VENV)/lint-imports.txt; exit 1; }

# What `make run` needs; and what all else needs beside it.
install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

format: install-dev
	$(BIN)/ruff check -q --fix
	$(BIN)/ruff format -q

docs: install-dev
	$(BIN)/sphinx-build -q -W -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

# Pins every package again, newest versions that pyproject.toml allows; no registry addresses inside.
COMPILE = $(BIN)/uv pip compile pyproject.toml --group demo --group build --python-version 3.11 \
  --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q
lock: $(VENV)/bin/uv
	$(COMPILE) --group test --group docs --upgrade -o requirements-dev.lock
	$(COMPILE) --constraint requirements-dev.lock -o requirements.lock

clean:
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache docs/_build

$(VENV)/bin/uv: requirements.lock
	@deploy/debian-packages.sh python $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check "$$(grep '^uv==' requirements.lock)"
	@touch $@

# uv is quicker; pip knows registries that are configured for pip alone.
define install_pinned
@echo "Installing the pinned packages into $(VENV) …"
@$(BIN)/uv pip install -q -p $(BIN)/python $(2) -r $(1) || $(BIN)/python -m pip install -q --disable-pip-version-check -r $(1)
endef

$(VENV)/.installed: pyproject.toml requirements.lock $(VENV)/bin/uv
	$(call install_pinned,requirements.lock,--compile-bytecode)
	@$(BIN)/uv pip install -q -p $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(call install_pinned,requirements-dev.lock)
	@touch $@
