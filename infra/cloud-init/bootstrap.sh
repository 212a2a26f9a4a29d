#!/usr/bin/env bash
# Installs the code that the release pointer names: a pinned Node and the worker's package, both checked by checksum. It
# runs as root before every start of the worker. It does not repeat finished work, and it may be interrupted at any
# moment. Its settings are in /etc/jobyard/worker.env.
set -euo pipefail
umask 022
# Functions called with || or if run without -e. There, every step checks for errors itself.

: "${JOBYARD_RELEASES_URL:?is not set}" "${JOBYARD_NODE_URL:?is not set}" "${JOBYARD_NODE_SHA256:?is not set}"
metadata_url=${JOBYARD_METADATA_URL:-http://169.254.169.254}
# Empty on a machine. A temporary folder in a test.
home=${JOBYARD_ROOT:-}/opt/jobyard
run=${JOBYARD_ROOT:-}/run/jobyard
# Roles take up to ten minutes to be effective everywhere in Azure. A machine that has a release waits less for a new
# one.
patience_seconds=${JOBYARD_PATIENCE_SECONDS:-900}
patience_with_release_seconds=60
first_pause_seconds=${JOBYARD_PAUSE_SECONDS:-2}
longest_pause_seconds=30
checksum_tries=3
# The running release, and the previous one for a rollback.
releases_kept=2

say() { echo "bootstrap: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch URL FILE [HEADER]: prints the status, 000 without an answer. Headers are passed on stdin, because every user of
# the machine can see arguments. The metadata service refuses requests from a proxy.
fetch() {
  local url=$1 file=$2 header=${3:-}
  printf 'header = "%s"\n' "${header:-Accept: */*}" 'x-ms-version: 2021-12-02' |
    curl --silent --config - --noproxy 169.254.169.254,127.0.0.1 --location --connect-timeout 10 --max-time 600 \
      --output "$file" --write-out '%{http_code}' "$url" || true
}

# insist WHAT COMMAND...: repeats a command that prints a status until the status is 200. It gives up if waiting cannot
# change the status, or when the time is over.
insist() {
  local what=$1 pause=$first_pause_seconds status deadline
  deadline=$((SECONDS + patience_seconds))
  shift
  while true; do
    status=$("$@")
    case $status in
    200) return 0 ;;
    # Not allowed or not found: not yet. Each deployment removes the pointer for a moment.
    000 | 403 | 404 | 408 | 409 | 410 | 429 | 5??) ;;
    *)
      say "$what: status $status"
      return 1
      ;;
    esac
    if [ "$SECONDS" -ge "$deadline" ]; then
      say "$what: still status $status after $patience_seconds s"
      return 1
    fi
    say "$what: status $status, retry in $pause s"
    sleep "$pause"
    pause=$((pause * 2 < longest_pause_seconds ? pause * 2 : longest_pause_seconds))
  done
}

metadata() { fetch "$metadata_url/metadata/$1" "$2" "Metadata: true"; }

# field NAME FILE: prints a text of a JSON object.
field() {
  python3 -c 'import json, sys
value = json.load(open(sys.argv[2]))[sys.argv[1]]
sys.exit(f"{sys.argv[1]} is no text") if not isinstance(value, str) else print(value)' "$1" "$2"
}

has_checksum() { echo "$2  $1" | sha256sum --check --status; }

# obtain WHAT FILE SHA256 COMMAND...: repeats the command until its file has the checksum.
obtain() {
  local what=$1 file=$2 sha256=$3 try
  shift 3
  for ((try = 1; try <= checksum_tries; try++)); do
    insist "$what" "$@" || return 1
    if has_checksum "$file" "$sha256"; then return 0; fi
    rm -f "$file"
    say "$what: its checksum is not $sha256"
  done
  return 1
}

install_node() {
  local target="$home/node-${JOBYARD_NODE_SHA256:0:12}" archive="$work/node" half
  if [ ! -x "$target/bin/node" ]; then
    obtain "Node" "$archive" "$JOBYARD_NODE_SHA256" fetch "$JOBYARD_NODE_URL" "$archive" || return 1
    half=$(mktemp -d "$home/.node.XXXXXX") || return 1
    tar --extract --file "$archive" --directory "$half" --strip-components 1 --no-same-owner || return 1
    chmod 755 "$half"
    put "$half" "$target" || return 1
    say "installed Node from $JOBYARD_NODE_URL"
  fi
  link "$target" "$home/node"
}

# A directory and a link. The directory is complete as soon as it exists.
put() { rm -rf "$2" && mv -T "$1" "$2"; }
link() { ln -sfn "$1" "$2.$$" && mv -T "$2.$$" "$2"; }

name_worker() {
  local name
  mkdir -p "$run" || return 1
  [ -s "$run/worker-id" ] && return 0
  insist "the machine's name" metadata "instance/compute?api-version=2021-02-01" "$work/compute" || return 1
  # An instance is called set_4. A worker's name has only letters, digits and hyphens.
  name=$(field name "$work/compute") || return 1
  echo "${name//[^A-Za-z0-9]/-}" >"$run/.worker-id" && mv "$run/.worker-id" "$run/worker-id"
}

read_token() {
  insist "a token" metadata \
    "identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com%2F${AZURE_CLIENT_ID:+&client_id=$AZURE_CLIENT_ID}" \
    "$work/token" || return 1
  token=$(field access_token "$work/token")
}

blob() { fetch "$JOBYARD_RELEASES_URL/$1" "$2" "Authorization: Bearer $token"; }

follow_pointer() {
  local version blob_name sha256 target half
  read_token || return 1
  insist "the release pointer" blob "$JOBYARD_RELEASE_POINTER" "$work/pointer" || return 1
  version=$(field version "$work/pointer") && blob_name=$(field blob "$work/pointer") &&
    sha256=$(field sha256 "$work/pointer") || return 1
  # They become parts of paths and addresses.
  if [[ ! $version =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$ || ! $blob_name =~ ^[A-Za-z0-9][A-Za-z0-9._/-]*$ ||
    ! $sha256 =~ ^[0-9a-f]{64}$ ]]; then
    say "the release pointer has no valid version, blob or sha256"
    return 1
  fi
  target="$home/releases/$version"
  if [ ! -f "$target/.sha256" ] || [ "$(<"$target/.sha256")" != "$sha256" ]; then
    obtain "package $blob_name" "$work/package.zip" "$sha256" blob "$blob_name" "$work/package.zip" || return 1
    half=$(mktemp -d "$home/releases/.half.XXXXXX") || return 1
    python3 -m zipfile -e "$work/package.zip" "$half" || return 1
    if [ ! -f "$half/worker.mjs" ]; then
      say "package $blob_name contains no worker.mjs"
      return 1
    fi
    echo "$sha256" >"$half/.sha256" && chmod -R a+rX,go-w "$half" && put "$half" "$target" || return 1
    say "installed release $version"
  fi
  touch "$target" && link "$target" "$home/current"
}

remove_old() {
  local name
  # Leftovers of an interrupted run.
  rm -rf "$home"/.node.* "$home"/releases/.half.*
  # Newest first.
  find "$home/releases" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %f\n' | sort -rn | cut -d ' ' -f 2 |
    tail -n "+$((releases_kept + 1))" | while read -r name; do rm -rf "${home:?}/releases/$name"; done
}

mkdir -p "$home/releases"
if [ -f "$home/current/worker.mjs" ] && [ "$patience_seconds" -gt "$patience_with_release_seconds" ]; then
  patience_seconds=$patience_with_release_seconds
fi
install_node || fail "Node could not be installed"
name_worker || fail "the metadata service did not return the machine's name"
if ! follow_pointer; then
  [ -f "$home/current/worker.mjs" ] || fail "no release is installed"
  say "continues with release $(basename "$(readlink "$home/current")")"
fi
remove_old
