# shellcheck shell=bash
#
# What the tests of the installed packages share: a slot directory of their
# own, and the processes that they started, which end with them. Sourced.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail

FC_DIR=$(mktemp -d /dev/shm/framecache-packages.XXXXXX)
scratch=$(mktemp -d)
export FC_DIR XDG_STATE_HOME=$scratch GST_REGISTRY=$scratch/gst-registry.bin
started=()

finish () {
  local pid
  for pid in "${started[@]}"; do
    # It may have ended; how it did, the test has asked where it matters.
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf -- "$FC_DIR" "$scratch"
}
trap finish EXIT

# begin COMMAND...: in the background, until the test ends
begin () {
  "$@" &
  started+=($!)
}

# writer SLOT: a small camera that writes into it; back once it does
writer () {
  begin gst-launch-1.0 -q videotestsrc is-live=true ! \
    video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! \
    fcsink slot="$1"
  timeout 60 fcctl watch --wait 50 --count 1 "$1"
}
