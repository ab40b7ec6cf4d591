# shellcheck shell=bash
# shellcheck disable=SC2154 # $fc_root, $work and pids are the script's
#
# A display that nobody sees, and looks at it. Sourced after scripts/lib.sh, not
# run; processes go into pids, files into $work.
# SPDX-License-Identifier: LGPL-2.1-or-later

# start_display SIZE: sets $DISPLAY. It stays when the last window goes, as a
# look's does: a reset would refuse whoever comes meanwhile.
start_display () {
  Xvfb -displayfd 3 -screen 0 "$1x24" -noreset -nolisten tcp 3>"$work/display" \
    >"$work/xvfb.log" 2>&1 </dev/null &
  pids+=($!)
  await 60 test -s "$work/display" || die "Xvfb did not start"
  DISPLAY=:$(<"$work/display")
  export DISPLAY
  unset WAYLAND_DISPLAY
}

# shot FILE [REGION...]: what the display shows, as PNG or raw RGB
shot () {
  local file=$1 encode=()
  shift
  [[ $file != *.png ]] || encode=(! pngenc compression-level=9)
  timeout 60 gst-launch-1.0 -q ximagesrc show-pointer=false use-damage=false \
    num-buffers=1 "$@" ! videoconvert ! video/x-raw,format=RGB \
    "${encode[@]}" ! filesink location="$file" 2>&1
}

apart () { "$fc_root/tests/pictures/apart" "$@"; }

# Whether the display shows something else than at the last look; it is left in
# $work/now.
display_moved () {
  [[ ! -e $work/now ]] || mv "$work/now" "$work/before"
  shot "$work/now" "$@"
  [[ -e $work/before ]] && apart "$work/before" "$work/now" at-least 0.01
}

# A window that comes up is one change; a live one goes on.
await_live_window () {
  await 60 display_moved "$@" || die "no window came up"
  await 60 display_moved "$@" || die "the window does not move"
}
