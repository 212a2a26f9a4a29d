#!/bin/sh
# Summarises a log by hour and level: a job in nothing but a POSIX shell and awk. The parameters come in a file, progress
# goes to stdout, the output into a file, and the exit code says whether trying again could help.
#
#   { "log": "webshop-log.txt", "top": 5 }
#
#   log  a file of this package's data folder, or an absolute path
#   top  how many kinds of warnings and errors to list, the most frequent first: 1 to 50, default 5
set -eu

# Bytes, whatever language the worker speaks: the same order and decimal point everywhere.
export LC_ALL=C

readonly DO_NOT_RETRY=65 # EX_DATAERR of sysexits.h
readonly PARAMETERS_MAX_BYTES=65536
bin=$JOBYARD_PACKAGE_PATH/bin

refuse() {
  echo "$1" >&2
  exit "$DO_NOT_RETRY"
}

# Prints a parameter, or nothing if it is absent. Ends as awk does: with 65 if the parameter is at fault.
parameter() {
  awk -v field="$1" -f "$bin/json-field.awk" "$JOBYARD_PARAMETERS_FILE"
}

# Told to stop, all of it gets SIGTERM and ends. There is no trap, since nothing has to be tidied up: what is written before
# the last lines lies in the temporary directory. A trap would run only when the program the shell waits for has ended.

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

# The names pass through the environment, where awk leaves backslashes alone.
report=$TMPDIR/log-summary.md
result=$TMPDIR/log-summary.json
LOG_NAME=$name REPORT_FILE=$report RESULT_FILE=$result \
  awk -v expected="$((lines))" -v top="$top" -f "$bin/summarise.awk" <"$log"

mv "$report" "$JOBYARD_OUTPUT_PATH/log-summary.md"
mv "$result" "$JOBYARD_RESULT_FILE"
echo "::progress 1 Summarised $((lines)) lines"
