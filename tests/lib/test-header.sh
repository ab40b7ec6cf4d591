#!/bin/sh
# fc.h compiles alone, as C11 and as C++17, and beside fontconfig's header,
# which owns many FC_ names, in either order.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: test-header.sh FC_H 'CC ...'
set -eu

include=$(dirname "$1")
cc=$2
cxx=${CXX:-c++}
flags="-I$include -Wall -Wextra -Wpedantic -Wundef -Werror -fsyntax-only"
failed=

# check WHAT SOURCE: in each language that it has to be good in
check ()
{
  for std in c11 c17; do
    # shellcheck disable=SC2086 # the compiler and its flags are lists of words
    printf '%s\n' "$2" | $cc -std=$std $flags -x c - || failed="$failed $1:$std"
  done
  for std in c++17 c++20; do
    # shellcheck disable=SC2086
    printf '%s\n' "$2" | $cxx -std=$std $flags -x c++ - \
      || failed="$failed $1:$std"
  done
}

use='int main (void) { return fc_version () == 0; }'

check alone "#include \"fc.h\"
$use"
check twice "#include \"fc.h\"
#include \"fc.h\"
$use"
check before-fontconfig "#include \"fc.h\"
#include <fontconfig/fontconfig.h>
$use"
check after-fontconfig "#include <fontconfig/fontconfig.h>
#include \"fc.h\"
$use"
check initialisers '#include "fc.h"
int main (void)
{
  fc_info_t info = FC_INFO_INIT;
  fc_frame_t frame = FC_FRAME_INIT;
  fc_writer_options_t writer = FC_WRITER_OPTIONS_INIT;
  fc_writer_stats_t written = FC_WRITER_STATS_INIT;
  fc_consumer_options_t consumer = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_stats_t read = FC_CONSUMER_STATS_INIT;
  return info.struct_size == 0 || frame.struct_size == 0
         || writer.struct_size == 0 || written.struct_size == 0
         || consumer.struct_size == 0 || read.struct_size == 0;
}'

if [ -n "$failed" ]; then
  echo "does not compile:$failed" >&2
  exit 1
fi
