# Everything that a developer or a CI machine runs; `make` alone lists it.

.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
UV = $(shell ls -d "$${IMAGERIFT_CACHE_DIR:-$${XDG_CACHE_HOME:-$$HOME/.cache}/imagerift}"/bootstrap/*/bin/uv 2>/dev/null | tail -n 1)
ARGS ?=

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: venv
venv:
	@bash scripts/bootstrap.sh

.PHONY: up
up: venv ## Start the whole platform on this machine; Ctrl-C stops it. ARGS are passed on.
	@exec $(BIN)/imagerift-platform up $(ARGS)

.PHONY: down
down: venv ## Stop a running platform.
	@$(BIN)/imagerift-platform down $(ARGS)

.PHONY: reset
reset: venv ## Delete the platform's data (asks first).
	@$(BIN)/imagerift-platform reset $(ARGS)

.PHONY: status
status: venv ## Show the parts of a running platform.
	@$(BIN)/imagerift-platform status $(ARGS)

.PHONY: provision
provision: venv ## Fetch or build every server into the cache.
	@$(BIN)/imagerift-platform provision $(ARGS)

.PHONY: test
test: venv ## Run every check and test on the real servers.
	@bash scripts/test.sh $(ARGS)

.PHONY: test-unit
test-unit: venv ## Run the tests that need no server.
	@$(BIN)/python -m pytest tests/unit $(ARGS)

.PHONY: coverage
coverage: venv ## Run the unit tests and print how much of each part they reach.
	@bash scripts/coverage.sh $(ARGS)

.PHONY: test-charts
test-charts: venv ## Run the tests of what the charts render; fetches Helm.
	@$(BIN)/python -m pytest tests/charts $(ARGS)

.PHONY: test-vision
test-vision: venv ## Run the pixel code's tests in the models' environment.
	@$$($(BIN)/imagerift-platform models-python) -m pytest -c triton_models/pytest.ini --rootdir . \
		--confcutdir tests/unit/vision tests/unit/vision $(ARGS)

.PHONY: test-bare
test-bare: venv ## Walk the README in minimal Debian 12 and 13 roots; needs root, takes some 10 minutes each.
	@$(BIN)/python -m tests.bare $(ARGS)

.PHONY: fuzz
fuzz: venv ## Hold the API to its document at full size: thousands of generated requests.
	@IMAGERIFT_FUZZ=full $(BIN)/python -m pytest -s tests/integration/api/test_contract.py $(ARGS)

.PHONY: fuzz-pictures
fuzz-pictures: venv ## Have the API and the models read 20,000 damaged pictures, SEED (14): both must say the same of each.
	@IMAGERIFT_FUZZ=full IMAGERIFT_FUZZ_SEED=$(or $(SEED),14) \
		IMAGERIFT_TEST_MODELS_PYTHON="$$($(BIN)/imagerift-platform models-python)" \
		$(BIN)/python -m pytest -s --timeout 7200 tests/integration/test_mutated_pictures.py $(ARGS)

.PHONY: reliability
reliability: venv ## Run the tests of replicas, shards, two versions, kept products and every row of docs/failure-modes.md.
	@$(BIN)/imagerift-platform provision
	@IMAGERIFT_CRASH_ROUNDS=20 $(BIN)/python -m tests.platform_under_test $(CURDIR)/$(BIN)/python -m pytest \
		tests/reliability tests/versions tests/e2e/test_crash_points.py $(ARGS)

.PHONY: guards
guards: venv ## Take out what keeps each invariant, one by one, and see the tests turn red; ARGS='"part of a name"'.
	@$(BIN)/imagerift-platform provision
	@$(BIN)/python -m tests.guards $(ARGS)

.PHONY: chaos
chaos: venv ## Run jobs while parts are killed, cut off, refused and edited; SEED and JOBS (1000) may be set.
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) --jobs $(or $(JOBS),1000) $(ARGS)

.PHONY: soak
soak: venv ## Run JOBS (100000) jobs at RATE (10) a second, and see whether anything grows; takes hours.
	@$(BIN)/python -m bench.soak --jobs $(or $(JOBS),100000) --per-second $(or $(RATE),10) $(ARGS)

.PHONY: bench
bench: venv ## Measure the platform beside its floors; ARGS="--only throughput" for a part.
	@$(BIN)/python -m bench $(ARGS)

.PHONY: boards
boards: venv ## Draw the pictures of the dashboards and of a trace in docs/images anew, from five minutes of a real run.
	@$(BIN)/python -m bench.boards docs/images $(ARGS)

.PHONY: bench-vision
bench-vision: venv ## Hold mattes, framing and prompts to reference pictures; ARGS="--sheets FOLDER --json FILE".
	@pictures=$$($(BIN)/python -m bench.vision.provision) && python=$$($(BIN)/imagerift-platform models-python) && \
		"$$python" -m bench.vision --pictures "$$pictures" $(ARGS)

.PHONY: gallery
gallery: venv ## Make the pictures of docs/gallery.md and the presets' previews anew, in some ten minutes.
	@photographs=$$($(BIN)/python -m bench.vision.photographs) && python=$$($(BIN)/imagerift-platform models-python) && \
		"$$python" triton_models/tools/gallery.py && "$$python" triton_models/tools/showcase.py && \
		"$$python" triton_models/tools/collection.py --photographs "$$photographs"

.PHONY: bench-cost
bench-cost: venv ## Measure seconds and memory of a picture by mode and size; ARGS="--sizes base --modes style".
	@$(BIN)/python bench/vision/cost.py --models-python "$$($(BIN)/imagerift-platform models-python)" $(ARGS)

.PHONY: bench-prompts
bench-prompts: venv ## Score how 206 prompts are read; fails where too few are read as expected.
	@$$($(BIN)/imagerift-platform models-python) -m bench.vision --only prompts $(ARGS)

.PHONY: e2e-node
e2e-node: venv ## Install the charts on a real node and test them there; takes some 15 minutes.
	@$(BIN)/imagerift-node provision
	@$(BIN)/python -m pytest -x --timeout 1800 tests/node $(ARGS)

.PHONY: node
node: venv ## Start a real Kubernetes node on this machine; Ctrl-C stops it.
	@exec $(BIN)/imagerift-node up $(ARGS)

.PHONY: crds
crds: venv ## Write crds/, and what the charts take from them, anew from core's models.
	@$(BIN)/python -m imagerift_core.crds crds
	@$(BIN)/python -m charts.schema

.PHONY: contract
contract: venv ## Write the schemas in contract/ anew from core's models.
	@$(BIN)/python -m imagerift_core.model_schemas contract

.PHONY: explain
explain: venv ## Print what MongoDB examines for each query of the stores, over 200 workspaces.
	@IMAGERIFT_TEST_EXAMINED=/dev/stdout $(BIN)/python -m pytest -q -s tests/contract/mongo/test_examined.py $(ARGS)

.PHONY: charts
charts: venv ## Write the charts' values, schemas and version anew.
	@$(BIN)/python -m charts.schema

.PHONY: lint
lint: venv ## Check style, types, the layers' import rules and declared imports, and the workflows.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy contract/imagerift_contract core/imagerift_core api/imagerift_api operator/imagerift_operator client/imagerift local/imagerift_local charts/schema supply_chain tests bench
	@PYTHONPATH=triton_models $(BIN)/lint-imports
	@for project in */pyproject.toml; do $(BIN)/deptry --config $$project $${project%/*} || exit 1; done
	@$(BIN)/jactionlint --shellcheck= --pyflakes=

.PHONY: sbom
sbom: venv ## Write bills of material (CycloneDX) of all locks and servers into build/sbom.
	@$(BIN)/python -m supply_chain sbom $(ARGS)

.PHONY: advisories
advisories: venv ## Compare every pinned version with OSV; ends with 1 for a known high hole, with 3 if OSV is out of reach.
	@$(BIN)/python -m supply_chain advisories $(ARGS)

.PHONY: fmt
fmt: venv ## Format the code.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: lock
lock: venv ## Write the hash-pinned locks anew.
	@UV="$(UV)" bash scripts/lock.sh
