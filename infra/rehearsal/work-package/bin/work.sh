#!/bin/sh
# Works for the number of seconds in its parameters, { "seconds": 5 }, and writes the name of its user as an artifact. After an
# interruption it is done at once.
# With the argument "twice", its first attempt fails.
set -eu
# Each try gets the setting that the tenant was given, in a file that only its user can read.
grep -q '"REHEARSAL":"ready"' "$JOBYARD_SETTINGS_FILE"
seconds=$(sed 's/[^0-9]//g' "$JOBYARD_PARAMETERS_FILE")
echo "working for $seconds s as $(id -un)"
id -un >"$JOBYARD_OUTPUT_PATH/user.txt"
if [ "$JOBYARD_INTERRUPTION" = 0 ]; then sleep "$seconds"; fi
if [ "${1:-}" = twice ] && [ "$JOBYARD_ATTEMPT" = 1 ]; then exit 1; fi
