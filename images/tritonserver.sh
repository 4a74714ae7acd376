#!/bin/sh
# Triton from the models' own environment, with its backends and the libraries that ship beside it. Its Python starts
# without PYTHONPATH: it finds the environment by the python3 on PATH, and the models find imagerift_vision themselves.
set -eu
site=/opt/models/lib/python3.11/site-packages
export LD_LIBRARY_PATH="$site/nvidia_pytriton.libs"
exec "$site/pytriton/tritonserver/bin/tritonserver" --backend-directory=/opt/models/backends "$@"
