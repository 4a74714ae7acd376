#!/usr/bin/env bash
# Every check and test, on the real servers; prints at the end how long each part took.
# Arguments go to the tests that need the platform.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

times=$(mktemp)
logs=$(mktemp -d)
lanes=()
finish() {
  # A lane in the background is a group of its own, so that it can be ended whole.
  local lane
  for lane in "${lanes[@]}"; do kill -- "-$lane" 2> /dev/null || true; done
  printf '\n== %d s in all\n' "$SECONDS"
  cat "$times"
  rm -rf "$times"* "$logs"
}
trap finish EXIT

# part NAME COMMAND…: runs it; notes how it ended, how long it took and how much of a core.
part() {
  local name=$1 from=$SECONDS ended=passed
  shift
  printf '\n== %s (%d s so far)\n' "$name" "$SECONDS"
  (
    "$@" || ended=FAILED
    # Its last line is of all that was started and waited for: "1m2.345s 0m6.789s".
    used=$times.$BASHPID
    times > "$used"
    printf '%6d s  %s  %s, CPU %s\n' \
      "$((SECONDS - from))" "$ended" "$name" "$(tail -n 1 "$used")" >> "$times"
    [ "$ended" = passed ]
  )
}
on_a_platform() { .venv/bin/python -m tests.platform_under_test .venv/bin/python -m pytest "$@"; }
provision() {
  .venv/bin/imagerift-platform provision && .venv/bin/imagerift-platform models-python --diffusion > /dev/null
}

part "style, types, layers" make --no-print-directory lint
part "servers" provision
IMAGERIFT_TEST_MODELS_PYTHON=$(.venv/bin/imagerift-platform models-python)
export IMAGERIFT_TEST_MODELS_PYTHON
diffusion_site=$(dirname "$(.venv/bin/imagerift-platform models-python --diffusion)")/site

# Much of every test is waiting: what needs a platform longest runs beside the rest, on one of its own each.
lane() {
  local name=$1
  shift
  set -m
  # The traps are the script's own: a lane ends without them.
  (
    trap - EXIT
    part "$name" "$@"
  ) > "$logs/${#lanes[@]}" 2>&1 &
  lanes+=("$!")
  set +m
}
lane "end-to-end tests" on_a_platform tests/e2e "$@"
lane "integration tests" on_a_platform tests/integration "$@"

failed=0
part "pixel code, in the models' environment" \
  env IMAGERIFT_DIFFUSION_SITE="$diffusion_site" make --no-print-directory test-vision \
  ARGS="--ignore tests/unit/vision/test_generate_cases.py" || failed=1
part "charts" .venv/bin/python -m pytest tests/charts || failed=1
part "unit tests" .venv/bin/python -m pytest tests/unit || failed=1
part "contract, security and browser tests" \
  on_a_platform tests/contract tests/security tests/browser "$@" || failed=1

for lane in "${lanes[@]}"; do wait "$lane" || failed=1; done
lanes=()
cat "$logs"/*
exit "$failed"
