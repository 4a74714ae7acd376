#!/usr/bin/env bash
# Every check and test, on the real servers. Arguments go to the last run of pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() { printf '\n== %s (%d s so far)\n' "$1" "$SECONDS"; }

step "style, types, layers"
make --no-print-directory lint

step "servers"
.venv/bin/imagerift-platform provision
models_python=$(.venv/bin/imagerift-platform models-python)
.venv/bin/imagerift-platform models-python --diffusion > /dev/null
export IMAGERIFT_TEST_MODELS_PYTHON=$models_python

# The pixel code's tests have no part in the others' work, so that they run beside them.
vision_log=$(mktemp)
trap 'kill %1 2> /dev/null || true; rm -f "$vision_log"' EXIT
make --no-print-directory test-vision > "$vision_log" 2>&1 &

step "unit tests"
.venv/bin/python -m pytest tests/unit

step "charts"
.venv/bin/python -m pytest tests/charts

step "pixel code, in the models' environment"
wait %1 || { cat "$vision_log"; exit 1; }
cat "$vision_log"

step "contract, integration and end-to-end tests"
.venv/bin/python -m tests.platform_under_test \
  .venv/bin/python -m pytest tests/contract tests/integration tests/e2e tests/browser "$@"

step "done"
