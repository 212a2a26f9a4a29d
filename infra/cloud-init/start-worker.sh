#!/usr/bin/env bash
# Becomes the worker: the release the bootstrap has left, by the name the bootstrap has found. Runs as the service user.
set -euo pipefail

home=${JOBYARD_ROOT:-}/opt/jobyard
# By its own place, not through the link: the next bootstrap moves that.
release=$(readlink -e "$home/current")
JOBYARD_VERSION=$(basename "$release")
JOBYARD_WORKER_ID=$(<"${JOBYARD_ROOT:-}/run/jobyard/worker-id")
JOBYARD_WORKER_DIRECTORY=${JOBYARD_ROOT:-}/var/lib/jobyard
# Jobs that call Node get this one.
PATH="$home/node/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
export JOBYARD_VERSION JOBYARD_WORKER_ID JOBYARD_WORKER_DIRECTORY PATH
unset JOBYARD_ROOT
exec node "$release/worker.mjs"
