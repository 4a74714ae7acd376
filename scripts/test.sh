#!/usr/bin/env bash
# Every check and test, on the real servers. Arguments go to the tests that need the platform.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() { printf '\n== %s (%d s so far)\n' "$1" "$SECONDS"; }
on_a_platform() { .venv/bin/python -m tests.platform_under_test .venv/bin/python -m pytest "$@"; }

step "style, types, layers"
make --no-print-directory lint

step "servers"
.venv/bin/imagerift-platform provision
models_python=$(.venv/bin/imagerift-platform models-python)
.venv/bin/imagerift-platform models-python --diffusion > /dev/null
export IMAGERIFT_TEST_MODELS_PYTHON=$models_python

# Much of every test is waiting: the slow half runs beside the other, on a platform of its own.
beside() {
  step "pixel code, in the models' environment"
  make --no-print-directory test-vision || return 1
  step "end-to-end and browser tests"
  on_a_platform tests/e2e tests/browser "$@"
}
log=$(mktemp)
# As a group of its own it can be ended whole.
set -m
beside "$@" > "$log" 2>&1 &
beside=$!
set +m
trap 'kill -- "-$beside" 2> /dev/null || true; rm -f "$log"' EXIT

failed=0
step "unit tests"
.venv/bin/python -m pytest tests/unit || failed=1
step "charts"
.venv/bin/python -m pytest tests/charts || failed=1
step "contract and integration tests"
on_a_platform tests/contract tests/integration "$@" || failed=1

wait "$beside" || failed=1
cat "$log"
step "done"
exit "$failed"
