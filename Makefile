# Two commands are enough: `make up` starts the appliance, `make test` runs every check.
# A fresh machine needs python3 (3.13, with venv and pip) and make; everything else is set up below, inside this folder.

SHELL := /bin/bash
.DEFAULT_GOAL := help
UV_VERSION := 0.13.9
PYTHON ?= python3
TOOLS := .tools
UV := $(TOOLS)/bin/uv
BIN := .venv/bin
export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON := $(TOOLS)/bin/python
export UV_CACHE_DIR ?= $(CURDIR)/.cache/uv

.PHONY: eval gateways model fuzz help setup up test lint unit system conformance bench soak docs clean system-packages

help: ## Show these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(UV): Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' || \
	  { echo "gnomon needs Python 3.13; $(PYTHON) is $$($(PYTHON) -V 2>&1). Install it, or run: make PYTHON=/path/to/python3.13" >&2; exit 2; }
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tools.lock
	@touch $(UV)

.venv/.synced: $(UV) pyproject.toml uv.lock
	@$(UV) sync --locked --all-groups --quiet
	@echo "building the detection tables (once)"
	@$(BIN)/python -m appliance.cli prepare
	@$(BIN)/python -I -O -c "import addons.chain, addons.launch" # compiled once, so that the first worker starts fast
	@touch .venv/.synced

setup: .venv/.synced ## Set up the environment from the lock

up: setup ## Start the appliance with its embedded defaults
	@exec $(BIN)/gnomon up

test: setup system-packages lint unit system ## Run every check

lint: setup ## Formatting, lint, types, import contracts
	@mkdir -p .cache
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > .cache/imports.txt || { cat .cache/imports.txt; exit 1; }
	@$(BIN)/codespell --skip '*/kernel_filter.py,*/fixtures/*,*/uv.lock,*/names_lists.json,*/training/*.toml,*/test_injection_*.py,*/topics/lexicon.py,*/injection/rules.toml,*/toxic_words.py,*/output/phrases.py,*/mac_vendors.json,*/tokens_counted.json' --ignore-words-list rime,domians,oder,deine,woh,mroe,mot,fpr,lication,ervice,singel,adresse,direccion,adres,januar,calle,carrer,februar,juni,juli,oktober,dezember,nd,confidencial,ecret,sais,ist,instruccion,entiti,cript,te,ue,caf,hel,tru,alle,ore,whats,alow,servises,limti appliance addons discovery tui tests docs README.md

unit: setup ## Tests inside one process
	@$(BIN)/pytest -q -n 2 -m "not system and not conformance"

system: setup ## Tests with real processes
	@$(BIN)/pytest -q -m "system and not conformance" --durations=25

# SDKs of providers live in environments of their own: tests/conformance/*/uv.lock.
.cache/conformance/%/.synced: tests/conformance/%/uv.lock $(UV)
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.cache/conformance/$* $(UV) sync --locked --quiet --project tests/conformance/$*
	@touch $@

.cache/classifier/.synced: tests/eval/classifier/uv.lock $(UV)
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.cache/classifier $(UV) sync --locked --quiet --project tests/eval/classifier
	@touch $@

conformance: MORE := prometheus:prometheus
conformance: setup system-packages .cache/conformance/sdk/.synced .cache/conformance/litellm/.synced .cache/conformance/servers/.synced .cache/conformance/replay/.synced .cache/conformance/issuer/.synced .cache/conformance/otel/.synced .cache/classifier/.synced ## Further variants with real SDKs, terminals, sensors and servers
	@$(BIN)/pytest -q -m conformance
	@$(BIN)/python tests/discovery/captures_page.py docs/CONFORMANCE.md

bench: setup gateways .cache/bench-peers/.synced .cache/conformance/replay/.synced ## Measure, and write docs/PERFORMANCE.md
	@$(BIN)/gnomon bench all --with-peers --write docs/PERFORMANCE.md

eval: setup ## Measure detection on the shared labelled texts, and write docs/DETECTION.md
	@$(BIN)/python tests/eval/run.py ../shared/data/datasets docs/DETECTION.md

.cache/bench-peers/.synced: tests/eval/peers/uv.lock $(UV)
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.cache/bench-peers $(UV) sync --locked --quiet --project tests/eval/peers
	@touch $@

gateways: MORE := npm:npm
gateways: setup system-packages .cache/gateways/litellm/.synced .cache/gateways/portkey/.synced ## Other gateways, to be measured beside this one

.cache/gateways/litellm/.synced: tests/eval/gateways/litellm/uv.lock $(UV)
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.cache/gateways/litellm $(UV) sync --locked --quiet --project tests/eval/gateways/litellm
	@touch $@

.cache/gateways/portkey/.synced: tests/eval/gateways/portkey/package-lock.json
	@mkdir -p $(@D) && cp tests/eval/gateways/portkey/package*.json $(@D)/ && cd $(@D) && npm ci --ignore-scripts --omit=dev --no-fund --no-audit --silent
	@touch $@

.cache/eval/.synced: tests/eval/training/uv.lock $(UV)
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.cache/eval $(UV) sync --locked --quiet --project tests/eval/training
	@touch $@

model: setup .cache/eval/.synced ## Train the injection model anew (its weights, and what it says on unseen sources)
	@PYTHONPATH=. .cache/eval/bin/python tests/eval/training/train.py --data ../shared/data/datasets/injection.jsonl \
	  --out appliance/inspect/injection/model.bin

fuzz: setup ## Mutate bodies and streams, 1,000,000 times; no parser may fail, be slow or grow
	@$(BIN)/python tests/fuzz/run.py --cases 1000000 --seed 1
	@PYTHONPATH=. $(BIN)/python tests/discovery/packets_mutated.py --packets 1000000 --seed 1

soak: setup ## Kill processes under load, 100 rounds; no record may be lost
	@$(BIN)/python tests/system/kill_rounds.py --rounds 100 --seed 1
	@$(BIN)/python -m discovery.bench_flat

docs: setup ## Write the reference pages from the code
	@$(BIN)/python -m appliance.config.reference > docs/reference/config.md
	@$(BIN)/python -m appliance.cli.reference > docs/reference/cli.md
	@$(BIN)/python -m appliance.cli.vocabulary > docs/reference/vocabulary.md
	@$(BIN)/python -m appliance.config.catalogue_reference > docs/reference/catalogue.md
	@$(BIN)/python -m appliance.policy.document > docs/reference/policy.schema.json
	@$(BIN)/python -m appliance.config.guards > docs/reference/guards.md
	@$(BIN)/python tests/addons/failures_page.py > docs/reference/failures.md

# Programs that tests use beside Python; tests that need one skip with its name where it cannot be had.
system-packages:
	@mkdir -p .cache
	@missing=""; for p in curl:curl nft:nftables ip:iproute2 openssl:openssl tmux:tmux chromium:chromium certutil:libnss3-tools tshark:tshark node:nodejs wget:wget slapd:slapd $(MORE); do \
	  command -v $${p%%:*} >/dev/null 2>&1 || PATH=$$PATH:/usr/sbin command -v $${p%%:*} >/dev/null 2>&1 || missing="$$missing $${p##*:}"; done; \
	ls /usr/lib/*/c_icap/srv_url_check.so >/dev/null 2>&1 || missing="$$missing c-icap libc-icap-mod-urlcheck"; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing for tests:$$missing"; \
	    { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; } >.cache/apt.log 2>&1 \
	      || echo "could not install$$missing (see .cache/apt.log); the tests that need them will be skipped" >&2; \
	  else echo "missing for some tests:$$missing (install them as root to run every test)" >&2; fi; fi

clean: ## Remove everything that was set up here
	@rm -rf .venv $(TOOLS) .cache
