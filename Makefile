PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check
INTEGRATIONS := haystack llama_index langchain
EDGE := examples/browser
SCALE_OUT := .scale-out
CLIENTS := cohere-7 cohere-5

.PHONY: demo browser test test-recipe test-edge test-clients test-real-sizes check docs install-lines bench bench-server bench-peers bench-gpu wheels clean

demo: $(VENV)/.demo  ## two-stage search on a small corpus, with the model that ships (light install)
	$(BIN)/rerank demo

browser: $(EDGE)/node_modules/.package-lock.json $(EDGE)/models/embedded/config.json  ## reranking in a browser, at http://localhost:8000/ (needs Node)
	$(BIN)/python $(EDGE)/serve.py

# One thread a process: two that each want all cores wait for each other. A process that dies ends
# the run: xdist 3.8 would start another and wait for ever for the tests of both.
test: $(VENV)/.dev  ## every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

test-recipe: $(VENV)/.dev  ## the recipe of the embedded model
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --max-worker-restart 0 examples/embedded_model/tests

test-real-sizes: $(VENV)/.dev  ## every network with random weights at real size (minutes, gigabytes)
	$(BIN)/python -m pytest tests/real_sizes.py

# Node 18 or newer and npm: apt-get install nodejs npm
test-edge: $(VENV)/.dev  ## models in Node and in a browser; skipped where there is no Node
	@if command -v npm > /dev/null; then \
	    $(MAKE) $(EDGE)/node_modules/.package-lock.json $(EDGE)/models/embedded/config.json && \
	    OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(EDGE)/tests; \
	else echo "test-edge is skipped: there is no npm here (Debian: apt-get install nodejs npm)"; fi

# Node 20 or newer. Where the package index does not answer, nothing is installed, and where npm's does
# not, nothing for Node: those tests are skipped.
test-clients: $(VENV)/.dev  ## clients of other services against `rerank serve`, in environments of their own
	@if $(PIP) download --quiet --no-deps --retries 1 --dest build/index rerankers; then \
	    $(MAKE) --jobs 3 $(CLIENTS:%=.clients/%/installed) \
	        $$(npm view cohere-ai version --fetch-retries 1 > /dev/null 2>&1 \
	            && echo tests/clients/node_modules/.package-lock.json); \
	fi
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/clients/real_clients.py

# In an environment of its own, without torch; Ray and what it imports warn of their own future.
# Spark is tested where Java is when the environment is made (Debian: apt-get install default-jre-headless).
# Without pytest's logging, which keeps the errors that Ray logs, with their frames and so the actors.
test-scale-out: $(SCALE_OUT)/.made  ## a Ray cluster of two processors on this machine
	OMP_NUM_THREADS=1 $(SCALE_OUT)/bin/python -m pytest -p no:logging --confcutdir examples/ray/tests -o filterwarnings=default examples/ray/tests

check: docs  ## lint, format, types, the public names, and the site's links
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	for folder in $(INTEGRATIONS:%=integrations/%) examples/embedded_model; do \
	    (cd $$folder && $(CURDIR)/$(BIN)/mypy) || exit 1; \
	done
	$(BIN)/python -m pytest -q tests/test_exports.py

docs: $(VENV)/.dev  ## the pages as a site, in build/site; a broken link stops it
	$(BIN)/zensical build --clean --strict

install-lines: $(VENV)/.dev  ## every install line of the pages and of the Dockerfile, each in a fresh environment (minutes, gigabytes)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -o faulthandler_timeout=1800 tests/install_lines.py tests/dockerfile_lines.py tests/docker_image.py

bench: $(VENV)/.dev  ## measure this machine; writes docs/benchmarks.md
	$(BIN)/python -m benchmarks

bench-server: $(VENV)/.dev  ## rerank serve under load, beside infinity and a plain service (minutes, a gigabyte)
	$(BIN)/python -m benchmarks server

bench-peers: $(VENV)/.dev  ## the same weights in other libraries, each in its own environment (gigabytes)
	$(BIN)/python -m benchmarks peers

bench-gpu: $(VENV)/.dev  ## measure this machine's GPU; writes docs/benchmarks-gpu.md
	$(BIN)/python -m benchmarks gpu --report docs/benchmarks-gpu.md

wheels: $(VENV)/.dev  ## the four distributions, in dist/
	$(PIP) wheel --no-deps --wheel-dir dist . $(INTEGRATIONS:%=./integrations/%)

clean:
	rm -rf $(VENV) $(SCALE_OUT) .clients tests/clients/node_modules $(EDGE)/node_modules $(EDGE)/models dist build .cache .pytest_cache .mypy_cache .ruff_cache

# onnxruntime-node would fetch its CUDA build from another host than npm's.
$(EDGE)/node_modules/.package-lock.json: $(EDGE)/package-lock.json
	ONNXRUNTIME_NODE_INSTALL_CUDA=skip npm ci --prefix $(EDGE) --no-audit --no-fund

tests/clients/node_modules/.package-lock.json: tests/clients/package-lock.json
	npm ci --prefix tests/clients --ignore-scripts --no-audit --no-fund

.clients/%/installed: tests/clients/%.txt constraints.txt
	rm -rf $(@D)
	$(BIN)/python -m venv $(@D)
	$(@D)/bin/pip --disable-pip-version-check install --quiet --no-compile --prefer-binary -c constraints.txt -r $<
	touch $@

$(EDGE)/models/embedded/config.json: $(wildcard rerank_plugins/embedded/*) $(wildcard rerank_plugins/backends/graphs/*.py) | $(VENV)/.demo
	$(BIN)/rerank compile embedded --layout transformers.js -o $(@D)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}. Type: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the demo needs into $(VENV), once: a minute or two without a word."
	$(PIP) install --quiet -c constraints.txt -e ".[cli]"
	touch $@

$(SCALE_OUT)/.made: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(SCALE_OUT)
	$(SCALE_OUT)/bin/pip --disable-pip-version-check install --quiet -c constraints.txt -e ".[ray]" pytest pytest-asyncio httpx \
	    $$(command -v java > /dev/null && echo pyspark)
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt requirements-dev.txt $(wildcard integrations/*/pyproject.toml) examples/embedded_model/pyproject.toml | $(BIN)/python
	@echo "Installing torch, the frameworks and what tests need into $(VENV), once: minutes without a word."
	$(PIP) install --quiet -c constraints.txt -e ".[train,int8,jax,server]" $(INTEGRATIONS:%=-e ./integrations/%) -e ./examples/embedded_model -r requirements-dev.txt
	touch $@ $(VENV)/.demo
