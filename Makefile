# The two commands a stranger needs: `make demo` and `make test`. Everything else is a part of one of them.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
PEERS  := .venv-peers
AXE    := $(VENV)/axe/.installed
OPEN   ?= 1
PORT   ?= 8000
DEMO   := data/local/demo
# A night's list speaks of one moment; the sample dump's is fixed, so that the demo always shows the same desk.
NIGHT  := 2026-11-21T06:00:00Z

.PHONY: help setup demo test test-all mltest lint bench bench-models bench-nightly clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP)  ## create .venv and install exactly what requirements.lock names (nothing to do when it is up to date)

$(STAMP): requirements.lock
	@echo "== setup: creating $(VENV) and installing requirements.lock (one to three minutes)"
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Amends needs Python 3.11 or newer; run make PYTHON=/path/to/python3.11 setup")'
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $(STAMP)

demo: setup  ## train on the starter corpus, score the sample dump, open the desk (OPEN=0: all but serve; PORT=8000)
	@echo "== train: the starter corpus (data/starter)"
	$(PY) train.py --config configs/demo.yaml --promote
	@echo "== score: the sample dump (data/sample)"
	$(PY) score.py data/sample --output $(DEMO) --enqueue --as-of $(NIGHT)
ifneq ($(OPEN),0)
	@echo "== serve: open the link that is printed now (Ctrl-C stops the desk)"
	$(PY) serve.py --demo --port $(PORT)
else
	@echo "== done; see the desk with: make demo"
endif

test: setup $(AXE)  ## the fast tests (what CI runs)
	HF_HUB_OFFLINE=1 $(PY) -m pytest -n 2 -m "not slow" $(ARGS)

test-all: setup $(AXE) $(VENV)/.scale  ## every test, the slow ones too (installs Ray and Spark)
	HF_HUB_OFFLINE=1 $(PY) -m pytest -n 2 $(ARGS)

mltest: setup  ## the ML Test Score: 28 items, what proves each, and the score
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(PY) -m tests.mltest

lint: setup  ## ruff and mypy --strict
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: setup  ## every published figure, each against its peer in the same run (results: benchmarks/RESULTS.md)
	$(PY) -m benchmarks

bench-nightly: setup  ## a night by stage, against the usual script and the last recorded result
	$(PY) -m benchmarks.nightly $(ARGS)

# The accessibility tests read their rules from npm; where it is not installed they skip, and CI does not let them.
$(AXE): $(STAMP)
	@if command -v npm >/dev/null; then npm install --silent --no-save --prefix $(VENV)/axe axe-core@4.14.1 >/dev/null; fi
	@mkdir -p $(VENV)/axe && touch $(AXE)

$(VENV)/.scale: $(STAMP) requirements-scale.lock
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-scale.lock
	@touch $@

bench-models: $(PEERS)/.installed  ## we and our peers on the same splits: hours; goes on if cut short (ARGS="--sets airline")
	HF_HUB_OFFLINE=1 $(PEERS)/bin/python -m benchmarks.models $(ARGS)

$(PEERS)/.installed: $(STAMP) benchmarks/requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $$($(PEERS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ours.pth
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

clean:  ## remove the virtual environment and everything made locally (data/local)
	rm -rf $(VENV) $(PEERS) data/local
