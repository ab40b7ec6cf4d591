# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples that need libfc alone."""

import re
import signal

from harness import main


def numbers_add_up(place):
    reader = place.example("numbers-reader")
    place.example("numbers-writer").end()
    assert reader.end() == ["100 frames, 0 lost, sum 4950"]


def motion_begins_and_rests(place):
    """The square's times are known: it moves for 2 s of 3, and half a second
    after its last step motion calls that a rest. So is where: the middle
    between the place at the right that it leaves, and that at the left."""
    motion = place.example("motion", "square")
    place.example("moving-square", "square", "182").end()
    motion.expect("the writer has ended")
    motion.interrupt()
    assert motion.said[0] == "320 x 240 pixels", motion.said
    assert "it moves at " in motion.said[1], motion.said
    assert motion.said[2:-1] == [
        "2.500 s, frame 75: it rests",
        "3.000 s, frame 90: it moves at 160, 120",
        "5.500 s, frame 165: it rests",
        "6.000 s, frame 180: it moves at 160, 120",
    ], motion.said


def motion_follows_its_writers(place):
    """One that ends, one that is killed, and those after them."""
    motion = place.example("motion", "square")
    place.example("moving-square", "square", "10").end()
    motion.expect("it moves")
    motion.expect("the writer has ended")
    second = place.example("moving-square", "square")
    motion.expect("it moves")
    second.kill()
    motion.expect("the writer has died")
    third = place.example("moving-square", "square")
    line = motion.expect("it moves")
    # Its epoch's first frame was not compared with the dead one's last.
    assert line.startswith("0.033 s"), line
    motion.interrupt()
    third.interrupt()


def motion_tells_what_it_lost(place):
    """Stopped until the writer has gone round its ring of 60 frames."""
    motion = place.example("motion", "square")
    writer = place.example("moving-square", "square", "210")
    motion.expect("it moves")
    motion.process.send_signal(signal.SIGSTOP)
    writer.end()
    motion.process.send_signal(signal.SIGCONT)
    lost = int(motion.expect("frames were lost").split()[0])
    assert 0 < lost < 150, lost
    # The last 60 are there: the square rests in 150 to 179, and moves then.
    motion.expect("frame 180: it moves")
    motion.expect("the writer has ended")
    motion.interrupt()


def slots_are_listed(place):
    writer = place.example("moving-square", "square")
    motion = place.example("motion", "square")
    motion.expect("it moves")
    lines = place.example("slots").end()
    assert re.fullmatch(rf"{place.slots}/square: live, frame \d+, "
                        r"\d+\.\d frames/s, \d+\.\d MiB", lines[0]), lines
    assert re.fullmatch(r"    example-motion, pid \d+: \d+ delivered, "
                        r"0 dropped", lines[1]), lines
    assert len(lines) == 2, lines
    motion.interrupt()
    writer.interrupt()


main(globals())
