#!/usr/bin/env bash
# Builds Kubernetes' programs from the source package of Debian 12.
#   build_kubernetes.sh SCRATCH OUT COMPONENT...
# The component `pause` is the small program of this folder that holds a pod's namespaces open.
# APT_CONFIG leads to an apt of Debian 12 whose lists are up to date, whatever the machine itself is. The Go toolchain is
# unpacked into SCRATCH and goes away with it: nothing is installed on the machine and nothing under /etc changes.
# Lines that begin with "step: " tell the progress.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mkdir -p "$1" && cd "$1" && pwd)
out=$(mkdir -p "$2" && cd "$2" && pwd)
shift 2
components=("$@")
cd "$scratch"

step() { echo "step: $*"; }

step "fetching Go and the Kubernetes source from Debian"
mkdir -p debs root
(cd debs && apt-get -q download golang-1.19-go golang-1.19-src golang-github-modern-go-reflect2-dev)
for deb in debs/*.deb; do dpkg-deb -x "$deb" root; done

apt-get -q source --download-only kubernetes
tar xzf kubernetes_*.orig.tar.gz
tree=$(echo "$scratch"/kubernetes-1.20.*/)
tree=${tree%/}
version=v$(basename "$tree" | sed 's/^kubernetes-//')

# Go 1.18 and later break the vendored reflect2 1.0.1: map iteration faults, and the API server dies at the first
# burst of custom resources. Debian ships the fixed 1.0.2.
rm -f "$tree"/vendor/github.com/modern-go/reflect2/*.{go,s}
cp root/usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} "$tree/vendor/github.com/modern-go/reflect2/"

mkdir -p gopath/src/k8s.io
ln -sfn "$tree" gopath/src/k8s.io/kubernetes
export GOROOT=$scratch/root/usr/lib/go-1.19 GOPATH=$scratch/gopath GOCACHE=$scratch/gocache GOTMPDIR=$scratch
export GO111MODULE=off GOFLAGS='' CGO_ENABLED=0 GOTOOLCHAIN=local PATH=$GOROOT/bin:/usr/bin:/bin
cd gopath/src/k8s.io/kubernetes

step "generating the OpenAPI definitions"
# The one generated file that the source archive lacks.
go build -o "$scratch/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
packages=$(grep -rl '+k8s:openapi-gen=' --include=*.go staging/src/k8s.io pkg vendor/k8s.io \
  | grep -v -e _test.go -e zz_generated | xargs -n1 dirname \
  | sed -e 's#^staging/src/##' -e 's#^vendor/##' -e 's#^pkg/#k8s.io/kubernetes/pkg/#' | sort -u \
  | grep -vE 'openapi-gen|/testdata|code-generator|sample-|kube-openapi/(pkg/generators|test)|gengo')
inputs=()
for package in $packages; do inputs+=(--input-dirs "$package"); done
"$scratch/openapi-gen" --go-header-file hack/boilerplate/boilerplate.generatego.txt \
  --output-file-base zz_generated.openapi --output-package k8s.io/kubernetes/pkg/generated/openapi \
  -o "$GOPATH/src" --report-filename "$scratch/violations.txt" "${inputs[@]}" 2> "$scratch/openapi.log"

# In GOPATH mode the version variables live under the vendored import path.
stamp=""
for variables in component-base/version client-go/pkg/version; do
  import=k8s.io/kubernetes/vendor/k8s.io/$variables
  stamp+=" -X $import.gitVersion=$version -X $import.gitMajor=1 -X $import.gitMinor=20 -X $import.gitTreeState=clean"
done
for component in "${components[@]}"; do
  if [ "$component" = pause ]; then
    go build -ldflags "-s -w" -o "$out/pause" "$here/pause/pause.go"
    continue
  fi
  step "compiling $component $version"
  go build -tags "providerless dockerless" -ldflags "-s -w$stamp" -o "$out/$component" "./cmd/$component"
done
