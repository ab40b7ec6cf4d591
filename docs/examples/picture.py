# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the pixels of a raw frame are, as numpy arrays.

planes_of () reads a slot's caps and a frame's block of metadata, of which
docs/ring-format.md says what is in it. Lines have padding at their ends: the
arrays leave it out by their strides.
"""

import re
import struct

import numpy


def up(number, to):
    return (number + to - 1) // to * to


def packed(channels):
    """All channels of a pixel in one plane: where its planes begin, as offset
    and stride, and what they are, as shapes."""
    def layout(width, height):
        shape = (height, width) if channels == 1 else (height, width, channels)
        return [(0, up(width * channels, 4))], [shape]
    return layout


def nv12(width, height):
    stride = up(width, 4)
    half = (up(height, 2) // 2, up(width, 2) // 2, 2)
    return ([(0, stride), (stride * up(height, 2), stride)],
            [(height, width), half])


def i420(width, height):
    stride, small = up(width, 4), up(up(width, 2) // 2, 4)
    half = (up(height, 2) // 2, up(width, 2) // 2)
    second = stride * up(height, 2)
    third = second + small * half[0]
    return ([(0, stride), (second, small), (third, small)],
            [(height, width), half, half])


# By GStreamer's names. Those of 4 bytes keep their order: BGRx is blue first.
# YUY2 is brightness and then colour, UYVY the other way round.
LAYOUTS = {"GRAY8": packed(1), "RGB": packed(3), "BGR": packed(3),
           "NV12": nv12, "I420": i420, "YUY2": packed(2), "UYVY": packed(2),
           **{name: packed(4) for name in (
               "RGBx", "BGRx", "xRGB", "xBGR", "RGBA", "BGRA", "ARGB",
               "ABGR")}}


def field(caps, name):
    found = re.search(rf",\s*{name}=(?:\(\w+\))?([^,;\s]+)", caps)
    return found.group(1) if found else None


def video_meta(block):
    """The planes' offsets and strides that the frame itself tells of, or
    None. Numbers are little-endian and not aligned."""
    if block[:6] != b"fcMT\x01\x00":
        return None
    at = 6
    while at + 6 <= len(block):
        kind, size = struct.unpack_from("<HI", block, at)
        at += 6
        if kind == 1:
            planes = at + 17 + block[at + 16]  # behind the format's name
            return [struct.unpack_from("<Qi", block, planes + 1 + 12 * plane)
                    for plane in range(block[planes])]
        at += size
    return None


def planes_of(caps, memory, block):
    """A read-only array for each plane of the frame in MEMORY; [] where it is
    not raw video of a format above. NumPy looks whether each lies within it."""
    name = field(caps, "format")
    if not re.match("video/x-raw[,( ]", caps) or name not in LAYOUTS:
        return []
    places, shapes = LAYOUTS[name](int(field(caps, "width")),
                                   int(field(caps, "height")))
    arrays, whole = [], numpy.frombuffer(memory, numpy.uint8)
    for (offset, stride), shape in zip(video_meta(block) or places, shapes):
        pixel = shape[2] if len(shape) == 3 else 1
        arrays.append(numpy.ndarray(
            shape, numpy.uint8, whole, offset,
            (stride, pixel, 1)[:len(shape)]))
    return arrays
