#!/bin/sh
# Summarises a log by hour and level, with only a POSIX shell and awk. The parameters are in a file, progress
# goes to stdout, the output to a file, and the exit code says whether another attempt could succeed.
#
#   { "log": "webshop-log.txt", "top": 5 }
#
#   log  a file of this package's data folder, or an absolute path
#   top  how many kinds of warnings and errors to list, the most frequent first: 1 to 50, default 5
set -eu

# Compare bytes in every locale, so that order and decimal point are always the same.
export LC_ALL=C

readonly DO_NOT_RETRY=65 # EX_DATAERR of sysexits.h
readonly PARAMETERS_MAX_BYTES=65536
bin=$JOBYARD_PACKAGE_PATH/bin

refuse() {
  echo "$1" >&2
  exit "$DO_NOT_RETRY"
}

# Prints a parameter, or nothing if it is absent. Exits as awk does: with 65 if the parameter is wrong.
parameter() {
  awk -v field="$1" -f "$bin/json-field.awk" "$JOBYARD_PARAMETERS_FILE"
}

# On a stop all processes get SIGTERM and end. There is no trap because there is nothing to clean up: until the last lines
# all output is in the temporary directory. A trap would run only after the current program has ended.

[ "$(wc -c <"$JOBYARD_PARAMETERS_FILE")" -le "$PARAMETERS_MAX_BYTES" ] ||
  refuse "The parameters have more than $PARAMETERS_MAX_BYTES bytes."

name=$(parameter log)
case $name in
  '') refuse "log: expected the name of a log." ;;
  /*) log=$name ;;
  *) log=$JOBYARD_PACKAGE_PATH/data/$name ;;
esac
if [ ! -e "$log" ]; then refuse "log: there is no file $name."; fi
if [ -d "$log" ] || [ ! -r "$log" ]; then refuse "log: $name cannot be read."; fi

top=$(parameter top)
case ${top:=5} in
  [1-9] | [1-4][0-9] | 50) ;;
  *) refuse "top: expected a whole number from 1 to 50, not $top." ;;
esac

echo "::progress 0 Counting lines"
lines=$(wc -l <"$log")

# The names are passed in the environment, because awk interprets backslashes in -v values.
report=$TMPDIR/log-summary.md
result=$TMPDIR/log-summary.json
LOG_NAME=$name REPORT_FILE=$report RESULT_FILE=$result \
  awk -v expected="$((lines))" -v top="$top" -f "$bin/summarise.awk" <"$log"

mv "$report" "$JOBYARD_OUTPUT_PATH/log-summary.md"
mv "$result" "$JOBYARD_RESULT_FILE"
echo "::progress 1 Summarised $((lines)) lines"
