#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Three processes show the sound and the pictures of a fourth in step.

usage: sync.py SYNC-PLAYER in-step|error-is-seen

The players begin one after the other, so that each has a base time of its
own. Whatever they do, a frame has to be shown at one instant by all three, and
sound and pictures that were captured together have to be shown together. The
medians are what is judged: wrong arithmetic moves every frame, a busy machine
only some. With error-is-seen one player's pictures are 200 ms late, and that
has to be found.
"""

import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PLAYERS = 3
FRAMES = 150
BOUND = 100e6  # ns
ERROR = 200_000_000  # ns
PATIENCE = 120  # s


def wait_for(path):
    end = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > end:
            sys.exit(f"{path} never came")
        time.sleep(0.01)


def wait_for_line(process):
    """The player runs, and has shown something."""
    line = process.stdout.readline()
    if not line:
        sys.exit("a player ended before it showed anything")
    return line


def play(program, offset_of_last):
    """What each player showed: by slot, number -> (captured, shown)."""
    players = []
    try:
        first_lines = []
        for i in range(PLAYERS):
            offset = offset_of_last if i == PLAYERS - 1 else 0
            players.append(subprocess.Popen(
                [program, "player", str(FRAMES), str(offset)],
                stdout=subprocess.PIPE, text=True))
            first_lines.append(wait_for_line(players[-1]))
        outputs = [first + player.communicate(timeout=PATIENCE)[0]
                   for first, player in zip(first_lines, players)]
        if any(player.returncode for player in players):
            sys.exit("a player failed")
    finally:
        for player in players:
            if player.poll() is None:
                player.kill()
                player.wait()
    shown = []
    for output in outputs:
        slots = {"cam0": {}, "mic0": {}}
        for line in output.splitlines():
            slot, number, captured, instant = line.split()
            slots[slot][int(number)] = int(captured), int(instant)
        shown.append(slots)
    return shown


def tell(what, values):
    """Print VALUES, ns; their median."""
    values = sorted(values)
    median = statistics.median(values)
    p99 = values[min(len(values) - 1, len(values) * 99 // 100)]
    print(f"{what}: median {median / 1e6:.2f} ms, p99 {p99 / 1e6:.2f} ms,"
          f" {len(values)} frames")
    return median


def judge(shown):
    """The largest median of what has to be nothing, ns."""
    worst = 0
    for slot in "cam0", "mic0":
        common = set.intersection(*(set(slots[slot]) for slots in shown))
        if len(common) < FRAMES // 3:
            sys.exit(f"only {len(common)} frames of {slot} were shown by all")
        instants = [[slots[slot][n][1] for slots in shown] for n in common]
        worst = max(worst, tell(f"{slot}, between the processes",
                                [max(i) - min(i) for i in instants]))
    for i, slots in enumerate(shown):
        late = {slot: tell(f"player {i}, {slot}, capture to show",
                           [b - a for a, b in slots[slot].values()])
                for slot in slots}
        worst = max(worst, abs(late["cam0"] - late["mic0"]))
    return worst


def main():
    program, name = sys.argv[1:]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fc-sync-", dir="/dev/shm"))
    os.environ["FC_DIR"] = str(folder)
    writer = subprocess.Popen([program, "writer"])
    try:
        for slot in "cam0", "mic0":
            wait_for(folder / f"{slot}.ring")
        worst = judge(play(program, ERROR if name == "error-is-seen" else 0))
    finally:
        writer.kill()
        writer.wait()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"at most {worst / 1e6:.2f} ms apart; the bound is"
          f" {BOUND / 1e6:.0f} ms")
    return 0 if (worst < BOUND) == (name == "in-step") else 1


if __name__ == "__main__":
    sys.exit(main())
