# shellcheck shell=bash
# shellcheck disable=SC2154 # $work, $results and the like are scripts/test's
#
# The steps of the gate. Sourced by scripts/test, not run.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Each runs in a process of its own (scripts/test --step NAME), so that its time
# can be bounded. What it prints is its log; it may leave counts of test cases
# ("passed failed skipped") and lines of why something was skipped in files of
# its own name.
set -euo pipefail

meson_options () {
  printf -- '-Dgst=enabled\n-Dregistry=enabled\n--werror\n-Dtests=true\n'
}

# build FOLDER OPTIONS...: configure and compile
build () {
  local folder=$work/$1 options
  shift
  mapfile -t options < <(meson_options)
  meson setup "$folder" "$fc_root" "${options[@]}" "$@"
  meson compile -C "$folder"
}

# Take the layout of memory as old sanitizers expect it: those of gcc 12 and
# clang 14 die at random on kernels that randomise more bits of an address.
fixed_layout () {
  if setarch "$(uname -m)" -R true 2>/dev/null; then
    setarch "$(uname -m)" -R "$@"
  else
    "$@"
  fi
}

# Most tests wait most of their time: for the registry's seconds, for a stream's
# clock, for a process's end. So two run for each processor, unless what runs
# them makes work of it: emulation, valgrind, AddressSanitizer.
two_each=(--num-processes "$((2 * $(nproc)))")

# run_tests FOLDER OPTIONS...: run the tests and count their cases, also on top
# of an earlier run's in the same step
run_tests () {
  local folder=$work/$1 result=0
  shift
  rm -f "$folder/meson-logs/$step"*.json
  meson test -C "$folder" --no-rebuild --print-errorlogs --logbase "$step" \
    "$@" || result=$?
  python3 "$fc_root/scripts/count-cases" "$step" "$results" \
    "$folder/meson-logs/$step"*.json || result=1
  return "$result"
}

skip () {
  say "$1" >>"$results/$step.skipped"
  exit 77
}

# Files of the tree by their names' ends, with those not committed yet.
tree_files () {
  if git -C "$fc_root" rev-parse --git-dir >/dev/null 2>&1; then
    git -C "$fc_root" ls-files -z -co --exclude-standard -- "$@"
  else
    local name tests=(-false)
    for name; do
      tests+=(-o -path "$fc_root/$name")
    done
    find "$fc_root" -path "$fc_root/build*" -prune -o -type f \
      \( "${tests[@]}" \) -printf '%P\0'
  fi
}

step_format () {
  local files version
  version=$(clang-format --version)
  [[ $version == *" version 14."* ]] ||
    skip "the tree is formatted by clang-format 14, this is $version"
  mapfile -d '' -t files < <(tree_files '*.c' '*.h')
  say "${#files[@]} files, $version"
  [[ ${#files[@]} -gt 0 ]]
  cd "$fc_root"
  clang-format --dry-run -Werror -- "${files[@]}" 2>&1 |
    { grep ': error:' || true; }
}

step_shell () {
  local file line files=()
  while IFS= read -r -d '' file; do
    [[ -f $fc_root/$file ]] || continue
    IFS= read -r line <"$fc_root/$file" || true
    case $line in
      '#!'*sh | '# shellcheck shell='*) files+=("$file") ;;
    esac
  done < <(tree_files '*')
  say "${files[*]}"
  [[ ${#files[@]} -gt 0 ]]
  cd "$fc_root" && shellcheck -x -- "${files[@]}"
}

step_doors () {
  local file name header bad=0 private=()
  cd "$fc_root"
  for header in lib/*.h; do
    [[ $header == lib/fc.h ]] || private+=("${header#lib/}")
  done
  while IFS= read -r -d '' file; do
    while IFS= read -r name; do
      for header in "${private[@]}"; do
        if [[ ${name##*/} == "$header" && ! -e ${file%/*}/$header ]]; then
          say "$file includes lib's private $header"
          bad=1
        fi
      done
    done < <(sed -nE 's/^ *# *include *[<"]([^>"]+)[>"].*/\1/p' "$file")
  done < <(tree_files 'gst/*.[ch]' 'registry/*.[ch]' 'docs/*.[ch]')
  if grep -nE '^ *# *include *[<"].*(glib|gio/|gst/|registry/)' lib/*.[ch]; then
    say "lib includes what is not libc's"
    bad=1
  fi
  return "$bad"
}

# What gcc says of libfc, whose errors are libc's. Where a check is left out it
# is wrong about this code: gcc 12 does not see that success means not NULL
# (null-argument).
analyse_by_gcc () {
  printf '%s\0' lib/*.c | xargs -0 -P "$(nproc)" -I FILE \
    gcc -std=gnu11 -D_GNU_SOURCE '-DFC_VERSION="0"' -O1 -Werror -Wall -Wextra \
    -Wno-unused-parameter -fanalyzer -Wno-analyzer-null-argument \
    -c -o /dev/null FILE
}

# Which checks, and which not and why: .clang-tidy. The build's options are
# gcc's.
analyse_by_clang () {
  if [[ $(clang-tidy --version) != *" version 14."* ]]; then
    say "clang-tidy's checks are chosen for its version 14" \
      >>"$results/$step.skipped"
    return
  fi
  printf '%s\0' {lib,gst,registry,registry/fcctl}/*.c |
    xargs -0 -P "$(nproc)" -n 1 clang-tidy --quiet -p "$work/gcc" \
      --extra-arg=-Wno-unknown-warning-option
}

# Wrong about this code: readdir is safe for streams that one thread has each,
# and getpwuid and the like in fcctl, where one thread calls them; what a
# function fills in need not be initialised (ctuuninitvar); g_autofree frees,
# and g_array_append_val keeps (memleak); Linux's NULL is a pointer
# (varFuncNullUB). And no fault is that newer versions do not follow each branch
# (normalCheckLevelMaxBranches).
analyse_by_cppcheck () {
  local check=(
    cppcheck --std=c11 -j "$(nproc)" --library=posix --library=gnu
    -D__GNUC__=12 '--enable=warning,performance,portability' --inline-suppr
    --quiet --error-exitcode=1 --suppress=ctuuninitvar
    --suppress=normalCheckLevelMaxBranches -I lib
  )
  cppcheck --version
  "${check[@]}" --suppress=readdirCalled lib
  if [[ $(cppcheck --version) != *" 2.10"* ]]; then
    say "what cppcheck knows of GLib is right for its version 2.10" \
      >>"$results/$step.skipped"
    return
  fi
  "${check[@]}" --library=gtk --suppress=memleak --suppress=varFuncNullUB \
    --suppress={getgrgid,getpwnam,getpwuid}Called:registry/fcctl/'*' \
    '-DGST_ELEMENT_REGISTER_DEFINE_WITH_CODE(e,name,rank,type,code)=' \
    '-DGST_DEVICE_PROVIDER_REGISTER_DEFINE(e,name,rank,type)=' \
    -I registry -I registry/fcctl gst registry
}

step_analysis () {
  cd "$fc_root"
  analyse_by_gcc
  analyse_by_clang
  analyse_by_cppcheck
}

step_gcc () {
  CC=gcc CXX=g++ build gcc
}

step_tests () {
  run_tests gcc "${two_each[@]}" --no-suite stress --no-suite bench \
    --no-suite model
}

step_libfc () {
  local library needed
  CC=gcc build libfc -Dgst=disabled -Dregistry=disabled -Dtests=false
  library=$(find "$work/libfc" -name 'libfc.so*' -type f ! -name '*.symbols' |
    head -n 1)
  [[ -n $library ]]
  needed=$(readelf -d "$library" | sed -nE 's/.*NEEDED.*\[(.*)\]/\1/p')
  say "needs: $needed"
  ! grep -vE '^(libc\.so|ld-linux|libpthread\.so|librt\.so)' <<<"$needed"
}

step_release () {
  CC=gcc CXX=g++ build release --buildtype=release
}

step_cost () {
  run_listing '^not ok' "$fc_root/tests/bench/instructions/check" \
    "$work/release"
}

step_clang () {
  CC=clang CXX=clang++ build clang --buildtype=release
}

step_asan () {
  local list names runtime result=0
  CC=gcc CXX=g++ build asan -Db_sanitize=address,undefined \
    -Dbuildtype=debugoptimized
  list=$(meson test -C "$work/asan" --no-rebuild --list)
  export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  mapfile -t names < <(sed -nE 's/^[^:]*:(lib|registry) \/ //p' <<<"$list" |
    grep -vxE 'sizes|registry-elements')
  fixed_layout "$self" --run-tests asan --timeout-multiplier 5 "${names[@]}" ||
    result=1

  # gst-launch-1.0 is not linked with the sanitizers and gets them by preload,
  # but not where a test makes an environment of its own (registry-elements).
  # GLib leaves memory behind; the no-leaks tests look for objects by
  # GStreamer's own tracer, and have done so without the sanitizers.
  runtime=$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so)
  mapfile -t names < <(
    sed -n 's/^[^:]*:gst \/ //p' <<<"$list" | grep -v '^no-leaks'
  )
  names+=(sizes)
  export GST_REGISTRY_FORK=no G_SLICE=always-malloc
  ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1 \
    fixed_layout "$self" --run-tests asan --timeout-multiplier 5 \
    --wrapper "env LD_PRELOAD=$runtime" "${names[@]}" || result=1
  return "$result"
}

step_tsan () {
  CC=gcc CXX=g++ build tsan -Db_sanitize=thread -Dbuildtype=debugoptimized \
    -Dgst=disabled -Dregistry=disabled
  export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
  fixed_layout "$self" --run-tests tsan "${two_each[@]}" \
    --timeout-multiplier 10 --suite lib
}

# Built without optimisation, so that each line counts. Children that became
# another user add to the counts in the same files, once these are there.
step_coverage () {
  local result=0
  CC=gcc build coverage -Db_coverage=true -Dbuildtype=debug -Dgst=disabled \
    -Dregistry=disabled
  run_tests coverage api fault
  chmod -R a+rwX "$work/coverage"
  run_tests coverage "${two_each[@]}" --timeout-multiplier 3 --suite lib ||
    result=1
  gcovr --root "$fc_root" --filter "$fc_root/lib/" --json "$work/lib.json" \
    "$work/coverage/lib"
  gcovr --root "$fc_root" --add-tracefile "$work/lib.json"
  "$fc_root/tests/coverage/check" "$fc_root" "$work/lib.json" || result=1
  return "$result"
}

step_aarch64 () {
  local gnu=aarch64-linux-gnu
  cat >"$work/aarch64.ini" <<END
[binaries]
c = '$gnu-gcc'
ar = '$gnu-ar'
strip = '$gnu-strip'
exe_wrapper = ['qemu-aarch64', '-L', '/usr/$gnu']
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
END
  build aarch64 --cross-file "$work/aarch64.ini" -Dgst=disabled \
    -Dregistry=disabled
  run_tests aarch64 --timeout-multiplier 10 --suite lib
}

# run_listing BAD COMMAND...: a command that prints a line for each of its
# cases, "ok ..." or, where BAD matches it, a failed one. grep ends with 1 where
# it counts none; the command's own end decides then.
run_listing () {
  local bad=$1 log=$work/$step.log result=0
  shift
  "$@" >"$log" 2>&1 || result=$?
  cat "$log"
  printf '%s %s 0\n' "$(grep -c '^ok ' "$log" || true)" \
    "$(grep -cE "$bad" "$log" || true)" >"$results/$step.cases"
  return "$result"
}

step_foreign () {
  run_listing '^not ok' "$fc_root/tests/foreign/run"
}

# GStreamer leaves much behind on purpose: leaks of objects are looked for by
# the tests themselves, and leaks of memory in programs of libfc alone.
step_valgrind () {
  local reader result=0 names=(
    sink-several-memories-once sink-big-frame-renews sink-eos-ends-the-slot
    sink-buffer-after-flush-is-an-epoch src-flags-and-times-survive
    src-stream-id-segment-and-tags-travel src-caps-changed
    memory-leased-then-copied-then-leased
    memory-leased-memory-outlives-generation state-unlock-while-leases-are-out
    uri-illegal-value-says-what-is-allowed
    devices-what-can-not-be-read-is-passed-over monitor-directory-comes-and-goes
    change-caps-changed-in-the-middle change-killed-and-begun-again
    change-slot-removed-and-made-again dynamic-source-flushed
    dynamic-source-unlinked-and-linked storm-writers-come-and-go
    storm-disturbed-by-others reserved-frame-that-outgrows-it
    bus-new-generation-goes-on-at-the-cursor
    ask-states-in-any-order-while-asking
  )
  local valgrind=(
    valgrind --quiet --error-exitcode=99 --fair-sched=try
    "--suppressions=$fc_root/scripts/valgrind.supp"
  )
  local strict=(--leak-check=full --errors-for-leak-kinds=definite)

  mkdir -p "$work/include"
  ln -sfn "$fc_root/lib" "$work/include/framecache"
  for name in numbers-writer numbers-reader slots; do
    gcc -g -O1 -I "$work/include" "$fc_root/docs/examples/$name.c" \
      -L "$work/gcc/lib" -lfc -o "$work/$name"
  done
  export LD_LIBRARY_PATH=$work/gcc/lib
  "${valgrind[@]}" "${strict[@]}" "$work/numbers-reader" &
  reader=$!
  "${valgrind[@]}" "${strict[@]}" "$work/numbers-writer" || result=1
  wait "$reader" || result=1
  "${valgrind[@]}" "${strict[@]}" "$work/slots" || result=1
  unset LD_LIBRARY_PATH

  export CK_FORK=no G_SLICE=always-malloc FC_TEST_SOAK=30
  run_tests gcc --timeout-multiplier 5 --wrapper "${valgrind[*]}" \
    "${names[@]}" || result=1
  read -r passed failed _ <"$results/$step.cases"
  if [[ $((passed + failed)) -lt ${#names[@]} ]]; then
    say "some of these tests are no more: ${names[*]}"
    result=1
  fi
  return "$result"
}

step_model () {
  run_listing '^(no|bad|WRONG|FAIL)' "$fc_root/tests/model/run"
}

step_stress () {
  run_tests gcc --suite stress --timeout-multiplier 3
}

step_install () {
  local root=$work/root pc
  run_listing '^not ok' "$fc_root/tests/packages/prefixes"
  meson install -C "$work/gcc" --no-rebuild --destdir "$root"
  find "$root" -type f \
    \( -path '*/bin/*' -o -path '*/libexec/*' -o -name '*.so' \
    -o -name '*.so.[0-9]*' \) -print0 |
    xargs -0 "$fc_root/tests/hardening/check" --fortified --installed
  pc=$(find "$root" -name libfc.pc)
  [[ -n $pc ]]
  export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$root
  LD_LIBRARY_PATH=$(dirname "$(find "$root" -name 'libfc.so' | head -n 1)")
  export LD_LIBRARY_PATH

  cat >"$work/tiny.c" <<'END'
#include <framecache/fc.h>
#include <stdio.h>

int
main (void)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_writer_t *writer = NULL;
  uint64_t seq = 7;
  int r;

  options.frame_size = 4096;
  r = fc_writer_open (&writer, "tiny", &options);
  if (r == 0)
    r = fc_writer_write (writer, "hello", 6, NULL, &seq);
  if (r < 0)
    fprintf (stderr, "%s\n", fc_error_detail ());
  fc_writer_close (writer);
  printf ("libfc %s: frame %d\n", fc_version (), (int) seq);
  return r == 0 && seq == 0 ? 0 : 1;
}
END
  read -ra flags < <(pkg-config --cflags --libs libfc)
  gcc -std=c11 -Wall -Wextra -pedantic -Werror "$work/tiny.c" "${flags[@]}" \
    -o "$work/tiny"
  "$work/tiny"
  g++ -std=c++17 -Wall -Wextra -pedantic -Werror -x c++ "$work/tiny.c" \
    -x none "${flags[@]}" -o "$work/tiny++"
  "$work/tiny++"
}

step_packages () {
  run_listing '^not ok' "$fc_root/tests/packages/run"
}

step_containers () {
  run_listing '^not ok' "$fc_root/tests/containers/run"
}

# Those of the tree must not show what is no more: the titles in fcctl top.
step_pictures () {
  local made=$work/pictures
  "$fc_root/scripts/pictures" --no-setup --build "$work/gcc" --output "$made"
  diff <(grep 'class="c7"' "$fc_root/docs/pictures/top.svg" |
    sed 's/<[^>]*>//g') <(grep 'class="c7"' "$made/top.svg" |
    sed 's/<[^>]*>//g') ||
    die "docs/pictures/top.svg is old: scripts/pictures makes it anew"
}

step_docs () {
  "$fc_root/tests/docs/run" --scratch "$work/docs" \
    --count "$results/$step.cases"
}
