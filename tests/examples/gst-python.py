# SPDX-License-Identifier: LGPL-2.1-or-later
"""GStreamer from Python."""

from harness import main


def reader_in_python(place):
    writer = place.launch("videotestsrc pattern=white is-live=true ! "
                          "video/x-raw,format=GRAY8,width=64,height=48 ! "
                          "fcsink slot=cam0")
    reader = place.example("gst-reader.py", "cam0", "3")
    lines = reader.end()
    assert "format=(string)GRAY8, width=(int)64, height=(int)48" in lines[0]
    assert lines[1:4] == ["3072 bytes, the first is 235"] * 3, lines
    assert lines[-1] == "3 frames delivered, 0 lost", lines
    writer.interrupt()

    (place.slots / "bad.ring").write_bytes(b"this is no ring" * 1000)
    failing = place.example("gst-reader.py", "bad")
    failing.expect("bad.ring")
    failing.end(1)


main(globals())
