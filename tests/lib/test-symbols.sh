#!/bin/sh
# The library exports what its header declares, and nothing else.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: test-symbols.sh LIBFC_SO FC_H 'CC ...'
set -eu

library=$1
header=$2
cc=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# one declaration a line, and of those the ones that are exported
# shellcheck disable=SC2086 # the compiler is a list of words
$cc -E -P -x c "$header" | tr '\n' ' ' | tr ';' '\n' \
  | grep 'visibility *("default")' \
  | sed -E 's/.*[ *](fc_[a-z0-9_]+) *\(.*/\1/' | sort -u >"$tmp/declared"
nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' \
  | sed 's/@.*//' | sort -u >"$tmp/exported"

test -s "$tmp/declared"
if ! diff -u "$tmp/declared" "$tmp/exported"; then
  echo 'declared in fc.h (-) and exported (+) differ' >&2
  exit 1
fi
# every symbol has a version, or it could never be replaced
if nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' \
    | grep -v '@'; then
  echo 'these have no version' >&2
  exit 1
fi
wc -l <"$tmp/exported" | sed 's/$/ functions/'
