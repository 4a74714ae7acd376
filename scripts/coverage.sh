#!/usr/bin/env bash
# Runs the unit tests and prints how much of each part's lines they reach; arguments go to pytest.
# Line by line: .venv/bin/coverage report --show-missing, or .venv/bin/coverage html.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

.venv/bin/python -m pytest tests/unit --cov --cov-report= "$@"
printf '\nLines that the unit tests reach; the other kinds of test are not counted:\n'
for part in core api operator client local charts; do
  printf '  %-10s %3s %%\n' "$part" "$(.venv/bin/coverage report --format=total --include="$part/*")"
done
