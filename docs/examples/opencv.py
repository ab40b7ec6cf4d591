#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read a slot with OpenCV, and say how much of each picture has edges.

usage: opencv.py SLOT [FRAMES]

It takes Debian's python3-opencv, which is built with GStreamer; where yours is
not, as in the wheels of pip, brightness.py shows another way.
"""

import sys

import cv2


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: opencv.py SLOT [FRAMES]")
    frames = int(sys.argv[2]) if len(sys.argv) > 2 else -1

    # OpenCV wants BGR. drop=true: a program that is slower than the camera
    # gets the newest picture, not those that a queue has kept.
    capture = cv2.VideoCapture(
        f"fcsrc slot={sys.argv[1]} ! videoconvert ! video/x-raw,format=BGR ! "
        "appsink max-buffers=1 drop=true sync=false", cv2.CAP_GSTREAMER)
    if not capture.isOpened():
        sys.exit("OpenCV did not open the pipeline: is GStreamer in it "
                 "(cv2.getBuildInformation ()), and GST_PLUGIN_PATH set?")

    n = 0
    while n != frames:
        there, picture = capture.read()
        if not there:
            break  # the writer has ended, or GStreamer said on stderr why
        edges = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), 100, 200)
        height, width = edges.shape
        print(f"{width} x {height}, {100 * (edges > 0).mean():.1f} % edges")
        n += 1
    capture.release()


if __name__ == "__main__":
    main()
