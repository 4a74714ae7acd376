#!/bin/sh
# The model server of one pool: the models that the pool's file names (IMAGERIFT_POOL: a name, or a path on a volume),
# and those of a volume at /models/extra, or where IMAGERIFT_EXTRA_MODELS says, where there is one.
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
extra=${IMAGERIFT_EXTRA_MODELS:-/models/extra}
if [ -d "$extra" ]; then
  set -- --model-repository="$extra" "$@"
fi
OMP_NUM_THREADS=${IMAGERIFT_THREADS:-1}
export OMP_NUM_THREADS
# The front alone listens, for whoever has the installation's token; Triton is behind it on a socket.
exec python3 -m imagerift_front tritonserver --model-control-mode=none --exit-timeout-secs=30 "$@"
