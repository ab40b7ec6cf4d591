#!/bin/sh
# framecache: hundreds of changes of state leave no object behind
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# no-leaks.sh PROGRAM TEST...: runs PROGRAM's tests in one process, under
# GStreamer's leaks tracer.
set -eu

program=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for name in "$@"; do
  test=$(echo "$name" | tr - _)
  result=0
  CK_FORK=no GST_TRACERS=leaks GST_DEBUG=GST_TRACER:7 GST_DEBUG_NO_COLOR=1 \
    GST_DEBUG_FILE="$log" timeout --kill-after=5 300 "$program" "$test" ||
    result=$?
  # The tracer tells of its formats when it begins. That it found something is
  # a warning, which ends the program, and what that is stands in the log.
  if ! grep -q 'format string: object-alive' "$log"; then
    echo "$test: the leaks tracer did not run" >&2
    exit 1
  fi
  if grep 'object-alive, type-name=(string)[^%]' "$log" >&2; then
    echo "$test: these objects were left behind" >&2
    exit 1
  fi
  if [ "$result" -ne 0 ]; then
    exit "$result"
  fi
done
