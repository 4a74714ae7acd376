#!/usr/bin/env bash
# Makes the project's environment (.venv) from the hash-pinned lock; does nothing when it is up to date.
# Needs Linux or macOS, Python 3.11, 3.12 or 3.13, and no root; only what starts the servers asks for more.
# PYTHON names another Python than the first of those on PATH. Runs in bash 3.2, which is macOS' own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf '%s\n' "$@" >&2; exit 1; }
version() { "$1" -c 'import platform; print(platform.python_version())' 2> /dev/null || true; }

lock=requirements/server.txt
bootstrap_lock=requirements/bootstrap.txt
build_lock=requirements/build.txt
stamp=.venv/.imagerift-stamp
cache=${IMAGERIFT_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/imagerift}

# Each folder with one of these is installed from where it stands: the parts, and the tests' node.
projects=(*/pyproject.toml tests/support/node/pyproject.toml)
# What the environment is made of, as it stands in the stamp.
made_of() { echo "$PWD" && cat "$lock" "$bootstrap_lock" "$build_lock" VERSION "${projects[@]}"; }
uv_version=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' "$bootstrap_lock")
uv=$cache/bootstrap/$uv_version/bin/uv
wished() { [ -z "${PYTHON:-}" ] || [ "$(version "$PYTHON")" = "$(version .venv/bin/python)" ]; }
[ "$(made_of)" = "$(cat "$stamp" 2> /dev/null)" ] && [ -x "$uv" ] && [ -x .venv/bin/python ] && wished && exit 0

supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
candidates=(python3 python3.13 python3.12 python3.11 /usr/bin/python3)
[ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
python=
for candidate in "${candidates[@]}"; do
  if "$candidate" -c "$supported" 2> /dev/null; then
    python=$(command -v "$candidate")
    break
  fi
done
[ -n "$python" ] || fail "Python 3.11, 3.12 or 3.13 is needed${PYTHON:+, and PYTHON=$PYTHON is none of them}." \
  "Install one (Debian and Ubuntu: apt-get install python3), or name it: PYTHON=/path/to/python make"

# One at a time: another make in the same checkout waits here.
mkdir -p "$cache/locks"
exec 9> "$cache/locks/bootstrap.lock"
# By Python, since macOS has no such program; the lock is this shell's as long as its file is open.
"$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'

# A folder with pip in it for PYTHONPATH, where Python comes without pip and venv: Debian and Ubuntu pack them apart.
# The package is of the machine's own release, whose pip fits its Python, and is not installed.
fetch_pip() {
  command -v apt-get > /dev/null || fail "Python's pip or venv is needed to fetch packages; $python has neither."
  local folder=$1
  mkdir -p "$folder/lists/partial" "$folder/archives/partial"
  local apt=(apt-get -q -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache::Archives=$folder/archives"
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User= -o Acquire::Languages=none)
  if ! { "${apt[@]}" update && cd "$folder" && "${apt[@]}" download python3-pip-whl; } > "$folder/log" 2>&1; then
    cat "$folder/log" >&2
    fail "$python has neither pip nor venv, and apt cannot fetch the package python3-pip-whl."
  fi
  dpkg-deb -x "$folder"/python3-pip-whl_*.deb "$folder"
  echo "$folder"/usr/share/python-wheels/pip-*.whl
}

if [ ! -x "$uv" ]; then
  echo "Fetching the package installer uv $uv_version"
  building=$cache/bootstrap/.$uv_version.$$
  trap 'rm -rf "$building"' EXIT
  rm -rf "$building" "$cache/bootstrap/$uv_version"
  mkdir -p "$building"
  install=(-m pip install --quiet --disable-pip-version-check --root-user-action=ignore
    --no-cache-dir --require-hashes -r "$bootstrap_lock")
  if "$python" -m pip --version > /dev/null 2>&1; then
    "$python" "${install[@]}" --target "$building/uv"
  elif "$python" -c 'import ensurepip, venv' 2> /dev/null; then
    "$python" -m venv "$building/venv"
    "$building/venv/bin/python" "${install[@]}" --target "$building/uv"
    rm -rf "$building/venv"
  else
    pip=$(fetch_pip "$building/pip")
    PYTHONPATH=$pip "$python" "${install[@]}" --target "$building/uv"
    rm -rf "$building/pip"
  fi
  mv "$building/uv" "$cache/bootstrap/$uv_version"
fi

echo "Making the environment .venv from $lock"
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
unset VIRTUAL_ENV
rm -f "$stamp"
# Anew when the Python that it was made of is gone, or another one is wanted now.
if [ "$(version .venv/bin/python)" != "$(version "$python")" ]; then
  rm -rf .venv
  "$uv" venv --quiet --python "$python" .venv
fi
"$uv" pip sync --quiet --python .venv/bin/python --require-hashes "$lock" "$build_lock"
parts=("${projects[@]%/*}")
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation "${parts[@]/#/--editable=./}"
made_of > "$stamp"
