#!/usr/bin/env bash
# A release, step by step; .github/workflows/release.yaml calls each of them.
#   release.sh check TAG             the tag is the version, and the changelog tells of it
#   release.sh login                 to the registry, as USER_NAME with TOKEN
#   release.sh image NAME ARCH       build an image for one architecture, push it with its SBOM and provenance
#   release.sh publish NAME ARCH…    make one image of those of its architectures, and sign it
#   release.sh charts                package the charts, which then know where the images are; push and sign them
# REGISTRY is where all of it goes, such as ghcr.io/owner: images to REGISTRY/imagerift, charts to REGISTRY/charts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(cat VERSION)
# Names in a registry are lower case; those of its owners need not be.
registry=${REGISTRY:-}
registry=${registry,,}
images=(api operator weights triton runner)

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

image_name() {
  [ -n "$registry" ] || fail "REGISTRY is not set: name the registry and its owner, such as ghcr.io/owner."
  printf '%s/imagerift/%s' "$registry" "$1"
}

check() {
  [ "$1" = "v$version" ] || fail "The tag $1 is not v$version, which VERSION says."
  grep -qE "^## $version\b" CHANGELOG.md || fail "CHANGELOG.md has no section of $version."
  local chart
  for chart in charts/*/Chart.yaml; do
    grep -qx "version: $version" "$chart" || fail "$chart is of another version: run make charts."
  done
}

login() {
  printf '%s' "$TOKEN" | docker login "${registry%%/*}" --username "$USER_NAME" --password-stdin
  printf '%s' "$TOKEN" | helm registry login "${registry%%/*}" --username "$USER_NAME" --password-stdin
}

image() {
  local name
  name=$(image_name "$1")
  # The engine's own builder makes no attestations.
  docker buildx inspect imagerift > /dev/null 2>&1 \
    || docker buildx create --name imagerift --driver docker-container
  docker buildx build --builder imagerift --file images/Dockerfile --target "$1" --platform "linux/$2" \
    --provenance mode=max --sbom true \
    --label "org.opencontainers.image.version=$version" \
    --label "org.opencontainers.image.source=${SOURCE_URL:-}" \
    --label "org.opencontainers.image.revision=${REVISION:-}" \
    --label "org.opencontainers.image.licenses=$(sed -n 's/^license = "\(.*\)"$/\1/p' core/pyproject.toml)" \
    --tag "$name:$version-$2" --push .
}

publish() {
  local name digest arch
  name=$(image_name "$1")
  shift
  local parts=()
  for arch in "$@"; do
    parts+=("$name:$version-$arch")
  done
  docker buildx imagetools create --tag "$name:$version" "${parts[@]}"
  digest=$(docker buildx imagetools inspect "$name:$version" --format '{{.Manifest.Digest}}')
  cosign sign --yes "$name@$digest"
}

charts() {
  local folder chart image name said digest
  folder=$(mktemp -d)
  for chart in imagerift-crds imagerift; do
    cp -r "charts/$chart" "$folder/"
  done
  for image in "${images[@]}"; do
    name=$(image_name "$image")
    sed -i -E "s|^( *)repository: imagerift/$image$|\1repository: $name|" "$folder/imagerift/values.yaml"
    grep -q "repository: $name$" "$folder/imagerift/values.yaml" || fail "The values name no image $image."
  done
  # What its notes name for the next upgrade.
  printf 'annotations:\n  imagerift.dev/charts: oci://%s/charts\n' "$registry" >> "$folder/imagerift/Chart.yaml"
  for chart in imagerift-crds imagerift; do
    helm package "$folder/$chart" --destination "$folder"
    # PUSH_OPTIONS: of a registry without TLS, --plain-http.
    # shellcheck disable=SC2086
    said=$(helm push "$folder/$chart-$version.tgz" "oci://$registry/charts" ${PUSH_OPTIONS:-} 2>&1)
    printf '%s\n' "$said"
    digest=$(sed -n 's/^Digest: *//p' <<< "$said")
    [ -n "$digest" ] || fail "helm did not tell the digest of $chart."
    cosign sign --yes "$registry/charts/$chart@$digest"
  done
  rm -r "$folder"
}

case "${1:-}" in
  check | login | image | publish | charts) "$@" ;;
  *) fail "release.sh check|login|image|publish|charts: see its first lines." ;;
esac
