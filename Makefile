# Everything needs only make, Python 3.11 or later and a package index; all of it stays in .venv.
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := .venv/.ready
READY := .venv/.installed
ARGS ?=

# Trials share the cores: one thread each, unless --cpus-per-trial says otherwise.
export OMP_NUM_THREADS ?= 1

.PHONY: search dashboard test test-fast test-faults test-cluster fuzz audit lint setup lock upgrade-check \
  cluster-token
search: $(READY)
	@$(BIN)/python -m search.run --space crnn $(ARGS)

# The newest run, or that of RUN=runs/NAME, in the browser.
dashboard: $(READY)
	@$(BIN)/python -m search.dashboard $(RUN) $(ARGS)

# Tests mostly wait for processes that they start: one more of them than there are cores here. Each
# file is run by one, for its tests share what they prepare.
JOBS ?= 3
PARALLEL := -n $(JOBS) --dist loadfile --no-loadscope-reorder
test: $(READY)
	@$(BIN)/python -m pytest -m "not long" $(PARALLEL) $(ARGS)

# What docs/promises.md promises; ends with its table.
test-faults: $(READY)
	@$(BIN)/python -m pytest -m fault $(ARGS)

# So many inputs of each kind, other ones each time.
FUZZ ?= 400
fuzz: $(READY)
	@FUZZ=$(FUZZ) $(BIN)/python -m pytest tests/fuzz --timeout 0 $(ARGS)

# Known weaknesses of the locked packages; a closed network is said and is no failure.
AUDIT := api.osv.dev
audit: $(READY)
	@$(BIN)/python -c 'import socket; socket.create_connection(("$(AUDIT)", 443), timeout=5)' 2> /dev/null \
	  || { echo "audit: $(AUDIT) does not answer, nothing was audited"; exit 0; } \
	  && $(BIN)/uvx --quiet pip-audit@2.10.1 --requirement requirements.lock --require-hashes \
	    --disable-pip --vulnerability-service osv --progress-spinner off

test-fast: $(READY)
	@$(BIN)/python -m pytest -m "not ray and not slow and not long" $(PARALLEL) $(ARGS)

# Hosts in network namespaces: as root, with Debian's openssh-server, rsync and iproute2.
test-cluster: $(READY)
	@$(BIN)/python -m pytest tests/cluster $(ARGS)

# One secret lets into the cluster; cluster.yaml puts it on every machine. Kept where Ray looks.
cluster-token: $(READY)
	@umask 077; $(BIN)/ray get-auth-token --generate > /dev/null 2>&1
	@chmod 600 ~/.ray/auth_token
	@echo "the cluster's token is in ~/.ray/auth_token"

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

setup: $(READY)

# Editable, so that `import search` works from any folder. Everything it needs is locked.
$(READY): $(PACKAGES) pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation \
	  --reinstall-package captcha-search --editable .
	@touch $@

# What Ray's own processes, the database of a study and the exporter import beside what is below.
COMPILED := aiohttp alembic google grpc mako networkx onnx onnx_ir onnxruntime onnxscript opencensus \
  opentelemetry prometheus_client pygments ray sqlalchemy torch yarl
UNUSED := ray/(rllib|serve|llm|data)/|torch/(testing|_inductor|_dynamo|distributed|ao)/|/tests?/

# The stamp comes last, so a set-up that was cut off is begun afresh.
$(PACKAGES): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: $$($(PYTHON) --version) is too old, 3.11 or later is needed: make PYTHON=python3.12"; exit 2; }
	@# A link would lead the clearing below to what others use.
	@test ! -L .venv || { echo "error: .venv is a link: remove it, or renew what it leads to"; exit 2; }
	@echo "setting up .venv (about 6 GB, once)"
	@$(PYTHON) -m venv --clear .venv
	@awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' requirements.lock > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@# What programs import is compiled once, also where the environment says not to: torch, fastai
	@# and Ray otherwise take twice as long to start, in every process of every search.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -W ignore -c \
	  'import captcha_models.training.fit, fastai.vision.all, search.tuning.session, search.tuning.tuner, pytest'
	@cd .venv/lib/python3.*/site-packages && PYTHONDONTWRITEBYTECODE= ../../../bin/python -W ignore \
	  -m compileall -q -j 0 -x '$(UNUSED)' $(COMPILED)
	@touch $@

# The newest of everything within pyproject's bounds, in an environment of its own, and what the
# fast tests say there. Outside CI: a new release elsewhere is no fault of a change here.
NEWEST := .venv-newest/bin
upgrade-check: $(READY)
	@$(BIN)/uv venv --quiet --clear .venv-newest
	@$(BIN)/uv pip install --quiet --python $(NEWEST)/python --upgrade --editable '.[dev]'
	@$(BIN)/uv pip freeze --python .venv/bin/python > .venv-newest/locked.txt
	@$(BIN)/uv pip freeze --python $(NEWEST)/python > .venv-newest/newest.txt
	@echo "locked < > newest:"; diff .venv-newest/locked.txt .venv-newest/newest.txt | grep '^[<>]' || true
	@$(NEWEST)/python -m pytest -m "not ray and not slow and not long" $(ARGS)

lock: $(READY)
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra dev --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate pyproject.toml -o requirements.lock
