#!/bin/sh
# Runs the environment's Python with the libraries beside it; a folder that is not there, since nothing was missing, is
# left out by the loader. It goes with the environment.
here=$(dirname "$(readlink -f "$0")")
LD_LIBRARY_PATH=$here/FOLDER:LIBRARIES${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
exec "$here/environment/bin/python" "$@"
