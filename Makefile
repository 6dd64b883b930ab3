# Each target is one command of the project; `setup` is the only one that a fresh machine needs
# and every other target asks for it.
.DEFAULT_GOAL := help
.PHONY: help setup book test full data verify bench serve lab clean lock

VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Real data beside the checkout is used unless NODELIB_DATA says otherwise (empty means: none).
ifeq ($(origin NODELIB_DATA), undefined)
ifneq ($(wildcard ../shared/data/.),)
export NODELIB_DATA := $(abspath ../shared/data)
endif
endif

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## create .venv and install the locked versions (done once, redone when the lock changes)

$(READY): requirements.lock pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh $(VENV)

book: $(READY) ## execute what changed, render the book into _build/html
	@$(BIN)/nodelib build

test: $(READY) ## style, units, notebooks, book and browser
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile

full: $(READY) ## run the paper-scale experiments and record them (hours)
	@$(BIN)/nodelib run --profile full

data: $(READY) ## download the data sets into the cache
	@$(BIN)/nodelib data fetch mnist mitdb nsrdb chfdb nsr2db chf2db

verify: $(READY) ## re-derive every recorded result
	@$(BIN)/nodelib verify

bench: $(READY) ## compare speed with peers, in one process
	@$(BIN)/nodelib bench

serve: $(READY) ## read the book at http://localhost:8000
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html 8000

lab: $(READY) ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab notebooks

clean: ## remove everything that can be made again, the environment included
	@rm -rf _build $(VENV) *.egg-info

lock: ## pin the newest versions that pyproject.toml allows (for maintainers)
	@sh scripts/lock.sh
