#!/bin/sh
# Frames that nobody waits for cost no system call: ten thousand more of them
# make no more calls than the housekeeper's own clock accounts for.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: test-syscalls.sh FC_COMMIT_FRAMES
set -eu

program=$1
few=1000
many=11000
# the housekeeper looks around now and then, whatever the writer does
allowed=200

command -v strace >/dev/null || {
  echo 'strace is not installed' >&2
  exit 1
}

calls ()
{
  strace -f -c -o "$tmp/$1" "$program" "$1"
  awk '$NF == "total" { print $4 }' "$tmp/$1"
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# libc's first runs differ; what is compared is the growth
with_few=$(calls $few)
with_many=$(calls $many)
echo "$with_few calls for $few frames, $with_many for $many"
if [ $((with_many - with_few)) -gt $allowed ]; then
  cat "$tmp/$many" >&2
  exit 1
fi
