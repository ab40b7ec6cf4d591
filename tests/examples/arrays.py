# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/examples/framecache.py: what it reads is what GStreamer wrote."""

import errno
import gc
import struct
import sys

import gi
import numpy

from harness import EXAMPLES, main

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstVideo  # noqa: E402 (after the version)

sys.path.insert(0, str(EXAMPLES))
import framecache  # noqa: E402 (after the path)
import picture  # noqa: E402

WAIT = 100  # s: a bound
# Neither moves. The first one has no colour, the second one nothing else.
LUMA = "videotestsrc pattern=zone-plate kx2=20 ky2=20"
COLOUR = "videotestsrc pattern=chroma-zone-plate kx2=20 ky2=20"


def open_slot(slot="cam0"):
    return framecache.Consumer(slot, framecache.LATEST, wait=WAIT)


def expected_planes(caps, data):
    """What GStreamer says of where the planes are in DATA, copied out of it
    line by line."""
    info = GstVideo.VideoInfo.new_from_caps(Gst.Caps.from_string(caps))
    for plane in range(info.finfo.n_planes):
        parts = [component for component in range(info.finfo.n_components)
                 if info.finfo.plane[component] == plane]
        pixel = info.finfo.pixel_stride[parts[0]]
        width = -(-info.width >> info.finfo.w_sub[parts[0]])
        height = -(-info.height >> info.finfo.h_sub[parts[0]])
        lines = []
        for line in range(height):
            at = info.offset[plane] + line * info.stride[plane]
            lines.append(list(data[at:at + width * pixel]))
        yield numpy.array(lines, numpy.uint8), pixel


def compare(place, name, width, height):
    """Of a frame of the format NAME each pixel, and that there are some."""
    caps = (f"video/x-raw,format={name},width={width},height={height},"
            "framerate=30/1")
    varied = set()
    for number, source in enumerate((LUMA, COLOUR)):
        slot = f"{name}-{number}"
        file = place.folder / slot
        place.launch(f"{source} num-buffers=1 ! {caps} ! "
                     f"filesink location={file}").end()
        writer = place.launch(f"{source} is-live=true ! {caps} ! "
                              f"fcsink slot={slot}")
        with open_slot(slot) as consumer:
            frame = consumer.next(WAIT)
        expected = list(expected_planes(caps, file.read_bytes()))
        assert len(frame.planes) == len(expected), name
        for plane, (pixels, pixel) in zip(frame.planes, expected):
            shape = plane.shape + (1,) if plane.ndim == 2 else plane.shape
            assert shape == (pixels.shape[0], pixels.shape[1] // pixel, pixel)
            assert numpy.array_equal(plane.reshape(pixels.shape), pixels), name
        varied |= {at for at, plane in enumerate(frame.planes)
                   if plane.std() > 1}
        writer.interrupt()
    assert len(varied) == len(expected) > 0, f"{name}: nothing in it"


def planes_are_the_pictures(place):
    for name in picture.LAYOUTS:
        compare(place, name, 64, 48)


def planes_of_odd_sizes(place):
    """Lines are padded to 4 bytes, and there are half pixels of colour."""
    for name in "NV12", "I420", "RGB", "GRAY8":
        compare(place, name, 33, 17)


def planes_of_padded_frames(place):
    """libav's decoder wants more room at the end of a line than caps say: the
    frame's own block of metadata tells."""
    clip, file = place.folder / "clip.h264", place.folder / "raw"
    decode = f"filesrc location={clip} ! h264parse ! avdec_h264 max-threads=1"
    place.launch(f"{COLOUR} num-buffers=40 ! video/x-raw,width=322,height=242,"
                 "framerate=30/1 ! openh264enc ! "
                 "video/x-h264,stream-format=byte-stream ! "
                 f"filesink location={clip}").end()
    place.launch(f"{decode} ! filesink location={file}").end()
    writer = place.launch(f"{decode} ! fcsink slot=cam0 sync=true "
                          "ring-depth=60")
    with framecache.Consumer("cam0", framecache.OLDEST, WAIT) as consumer:
        frame = consumer.next(WAIT)
        size = 324 * 242 + 2 * 164 * 121
        data = file.read_bytes()[frame.seq * size:(frame.seq + 1) * size]
        strides = [plane.strides[0] for plane in frame.planes]
        assert strides[0] > 324 and strides[1] > 164, strides
        expected = list(expected_planes(
            "video/x-raw,format=I420,width=322,height=242,framerate=30/1",
            data))
        assert len(frame.planes) == len(expected) == 3
        for plane, (pixels, _) in zip(frame.planes, expected):
            assert numpy.array_equal(plane, pixels)
    writer.end()


def start(place, rate="framerate=30/1"):
    return place.launch(f"{LUMA} is-live=true ! video/x-raw,format=NV12,"
                        f"width=320,height=240,{rate} ! fcsink slot=cam0")


def mappings(name):
    """Where files of that NAME are mapped, with their permissions."""
    with open("/proc/self/maps", encoding="ascii") as maps:
        for line in maps:
            words = line.split()
            if len(words) > 5 and words[5].endswith(name):
                first, last = (int(x, 16) for x in words[0].split("-"))
                yield first, last, words[1]


def nothing_is_copied(place):
    """The arrays are in a mapping of the ring, which can not be written."""
    start(place)
    with open_slot() as consumer:
        frame = consumer.next(WAIT)
        for plane in frame.planes:
            low = plane.__array_interface__["data"][0]
            high = low + sum((length - 1) * stride for length, stride in
                             zip(plane.shape, plane.strides)) + 1
            assert any(first <= low and high <= last and flags == "r--s"
                       for first, last, flags in mappings("/cam0.ring")), \
                (hex(low), hex(high))


def arrays_keep_their_lease(place):
    """As many as there are, and each for as long as anything made of it; a
    frame beyond them is a copy, and after them the ring's own again."""
    start(place)
    consumer = open_slot()
    kept = [consumer.next(WAIT).planes[0][10:20, ::2] for _ in range(3)]
    before = [array.copy() for array in kept]
    copied = consumer.next(WAIT)
    assert not in_ring(copied.planes[0]) and all(map(in_ring, kept))
    # Long enough for the writer to have come round, had they been let go.
    for _ in range(150):
        consumer.next(WAIT)
    assert all(map(numpy.array_equal, kept, before))
    kept.pop()
    assert in_ring(consumer.next(WAIT).planes[0])
    consumer.close()
    assert all(map(numpy.array_equal, kept, before))


def in_ring(array):
    at = array.__array_interface__["data"][0]
    return any(first <= at < last for first, last, _ in mappings("/cam0.ring"))


def others_see_the_scripts_name(place):
    start(place)
    with open_slot() as consumer:
        consumer.next(WAIT)
        place.example("slots").expect("    arrays.py, pid ")


def arrays_are_read_only(place):
    start(place)
    with open_slot() as consumer:
        for array in (*consumer.next(WAIT).planes, consumer.next().array()):
            for attempt in (lambda: array.__setitem__(0, 1),
                            lambda: array.setflags(write=True)):
                try:
                    attempt()
                except ValueError:
                    continue
                raise AssertionError("it can be written")


def iteration_ends_with_its_writer(place):
    writer = place.example("moving-square", "square", "60")
    seen = []
    with framecache.Consumer("square", framecache.OLDEST, WAIT) as consumer:
        for frame in consumer:
            seen.append((frame.seq, frame.pts, frame.planes[0][120].argmax()))
    writer.end()
    first = seen[0][0]
    assert [seq for seq, _, _ in seen] == list(range(first, 60)), seen
    for seq, pts, left in seen:
        assert pts == seq * 10**9 // 30 and left == 272 * seq // 60, seen


def next_writers_format_is_read(place):
    first = start(place)
    with open_slot() as consumer:
        assert consumer.next(WAIT).planes[0].shape == (240, 320)
        first.kill()
        place.launch(f"{LUMA} is-live=true ! video/x-raw,format=RGB,"
                     "width=33,height=17 ! fcsink slot=cam0")
        while not (frame := consumer.next()).first_of_writer:
            pass  # what the dead one had written
        assert frame.planes[0].shape == (17, 33, 3), frame.caps


def interrupt_ends_a_wait(place):
    """For a slot, and for a frame."""
    first = place.example("brightness.py", "cam0")
    first.watches_for_a_slot()
    first.interrupt()
    second = place.example("brightness.py", "cam0")
    second.watches_for_a_slot()
    start(place, "framerate=1/100")
    second.expect("frame 0: ")
    second.interrupt()


def timeout_is_an_error(place):
    """Also where the slot never comes."""
    for attempt in (lambda: framecache.Consumer("none", wait=0.1),
                    lambda: silent(place)):
        try:
            attempt()
        except framecache.Error as error:
            assert error.errno in (errno.ENOENT, errno.ETIMEDOUT)
            assert error.strerror, "no sentence"
        else:
            raise AssertionError("no error")


def silent(place):
    """A writer that commits a frame, and the next one when all is over."""
    place.launch("videotestsrc is-live=true num-buffers=1000 ! "
                 "video/x-raw,width=64,height=48,framerate=1/100 ! "
                 "fcsink slot=slow")
    with framecache.Consumer("slow", wait=WAIT) as consumer:
        consumer.next(0.5)
        consumer.next(0.5)


def planes_outside_the_frame_are_refused(place):
    """What a frame says of itself is another process's word."""
    caps = "video/x-raw, format=(string)GRAY8, width=(int)8, height=(int)8"

    def block(offset, stride):
        record = struct.pack("<IIII", 0, 0, 8, 8) + b"\x05GRAY8\x01"
        record += struct.pack("<Qi", offset, stride)
        return b"fcMT\x01\x00" + struct.pack("<HI", 1, len(record)) + record

    memory = bytes(range(128))
    plane, = picture.planes_of(caps, memory, block(8, 16))
    assert (plane[:, 0] == numpy.arange(8, 128, 16)).all()
    for offset, stride in (9, 16), (0, 18), (2**63, 16), (0, -16):
        try:
            picture.planes_of(caps, memory, block(offset, stride))
        except (TypeError, ValueError, OverflowError):
            continue
        raise AssertionError(f"{offset}, {stride} is believed")
    # Cut anywhere, it is no worse than none.
    whole = block(8, 16)
    for length in range(len(whole)):
        try:
            picture.planes_of(caps, memory, whole[:length])
        except (struct.error, IndexError):
            pass


Gst.init(None)
gc.disable()  # a lease ends by counting references, not at some later time
main(globals())
