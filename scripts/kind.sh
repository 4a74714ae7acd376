#!/usr/bin/env bash
# The tests of a release on a node, in kind: kind.sh 1.36. Needs Docker; what follows goes to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Its digest is of the release's page; tests/node/kind_node.py has the nodes' images that belong to it.
release=v0.33.0
digest=aee6151561422756b764a4ae28e7f44cda5af5a9eead3cc9985112b1de8d8e0d

version=${1:?name the version of Kubernetes, such as 1.36}
shift
programs=$(mktemp -d)
trap 'rm -r "$programs"' EXIT
curl -fsSL --retry 3 -o "$programs/kind" \
  "https://github.com/kubernetes-sigs/kind/releases/download/$release/kind-linux-amd64"
sha256sum --check --quiet <<< "$digest  $programs/kind"
chmod 0755 "$programs/kind"
# Those that are about the node itself are for the project's own.
PATH="$programs:$PATH" IMAGERIFT_TEST_KIND=$version \
  .venv/bin/python -m pytest -x --timeout 1800 tests/node/test_2_*.py "$@"
