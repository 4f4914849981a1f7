# Every way to work with Buuta. CI runs these targets and nothing else.
PY := .venv/bin/python
PYTHON ?= python3
PROTOS := $(wildcard proto/buuta/v1/*.proto)
# The compiled part of the scanner, and what it is made of.
COMPILED := services/common/mime/whole.c services/common/mime/whole.*.so
SCANNER := setup.py $(wildcard services/common/mime/whole*.p[xy]*)

.PHONY: help run test test-containers test-cluster images check gen lock clean
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 20

run: .venv/.run buuta/v1/.made ## start the whole platform on this machine, without configuration
	@exec $(PY) -m services.local

test: .venv/.dev buuta/v1/.made ## run all tests that need no container engine and no cluster
	$(PY) -m pytest -m "not containers and not cluster" $(T)

test-containers: .venv/.dev buuta/v1/.made ## build the images and run the whole platform in containers
	$(PY) -m pytest -m containers $(T)

test-cluster: .venv/.dev buuta/v1/.made ## run the whole platform on the Kubernetes cluster of KUBECONFIG
	$(PY) -m pytest -m cluster $(T)

images: ## build the container images; what can be set is in deploy/docker/build.sh
	deploy/docker/build.sh

check: .venv/.dev buuta/v1/.made ## formatting, lint, types, API lint and breaking changes, manifests
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/buf lint proto
	@if git rev-parse -q --verify origin/main >/dev/null; then \
		.venv/bin/buf breaking proto --against '.git#branch=origin/main,subdir=proto'; fi
	$(PY) -m tests.deploy.manifests

gen: buuta/v1/.made ## generate the API code from proto/
buuta/v1/.made: $(PROTOS) | .venv/.run
	@rm -rf buuta/v1
	@mkdir -p buuta/v1
	@touch buuta/v1/__init__.py
	@PATH=.venv/bin:$$PATH $(PY) -m grpc_tools.protoc -Iproto --python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. $(PROTOS)
	@touch $@

lock: .venv/.dev ## pin all requirements anew from pyproject.toml
	for e in smtp pop3 imap store gen run dev; do \
		.venv/bin/pip-compile -q --extra $$e --generate-hashes --strip-extras --no-emit-index-url \
			--no-emit-find-links --no-emit-trusted-host --allow-unsafe --no-header \
			-o requirements/$$e.txt pyproject.toml || exit 1; \
		sed -i '/^# WARNING: pip install will require/,/^buuta @/d' requirements/$$e.txt; done

.venv/.run: requirements/run.txt $(SCANNER)
	@echo "Installing what is needed into .venv: the first time it takes some minutes"
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PY) -m pip install -q --require-hashes -r requirements/run.txt
	@rm -f $(COMPILED)
	@$(PY) -m pip install -qq --no-deps --no-build-isolation -e . # for .venv/bin/buuta; compiles the scanner
	@$(PY) -c 'from services.common.mime.scanner import COMPILED as c; exit(not c)' || \
		echo "Without a C compiler and Python's headers the scanner runs in Python: that takes more CPU"
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.run
	@echo "Installing what tests and checks need into .venv"
	@$(PY) -m pip install -q --require-hashes -r requirements/dev.txt
	@touch $@

clean: ## remove what was built (not ./var, where the mail is)
	rm -rf .venv build dist buuta.egg-info buuta/v1 .mypy_cache .ruff_cache .pytest_cache $(COMPILED)
