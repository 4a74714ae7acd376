#!/usr/bin/env bash
# Makes the project's environment (.venv) from the hash-pinned lock; does nothing when it is up to date.
# Needs Python 3.11 and, when Python's venv module lacks ensurepip, apt and root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf '%s\n' "$*" >&2; exit 1; }

lock=requirements/server.txt
bootstrap_lock=requirements/bootstrap.txt
build_lock=requirements/build.txt
stamp=.venv/.imagerift-stamp
cache=${IMAGERIFT_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/imagerift}

wanted=$(cat "$lock" "$bootstrap_lock" "$build_lock" pyproject.toml | sha256sum | cut -d' ' -f1)
uv_version=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' "$bootstrap_lock")
uv=$cache/bootstrap/$uv_version/bin/uv
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted $PWD" ] && [ -x "$uv" ] && [ -x .venv/bin/python ] && exit 0

helm="On any other machine install ImageRift on a Kubernetes cluster with Helm: see docs/install.md"
need="The embedded platform needs Debian 12 on x86-64 and root"
. /etc/os-release 2>/dev/null || true
[ "${ID:-}" = debian ] && [ "${VERSION_ID:-}" = 12 ] || fail "$need; this is ${PRETTY_NAME:-$(uname -s)}." "$helm"
[ "$(uname -m)" = x86_64 ] || fail "$need; this processor is $(uname -m)." "$helm"
[ "$(id -u)" = 0 ] || fail "$need; you are not root." "$helm"

python=
for candidate in "${PYTHON:-}" python3.11 python3 /usr/bin/python3; do
  [ -n "$candidate" ] && command -v "$candidate" > /dev/null || continue
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2> /dev/null; then
    python=$(command -v "$candidate")
    break
  fi
done
[ -n "$python" ] || fail "Python 3.11 is needed: apt-get install python3"

# One at a time: another make in the same checkout waits here.
mkdir -p "$cache/locks"
exec 9> "$cache/locks/bootstrap.lock"
flock 9

if [ ! -x "$uv" ]; then
  echo "Fetching the package installer uv $uv_version"
  if ! "$python" -c 'import ensurepip, venv' 2> /dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update > /dev/null
    apt-get -qy --no-install-recommends install python3-venv > /dev/null
  fi
  building=$cache/bootstrap/.$uv_version.$$
  trap 'rm -rf "$building"' EXIT
  rm -rf "$building" "$cache/bootstrap/$uv_version"
  "$python" -m venv "$building"
  "$building/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$bootstrap_lock"
  mv "$building" "$cache/bootstrap/$uv_version"
fi

echo "Making the environment .venv from $lock"
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
unset VIRTUAL_ENV
rm -f "$stamp"
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2> /dev/null; then
  rm -rf .venv
  "$uv" venv --quiet --python "$python" .venv
fi
"$uv" pip sync --quiet --python .venv/bin/python --require-hashes "$lock" "$build_lock"
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
echo "$wanted $PWD" > "$stamp"
