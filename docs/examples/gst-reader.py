#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read a slot with GStreamer from Python, and say what happens to it.

usage: gst-reader.py SLOT [FRAMES]

The same as gst-reader.c, smaller. It takes python3-gi and
gir1.2-gst-plugins-base-1.0.
"""

import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")  # pull_sample () is a method with it
from gi.repository import GLib, Gst, GstApp  # noqa: E402,F401


class Reader:
    def __init__(self, slot, frames):
        self.frames, self.failed = frames, False
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(
            "fcsrc name=source ! appsink name=sink sync=false "
            "emit-signals=true max-buffers=1")
        self.source = self.pipeline.get_by_name("source")
        self.source.set_property("slot", slot)
        self.source.set_property("num-buffers", frames)
        self.pipeline.get_by_name("sink").connect("new-sample", self.on_sample)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)
        self.caps = None

    def on_sample(self, sink):
        """In the pipeline's thread. A buffer that is kept keeps a lease."""
        sample = sink.pull_sample()
        if sample.get_caps().to_string() != self.caps:
            self.caps = sample.get_caps().to_string()
            print(self.caps)
        found, mapped = sample.get_buffer().map(Gst.MapFlags.READ)
        if found:
            # mapped.data is a memoryview of the slot: gone with unmap ().
            print(f"{mapped.size} bytes, the first is {mapped.data[0]}")
            sample.get_buffer().unmap(mapped)
        return Gst.FlowReturn.OK

    def on_message(self, _bus, message):
        if message.type == Gst.MessageType.ERROR:
            print(message.parse_error()[0].message, file=sys.stderr)
            self.failed = True
            self.loop.quit()
        elif message.type == Gst.MessageType.EOS:
            self.loop.quit()
        elif message.type == Gst.MessageType.LATENCY:
            self.pipeline.recalculate_latency()
        elif message.type == Gst.MessageType.ELEMENT:
            print(message.get_structure().to_string())

    def run(self):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGINT,
                             self.loop.quit)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        stats = self.source.get_property("stats")
        print(f"{stats.get_uint64('delivered').value} frames delivered, "
              f"{stats.get_uint64('dropped').value} lost")
        self.pipeline.set_state(Gst.State.NULL)
        return 1 if self.failed else 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: gst-reader.py SLOT [FRAMES]")
    Gst.init(None)
    sys.exit(Reader(sys.argv[1],
                    int(sys.argv[2]) if len(sys.argv) > 2 else -1).run())
