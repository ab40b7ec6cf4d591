# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine that a bench ran on, and how quiet it was meanwhile."""

import os
import pathlib
import re
import resource
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
STEAL_BOUND = 0.02  # of all processors' time
OTHERS_BOUND = 0.10  # of one processor's time


def read(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def first_line_of(*command):
    try:
        told = subprocess.run(command, capture_output=True, text=True,
                              timeout=60, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return ""
    return told[0] if told else ""


def caches():
    """Such as "48 KiB L1d, 2 MiB L2", of one processor."""
    found = []
    for index in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache")
                        .glob("index*")):
        kind = read(index / "type")
        if kind == "Instruction":
            continue
        size = int(read(index / "size").removesuffix("K") or 0)
        size = f"{size // 1024} MiB" if size % 1024 == 0 else f"{size} KiB"
        level = read(index / "level") + ("d" if kind == "Data" else "")
        found.append(f"{size} L{level}")
    return ", ".join(found)


def chosen(text):
    """The word in brackets, as the kernel marks the one that holds."""
    found = re.search(r"\[(\w+)\]", text)
    return found.group(1) if found else text


def gstreamer(enter=()):
    return first_line_of(*enter, "gst-inspect-1.0", "--version").split()[-1:]


def describe():
    """The machine and what was run on it, as names and texts."""
    cpuinfo = read("/proc/cpuinfo")
    meminfo = read("/proc/meminfo")
    model = re.search(r"^(model name|Model)\s*: (.*)", cpuinfo, re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", meminfo, re.M)
    governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    pages = "/sys/kernel/mm/transparent_hugepage"
    name = re.search(r'^PRETTY_NAME="(.*)"', read("/etc/os-release"), re.M)
    kernel = os.uname()
    return {
        "processor": model.group(2) if model else kernel.machine,
        "processors": f"{len(os.sched_getaffinity(0))} of "
                      f"{os.cpu_count()} usable",
        "caches": caches(),
        "memory": f"{int(memory.group(1)) / 1024 ** 2:.0f} GiB"
                  if memory else "",
        "virtual": "yes, with a hypervisor below it"
                   if re.search(r"^flags.*\bhypervisor\b", cpuinfo, re.M)
                   else "no hypervisor is seen",
        "governor": governor or "none that the system can set",
        "clock": read("/sys/devices/system/clocksource/clocksource0/"
                      "current_clocksource"),
        "huge pages": f"{chosen(read(pages + '/enabled'))}, for shared "
                      f"memory {chosen(read(pages + '/shmem_enabled'))}",
        "kernel": f"{kernel.sysname} {kernel.release.partition('-')[0]}",
        "system": name.group(1) if name else "",
        "compiler": first_line_of("gcc", "--version"),
    }


def load():
    return float((read("/proc/loadavg") or "0").split()[0])


class Watch:
    """What was taken from the processors by others than our children, from
    its making to its end ()."""

    def __init__(self):
        self.began = self.look()

    @staticmethod
    def look():
        fields = read("/proc/stat").split("\n", 1)[0].split()[1:]
        user, nice, system, _, _, irq, softirq, steal = map(int, fields[:8])
        ours = resource.getrusage(resource.RUSAGE_CHILDREN)
        self = resource.getrusage(resource.RUSAGE_SELF)
        return (time.monotonic(), steal / TICKS,
                (user + nice + system + irq + softirq) / TICKS,
                ours.ru_utime + ours.ru_stime + self.ru_utime
                + self.ru_stime)

    def end(self):
        """The shares of time that were stolen from all processors, and that
        others had of one."""
        took, steal, busy, ours = (after - before for before, after
                                   in zip(self.began, self.look()))
        took = max(took, 1 / TICKS)
        return {"steal": round(steal / took / os.cpu_count(), 4),
                "others": round(max(busy - ours, 0) / took, 4)}


def is_quiet(shares):
    return (shares["steal"] <= STEAL_BOUND
            and shares["others"] <= OTHERS_BOUND)
