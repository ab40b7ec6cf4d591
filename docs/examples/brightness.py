#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Say how bright each frame of a slot is.

usage: brightness.py SLOT [FRAMES]

Until Ctrl-C, the writer's end, or for FRAMES. framecache.py and picture.py
have to be beside it.
"""

import itertools
import sys

import framecache


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: brightness.py SLOT [FRAMES]")
    frames = int(sys.argv[2]) if len(sys.argv) > 2 else None
    with framecache.Consumer(sys.argv[1]) as consumer:
        for frame in itertools.islice(consumer, frames):
            if frame.dropped:
                print(f"{frame.dropped} frames were lost: too slow")
            if not frame.planes:
                sys.exit(f"not a picture that picture.py knows: {frame.caps}")
            # Of YUV the first plane is brightness; of RGB this is the mean.
            print(f"frame {frame.seq}: {frame.planes[0].mean():.1f}")


if __name__ == "__main__":
    try:
        main()
    except framecache.Error as error:
        sys.exit(error.strerror)
    except KeyboardInterrupt:
        pass
