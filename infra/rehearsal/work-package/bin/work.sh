#!/bin/sh
# Works for as many seconds as the parameters say: { "seconds": 5 }. Its artifact says who ran it.
set -eu
seconds=$(sed 's/[^0-9]//g' "$JOBYARD_PARAMETERS_FILE")
echo "working for $seconds s as $(id -un)"
id -un >"$JOBYARD_OUTPUT_PATH/user.txt"
sleep "$seconds"
