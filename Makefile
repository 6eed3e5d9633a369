# make adapt LANG=dutch     gives an English model a new mother tongue
# make help                 says what else there is
#
# LANG is also the POSIX locale, which every shell exports. So it counts only when typed on make's own command line,
# and it is never handed on to the programs below under that name.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

override language :=
ifeq ($(origin LANG),command line)
override language := $(value LANG)
endif
override MAKEOVERRIDES := $(filter-out LANG=%,$(MAKEOVERRIDES))
unexport LANG LANGUAGE
override LC_ALL := C.UTF-8
export LC_ALL

# Handed over through the environment: no character in them is ever read by make or a shell.
override MT_LANGUAGE := $(language)
override MT_ARGS := $(value ARGS)
override MT_STEP := $(value STEP)
# As LANG, only where it was typed: an environment may hold a secret of that name, which is not to be shown.
override MT_TOKEN :=
ifeq ($(origin TOKEN),command line)
override MT_TOKEN := $(value TOKEN)
unexport TOKEN
endif
override MT_SOURCE :=
ifeq ($(origin SOURCE),command line)
override MT_SOURCE := $(value SOURCE)
unexport SOURCE
endif
define typed
override MT_$(1) :=
ifeq ($$(origin $(1)),command line)
override MT_$(1) := $$(value $(1))
unexport $(1)
endif
export MT_$(1)
endef
$(foreach name,FROM TEXT FILE OUT DECODING,$(eval $(call typed,$(name))))
export MT_LANGUAGE MT_ARGS MT_STEP MT_TOKEN MT_SOURCE
unexport ARGS STEP

PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
PIPELINE := $(VENV)/bin/python -m pipeline
PLANNED := --language "$$MT_LANGUAGE" --args "$$MT_ARGS"
# What a switch that is 1 stands for. Any other value is refused: PLAN=yes must not start the real thing.
switch = $(if $(value $(1)),$(if $(filter-out 1,$(value $(1))),$(error $(1)=$(value $(1)): write $(1)=1, or leave it out),$(2)))
no_plan = $(if $(value PLAN),$(error make $@ takes no PLAN: leave it out; make plan shows what would run))

.PHONY: adapt train leaderboard curves corpus plan fetch status config logs explain translate trace languages cards lock verify du gc setup test test-network test-slow test-slurm check format help

adapt: $(INSTALLED)
	@$(PIPELINE) $(or $(call switch,PLAN,plan),adapt) $(PLANNED)

plan status config: $(INSTALLED)
	@$(PIPELINE) $@ $(PLANNED)

fetch: $(INSTALLED)
	@$(no_plan)$(PIPELINE) $@ $(PLANNED)

train leaderboard curves corpus: $(INSTALLED)
	@$(PIPELINE) $@ $(call switch,PLAN,--plan) $(PLANNED)

logs: $(INSTALLED)
	@$(PIPELINE) logs --step "$$MT_STEP" $(PLANNED)

explain: $(INSTALLED)
	@$(PIPELINE) explain --token "$$MT_TOKEN" $(PLANNED)

translate: $(INSTALLED)
	@$(no_plan)$(PIPELINE) translate --from "$$MT_FROM" --text "$$MT_TEXT" --file "$$MT_FILE" --out "$$MT_OUT" --decoding "$$MT_DECODING" $(PLANNED)

trace: $(INSTALLED)
	@$(PIPELINE) trace --source "$$MT_SOURCE" --args "$$MT_ARGS"

languages: $(INSTALLED)
	@$(PIPELINE) languages $(call switch,MEASURE,--measure)

cards lock: $(INSTALLED)
	@$(PIPELINE) $@

verify du: $(INSTALLED)
	@$(PIPELINE) $@ --args "$$MT_ARGS"

gc: $(INSTALLED)
	@$(PIPELINE) gc $(call switch,APPLY,--apply) --args "$$MT_ARGS"

setup: $(INSTALLED)

# torch first, by its pin. Whether that brings CUDA (gigabytes) is the package index's to say: README, torch.
$(INSTALLED): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than 3.11; name another with PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "error: this Python cannot make virtual environments; apt-get install python3-venv" >&2; exit 2; }
	@echo "Setting up $(VENV) (a few minutes, once)"
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Two processes beside each other; threads that wait for others sleep, since each process has threads of its own.
test: check
	@GOMP_SPINCOUNT=0 OMP_WAIT_POLICY=passive $(VENV)/bin/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

test-network: $(INSTALLED)
	@$(VENV)/bin/python -m pytest -m "network and not slow"

test-slurm: $(INSTALLED)
	@tests/slurm_node.sh
	@$(VENV)/bin/python -m pytest -m slurm

test-slow: $(INSTALLED)
	@$(VENV)/bin/python -m pytest -m "slow and not slurm" --timeout 5400

check: $(INSTALLED)
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --quiet --check .
	@$(VENV)/bin/mypy --no-error-summary

format: $(INSTALLED)
	@$(VENV)/bin/ruff check --quiet --fix .
	@$(VENV)/bin/ruff format --quiet .

help:
	@printf '%s\n' \
		'make adapt LANG=dutch              adapt the default model to Dutch; again: does only what is missing' \
		'  ARGS="mapping=mean"              any Hydra override; only what depends on it is made again' \
		'  ARGS="-m mapping=mean,random"    every combination, shared where possible, one table at the end' \
		'  ARGS="experiment=smoke"          the whole chain on a tiny model in a minute or two, without network' \
		'  ARGS="cluster=slurm"             as a chain of Slurm jobs; you may log out' \
		'make train LANG=dutch              the adapted model alone; Ctrl-C saves, again goes on; PLAN=1: what would run' \
		'make leaderboard LANG=dutch        every initialisation method on the same text; PLAN=1: what would run' \
		'make curves LANG=dutch             adapted and source model at equal bytes and equal FLOPs; PLAN=1: what would run' \
		'make corpus LANG=dutch             the corpus alone, with a report of what was kept and dropped; PLAN=1: what would run' \
		'make plan LANG=dutch               what would run and why, tokens, disk, time, GPU-hours; runs nothing' \
		'make fetch LANG=dutch              download and ingest alone, where compute nodes reach no network' \
		'make status LANG=dutch             steps finished, queued, running (where), failed (log, remedy)' \
		'make logs LANG=dutch STEP=corpus   the newest log of a step' \
		'make explain LANG=dutch TOKEN=huis where the embedding of a token comes from; also TOKEN=▁huis, TOKEN=#123' \
		'make translate LANG=dutch FROM=english TEXT="A house." into Dutch by the Hydra model; FILE=in.txt OUT=out.txt, DECODING=beam' \
		'make config LANG=dutch             the composed configuration' \
		'make languages                     what LANG may be, and what packaged text each has; MEASURE=1: read what is new or changed' \
		'make cards                         check every data card and list them' \
		'make trace SOURCE=opensubtitles    every artifact and model that contains a source' \
		'make verify                        hash all artifacts again' \
		'make du                            disk by artifact' \
		'make gc [APPLY=1]                  remove what no run uses' \
		'make lock                          pin the newest versions of all sources' \
		'make test                          lint, types and tests; test-network, test-slow, test-slurm: the rest' \
		'make setup                         only .venv'
