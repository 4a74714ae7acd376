#!/usr/bin/env bash
# Every check and test, on the real servers. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

make --no-print-directory lint
.venv/bin/imagerift-platform provision
exec .venv/bin/python -m pytest "$@"
