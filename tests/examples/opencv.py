# SPDX-License-Identifier: LGPL-2.1-or-later
"""OpenCV, where it is built with GStreamer."""

from harness import main


def opencv_sees_the_picture(place):
    """A checkerboard has many edges, and a white picture has none."""
    for pattern, least, most in ("checkers-8", 10, 60), ("white", 0, 0):
        writer = place.launch(f"videotestsrc pattern={pattern} is-live=true ! "
                              "video/x-raw,width=321,height=241 ! "
                              f"fcsink slot={pattern}")
        reader = place.example("opencv.py", pattern, "3")
        lines = [line for line in reader.end() if "edges" in line]
        assert len(lines) == 3, lines
        for line in lines:
            size, _, edges = line.partition(", ")
            assert size == "321 x 241", line
            assert least <= float(edges.split()[0]) <= most, line
        writer.interrupt()


main(globals())
