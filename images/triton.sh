#!/bin/sh
# The model server of one pool: the shipped models, and those of a volume at /models/extra where there is one.
set -eu
set -- --model-repository=/opt/models/repository "$@"
if [ -d /models/extra ]; then
  set -- --model-repository=/models/extra "$@"
fi
OMP_NUM_THREADS=${IMAGERIFT_THREADS:-1}
export OMP_NUM_THREADS
# Interfaces that would change what the server runs want a header that nobody is told.
lock=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
exec tritonserver --http-port=8000 --allow-grpc=false --allow-metrics=false --model-control-mode=none \
  --http-restricted-api="model-repository,shared-memory,trace,logging:imagerift-lock=$lock" \
  --exit-timeout-secs=30 "$@"
