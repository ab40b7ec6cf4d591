# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for the scripts that source this
#
# What scripts/demo, scripts/test and scripts/bench share: where the tree is,
# which Debian packages each purpose needs, and bounded waits. Sourced, not
# run. SPDX-License-Identifier: LGPL-2.1-or-later

fc_root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# One list per purpose. The names are those of Debian 12 and 13 and of
# Ubuntu 24.04 and later.
packages_build=(
  gcc libc6-dev meson ninja-build pkgconf python3
)
packages_gst=(
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-base-apps
  gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav
  gstreamer1.0-x
)
# What the benches measure the elements beside.
packages_peers=(
  gstreamer1.0-pipewire pipewire pipewire-bin wireplumber dbus
)
# What shows a window where nobody looks.
packages_pictures=(
  xvfb xterm fonts-dejavu-core
)
packages_registry=(
  libglib2.0-dev libglib2.0-dev-bin libjson-glib-dev scdoc
)
packages_gate=(
  iproute2 dbus libglib2.0-bin python3-gi gir1.2-glib-2.0 systemd
  gir1.2-gst-plugins-base-1.0 python3-numpy python3-opencv make cmake
  bash-completion curl jq man-db mandoc python3-prometheus-client
  mmdebstrap git g++ clang clang-format clang-tidy shellcheck cppcheck gcovr
  spin valgrind strace abigail-tools
  binutils libfontconfig-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross
  gcc-i686-linux-gnu libc6-dev-i386-cross musl-tools qemu-user
  forensics-samples-files
)
# Containers, without any engine's service.
packages_containers=(
  mmdebstrap podman crun docker-compose python3-yaml util-linux
)

say () { printf '%s\n' "$*"; }
die () { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Of the packages named, those that are not installed, one a line.
packages_missing () {
  local package status
  for package; do
    # shellcheck disable=SC2016 # dpkg-query's own format, not the shell's
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) ||
      status=
    [[ $status == installed ]] || printf '%s\n' "$package"
  done
}

# Install what is missing of the packages named; nothing is asked, nothing is
# fetched when all are there. $FC_NO_INSTALL, if set, forbids installing.
packages_install () {
  local -a missing as_root=()
  local apt=(apt-get -q -y -o DPkg::Lock::Timeout=300)

  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "This is not a Debian system: nothing is installed."
    say "Debian calls what is needed: $*"
    return 0
  fi
  mapfile -t missing < <(packages_missing "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0

  if [[ -n ${FC_NO_INSTALL-} ]]; then
    die "FC_NO_INSTALL is set, and these packages are missing: ${missing[*]}"
  elif [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null ||
      die "neither root nor sudo; have root run: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive)

  say "installing ${#missing[@]} missing packages: ${missing[*]}"
  # An update that fails may still leave lists that are good enough.
  "${as_root[@]}" "${apt[@]}" update ||
    say "apt-get update failed; going on with the package lists there are"
  "${as_root[@]}" "${apt[@]}" install --no-install-recommends "${missing[@]}" \
    </dev/null || die "could not install: ${missing[*]}"
}

# await SECONDS COMMAND...: run COMMAND until it succeeds, at most that long.
await () {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [[ $SECONDS -lt $end ]] || return 1
    sleep 0.05
  done
}

# Whether a process that this shell started still runs.
alive () { kill -0 "$1" 2>/dev/null; }

# End a process that this shell started, by its id: asked, then made to. Its
# exit status is left in $ended.
end_process () {
  local pid=$1 signal=${2:-TERM}
  ended=0
  { # without the shell's own word on the death of its child
    kill "-$signal" "$pid" || true
    await 10 not alive "$pid" || kill -KILL "$pid" || true
    wait "$pid" || ended=$?
  } 2>/dev/null
}

not () { ! "$@"; }

# A slot directory of its own in shared memory, for whatever runs slots here.
make_slot_dir () {
  local base=/dev/shm
  [[ -d $base && -w $base ]] || die "$base is missing or may not be written"
  mktemp -d "$base/framecache-$1.XXXXXX"
}

# Another Debian system in a folder: $as_root comes before what takes root.
become_root () {
  as_root=()
  [[ $(id -u) -ne 0 ]] || return 0
  command -v sudo >/dev/null || die "takes root: mounts and another system"
  as_root=(sudo "--preserve-env=http_proxy,https_proxy,no_proxy")
}

# copy_tree FOLDER: the tree as it is, with what is not committed, and nothing
# built.
copy_tree () {
  "${as_root[@]}" rm -rf -- "$1"
  "${as_root[@]}" mkdir -p "$1"
  git -C "$fc_root" ls-files -z -co --exclude-standard |
    (cd "$fc_root" && while IFS= read -r -d '' name; do
      [[ ! -e $name ]] || printf '%s\0' "$name"
    done) |
    tar -C "$fc_root" --null --files-from=- --owner=0 --group=0 -cf - |
    "${as_root[@]}" tar -C "$1" -xf -
}

# enter_debian FOLDER WORD...: run the words in the system in FOLDER, in its
# /src. Not by chroot, in which no user namespace can be made, as tests do.
enter_debian () {
  # shellcheck disable=SC2016 # that shell's own variables
  "${as_root[@]}" unshare --mount --pid --fork --kill-child \
    --propagation private bash -euc '
    root=$1 && shift
    mount --bind "$root" "$root"
    cd "$root"
    mount --rbind /dev dev
    mount -t tmpfs -o mode=1777 tmpfs dev/shm
    mount --rbind /sys sys
    mount -t proc proc proc
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=1777 tmpfs mnt
    rm -f etc/resolv.conf
    cat /etc/resolv.conf >etc/resolv.conf
    pivot_root . mnt
    umount -l mnt
    cd /src
    exec env -i HOME=/root LANG=C.UTF-8 TERM="${TERM-dumb}" \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      ${http_proxy+http_proxy="$http_proxy"} \
      ${https_proxy+https_proxy="$https_proxy"} \
      ${no_proxy+no_proxy="$no_proxy"} "$@"' enter "$@"
}

# shown PAGE NAME: the commands of the tree's PAGE that are marked to be run by
# a test, under that NAME (tests/docs/page.py says how).
shown () {
  awk -v name="$2" '
    /^<!-- docs-test: by / { marked = $5 == name }
    /^```/ { inside = !inside && marked; if (!inside) marked = 0; next }
    inside { print; some = 1 }
    END { exit !some }' "$fc_root/$1" || die "$1 has no commands named $2"
}

# tell NAME COMMAND...: run the command, a function mostly, and say "ok NAME" or
# "not ok NAME", and then what it printed into the file $log. Does not fail
# itself: $told is 0 or not, and $failed is 1 once something did. Do not call it
# on the left of || or && or in a condition: errexit would be off in there.
failed=0 log=/dev/null
tell () {
  local name=$1
  shift
  told=0
  (set -e && "$@") >"$log" 2>&1 &
  wait "$!" || told=$?
  if [[ $told -eq 0 ]]; then
    say "ok $name"
  else
    sed 's/^/  /' "$log"
    say "not ok $name"
    failed=1
  fi
}
