#!/bin/sh
# The model server of one pool: the models that the pool's file names (IMAGERIFT_POOL: a name, or a path on a volume),
# and those of a volume at /models/extra where there is one.
set -eu
repository=${TMPDIR:-/tmp}/imagerift-models
settings=$(python3 /opt/models/tools/pool.py "${IMAGERIFT_POOL:-cpu-small}" --into "$repository")
# Variables that are set already win over the pool's file.
while IFS='=' read -r name value; do
  eval "[ -n \"\${$name:-}\" ]" || export "$name=$value"
done <<SETTINGS
$settings
SETTINGS
set -- --model-repository="$repository" "$@"
if [ -d /models/extra ]; then
  set -- --model-repository=/models/extra "$@"
fi
OMP_NUM_THREADS=${IMAGERIFT_THREADS:-1}
export OMP_NUM_THREADS
# Interfaces that would change what the server runs want a header that nobody is told.
lock=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
exec tritonserver --http-port=8000 --allow-grpc=false --metrics-port=8002 --model-control-mode=none \
  --http-restricted-api="model-repository,shared-memory,trace,logging:imagerift-lock=$lock" \
  --exit-timeout-secs=30 "$@"
