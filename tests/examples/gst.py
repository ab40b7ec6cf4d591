# SPDX-License-Identifier: LGPL-2.1-or-later
"""Examples beside GStreamer's elements: with them, and in C on one side."""

import json

from harness import PROGRAMS, main

SIZE = 320 * 240 * 3 // 2
RAW = "video/x-raw,width=320,height=240,framerate=30/1"


def square_is_seen_by_gstreamer(place):
    """Caps, times and every pixel of what a program wrote without it."""
    picture = place.folder / "frames"
    reader = place.launch("fcsrc slot=square timestamps=stream num-buffers=30 "
                          f"start=oldest ! filesink location={picture}")
    shown = place.start(
        "gst-launch-1.0", "-v", "fcsrc", "slot=square", "num-buffers=30", "!",
        "videoconvert", "!", "video/x-raw,format=RGB", "!", "fakesink")
    writer = place.example("moving-square", "square", "60")
    writer.end()
    reader.end()
    shown.end()
    sink = [line for line in shown.said if "GstFakeSink" in line]
    for part in ("format=(string)RGB", "width=(int)320", "height=(int)240",
                 "framerate=(fraction)30/1"):
        assert len(sink) == 1 and part in sink[0], sink
    data = picture.read_bytes()
    assert len(data) == 30 * SIZE
    lefts = []
    for n in range(30):
        frame = data[n * SIZE:(n + 1) * SIZE]
        line = frame[120 * 320:121 * 320]
        lefts.append(line.index(235))
        assert line.count(235) == 48 and line.count(32) == 320 - 48
        assert frame[:320] == bytes([32]) * 320
        assert frame[320 * 240:] == bytes([128]) * (SIZE // 3)
    steps = {b - a for a, b in zip(lefts, lefts[1:])}
    assert steps <= {4, 5}, lefts


def decoded(place, line):
    """Starts a writer of what libav's decoder makes, whose lines are padded
    by more than caps say: 322 is no multiple of its alignment."""
    clip = place.folder / "clip.h264"
    place.launch(f"videotestsrc num-buffers=30 {line} ! "
                 "video/x-raw,width=322,height=242,framerate=30/1 ! "
                 "openh264enc ! video/x-h264,stream-format=byte-stream ! "
                 f"filesink location={clip}").end()
    return place.launch(f"filesrc location={clip} ! h264parse ! "
                        "avdec_h264 max-threads=1 ! fcsink slot=cam0 sync=true")


def motion_in_padded_frames(place):
    """It is where it is in frames without padding, but for what H.264 makes of
    the picture: the wrong stride would shear it to another place."""
    motion = place.example("motion", "cam0")
    where = []
    for writer in (
            lambda: place.launch("videotestsrc pattern=ball num-buffers=30 ! "
                                 "video/x-raw,format=I420,width=322,height=242,"
                                 "framerate=30/1 ! fcsink slot=cam0"),
            lambda: decoded(place, "pattern=ball")):
        running = writer()
        motion.expect("322 x 242 pixels")
        line = motion.expect("it moves at ")
        where.append([int(part) for part in line.split(" at ")[1].split(", ")])
        motion.expect("the writer has ended")
        running.end()
    assert all(abs(a - b) <= 6 for a, b in zip(*where)), where
    motion.interrupt()


def motion_copies_what_it_may_not_hold(place):
    """Another user's frames, of a slot that lets all read and none hold."""
    place.folder.chmod(0o755)
    place.slots.chmod(0o755)
    motion = place.start("setpriv", "--reuid=65534", "--clear-groups",
                         PROGRAMS / "example-motion", "cam0")
    place.launch(f"videotestsrc pattern=ball num-buffers=30 ! {RAW},"
                 "format=NV12 ! fcsink slot=cam0 access=all").end()
    motion.expect("it moves")
    motion.expect("the writer has ended")
    motion.interrupt()


def motion_follows_a_change_of_format(place):
    """The next writer after one that was killed has other caps."""
    motion = place.example("motion", "cam0")
    first = place.example("moving-square", "cam0")
    motion.expect("it moves")
    first.kill()
    motion.expect("the writer has died")
    place.launch("videotestsrc pattern=ball num-buffers=30 ! video/x-raw,"
                 "format=I420,width=322,height=242 ! fcsink slot=cam0").end()
    motion.expect("the slot is made anew")
    motion.expect("322 x 242 pixels")
    assert motion.expect("it moves").endswith(" at 165, 125"), motion.said
    motion.interrupt()


def motion_says_what_it_can_not_read(place):
    """And goes on with the writer's next format."""
    motion = place.example("motion", "cam0")
    place.launch(f"videotestsrc num-buffers=5 ! {RAW},format=RGB ! "
                 "fcsink slot=cam0").end()
    motion.expect("no brightness in this: video/x-raw, format=(string)RGB")
    motion.expect("the writer has ended")
    place.launch("videotestsrc pattern=ball num-buffers=30 ! "
                 "video/x-raw,format=GRAY8,width=99,height=20 ! "
                 "fcsink slot=cam0").end()
    motion.expect("99 x 20 pixels")
    motion.expect("it moves")
    motion.expect("the writer has ended")
    # As cameras have it, where each second byte is brightness.
    for name in "YUY2", "UYVY":
        place.launch("videotestsrc pattern=ball num-buffers=30 ! video/x-raw,"
                     f"format={name},width=322,height=242 ! fcsink slot=cam0"
                     ).end()
        motion.expect("322 x 242 pixels")
        assert motion.expect("it moves").endswith(" at 165, 125"), motion.said
        motion.expect("the writer has ended")
    motion.interrupt()


def frames_of_the_application_arrive(place):
    """Each of what gst-writer drew, in its order."""
    frames = place.folder / "frames"
    reader = place.launch(f"fcsrc slot=drawn start=oldest ! "
                          f"filesink location={frames}")
    writer = place.example("gst-writer", "drawn", "30")
    writer.expect("30 frames written, 0 dropped")
    writer.end()
    reader.end()
    data = frames.read_bytes()
    size = 320 * 240
    first = data[0]
    assert len(data) == (30 - first) * size, len(data)
    for n in range(first, 30):
        part = data[(n - first) * size:(n - first + 1) * size]
        assert part == bytes([n]) * size, n
    assert "1 consumers" in writer.said, writer.said


def reader_follows_its_writers(place):
    reader = place.example("gst-reader", "cam0")
    place.launch("videotestsrc pattern=white num-buffers=40 is-live=true ! "
                 f"{RAW},format=GRAY8 ! fcsink slot=cam0").end()
    reader.expect(", brightness 235")
    dies = place.launch("videotestsrc pattern=black is-live=true ! "
                        f"{RAW},format=GRAY8 ! fcsink slot=cam0")
    reader.expect(", brightness 16")
    dies.kill()
    reader.expect("cam0: the writer has died")
    # Another format, and lines with padding, which is not of the picture.
    last = place.launch("videotestsrc pattern=white is-live=true ! "
                        "video/x-raw,format=GRAY8,width=61,height=47 ! "
                        "fcsink slot=cam0")
    reader.expect("cam0: there is a writer again")
    reader.expect(", brightness 235")
    lines = reader.interrupt()
    assert "frames delivered, 0 lost" in lines[-1], lines
    last.interrupt()


def reader_begins_again_after_an_error(place):
    """A slot that is no ring is one; when it is, the reader reads it."""
    bad = place.slots / "cam0.ring"
    bad.write_bytes(b"this is no ring" * 1000)
    reader = place.example("gst-reader", "cam0")
    reader.expect("cam0.ring")
    bad.unlink()
    writer = place.launch("videotestsrc pattern=white is-live=true ! "
                          f"{RAW},format=GRAY8 ! fcsink slot=cam0")
    reader.expect(", brightness 235")
    reader.interrupt()
    writer.interrupt()


def consumer_stats_are_exact(place):
    stats = place.example("fc-consumer-stats", "fcsrc slot=cam0 start=oldest "
                          "! fakesink")
    stats.expect("playing")
    place.launch("videotestsrc is-live=true num-buffers=30 ! "
                 f"{RAW} ! fcsink slot=cam0").end()
    last = json.loads(stats.end()[-1])
    assert last["event"] == "end"
    assert last["delivered"] == last["received"] > 0, last
    assert last["delivered"] + last["skipped"] + last["dropped"] == 30, last


main(globals())
