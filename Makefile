# Everything a person or a CI machine does with this repository; `make` alone lists the targets.
# Needs GNU Make 4.3, bash and Python 3.11 or newer. The path of the repository must not contain spaces.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
N ?= 40
BIN := .venv/bin
LABEL_STUDIO_VERSION := 1.23.2
LABEL_STUDIO := .label-studio/venv

INSTALLED := .venv/.installed
LABEL_STUDIO_INSTALLED := .label-studio/.installed-$(LABEL_STUDIO_VERSION)

# A process that native code ends leaves its stack.
export PYTHONFAULTHANDLER := 1

# Package folders that pip is told of and does not find are a warning a line; everything else is shown.
QUIET := 2> >(grep -v "is ignored: it is neither a file nor a directory" >&2 || true)
PIP_OPTIONS := --quiet --disable-pip-version-check

.PHONY: help
help:
	@sed -n 's/^## //p' Makefile

## make demo            Label Studio, backend and a first round, ready to look at (DEMO_HOME, LS_PORT, ECG_PORT, ECG_CONSOLE_PORT)
.PHONY: demo
demo: setup label-studio browser
	@$(BIN)/python -m examples.demo

## make demo-annotate   annotate N=40 more reports in the running demo, most uncertain first; a row a round
.PHONY: demo-annotate
demo-annotate: setup
	@$(BIN)/python -m examples.annotate --n $(N)

## make test            everything: checks, all tests, a real Label Studio
.PHONY: test
test: setup label-studio browser check
	@$(MAKE) --no-print-directory --jobs 2 test-e2e test-parts

# Side by side: the end-to-end tests mostly wait for processes that they have started. Each line says whose it is.
.PHONY: test-e2e test-parts
test-e2e:
	$(BIN)/pytest -vv -m e2e 2>&1 | sed -u 's/^/[e2e] /'
test-parts:
	$(BIN)/pytest -m "not e2e" 2>&1 | sed -u 's/^/[parts] /'

## make test-fast       the tests that start no Label Studio and train nothing
.PHONY: test-fast
test-fast: setup
	$(BIN)/pytest -m "not e2e and not slow"

## make check           format, lint, types, architecture and documentation
.PHONY: check
check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest tests/test_architecture.py tests/test_docs.py

## make lock            resolve requirements*.in again (PIP_FIND_LINKS: folders of wheels to consider)
# Versions stay where they can: delete a line of the lock file to move that package on.
# What torch needs beside it depends on the machine and is left to `make setup`, so the lock names neither
# its CUDA packages nor the +cpu of a build that PIP_FIND_LINKS may offer.
COMPILE = $(BIN)/uv pip compile --quiet --override overrides.txt --no-header --no-annotate --no-emit-index-url \
	--python-version 3.11 $(addprefix --find-links ,$(PIP_FIND_LINKS))
PORTABLE := sed -E -e 's/\+cpu$$//' -e '/^(nvidia|cuda)-|^triton==/d'
NEW := build/lock
.PHONY: lock
lock: setup
	@rm -rf $(NEW); mkdir -p $(NEW)
	@grep -hv '^torch==' requirements.lock > $(NEW)/all.txt
	@cat $(NEW)/all.txt requirements-dev.lock > $(NEW)/dev.txt
	@echo "resolving requirements.in"
	@$(COMPILE) requirements.in -o $(NEW)/all.txt
	@$(PORTABLE) $(NEW)/all.txt > $(NEW)/requirements.lock
	@echo "resolving requirements-dev.in"
	@$(COMPILE) requirements-dev.in --constraint $(NEW)/all.txt -o $(NEW)/dev.txt
	@$(PORTABLE) $(NEW)/dev.txt | grep -vxFf $(NEW)/requirements.lock > $(NEW)/requirements-dev.lock
	@mv $(NEW)/requirements.lock $(NEW)/requirements-dev.lock .

## make setup           .venv with everything of the lock files
.PHONY: setup
setup: $(INSTALLED)

# torch goes first and alone: only so does pip bring the wheels it needs on this machine.
$(INSTALLED): requirements.lock requirements-dev.lock
	@rm -f $@
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1): make PYTHON=python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "creating .venv"; $(PYTHON) -m venv --clear .venv; }
	@echo "installing torch (200 MB to 3 GB, once)"
	@$(BIN)/python -m pip install $(PIP_OPTIONS) "$$(grep '^torch==' requirements.lock)" $(QUIET)
	@echo "installing $$(cat requirements.lock requirements-dev.lock | wc -l) packages of the lock files"
	@$(BIN)/python -m pip install $(PIP_OPTIONS) --no-deps -r requirements.lock -r requirements-dev.lock $(QUIET)
	@$(BIN)/python -m pip install $(PIP_OPTIONS) --no-deps --no-build-isolation -e . $(QUIET)
	@touch $@

## make label-studio    Label Studio in a virtual environment of its own
.PHONY: label-studio
label-studio: $(LABEL_STUDIO_INSTALLED)

$(LABEL_STUDIO_INSTALLED): | $(INSTALLED)
	@rm -f .label-studio/.installed-*
	@echo "installing Label Studio $(LABEL_STUDIO_VERSION) into $(LABEL_STUDIO) (1 GB, once)"
	@$(BIN)/python -m venv $(LABEL_STUDIO)
	@$(LABEL_STUDIO)/bin/python -m pip install $(PIP_OPTIONS) "label-studio==$(LABEL_STUDIO_VERSION)" $(QUIET)
	@touch $@

## make browser         Chromium and Chinese fonts, for screenshots of Label Studio
.PHONY: browser
browser:
	@if { command -v chromium || command -v chromium-browser || command -v google-chrome; } > /dev/null \
		&& fc-list :lang=zh 2> /dev/null | grep -q .; then exit 0; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "installing Chromium and fonts"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get -qq update > /dev/null; \
		apt-get -qq -y install chromium fonts-noto-cjk fontconfig > /dev/null; \
	else \
		echo "No Chromium or no Chinese font here: screenshots are left out. Install chromium and fonts-noto-cjk." >&2; \
	fi
