# SPDX-License-Identifier: LGPL-2.1-or-later
"""What framecache is to reach, and whether it did: the bars of the report."""

import plot
from results import Values

FULL_HD, ULTRA_HD = 3110400, 12441600  # bytes of NV12

# What a measure's parameters are where nothing else is said.
DEFAULTS = {
    "handover": {"size": FULL_HD, "rate": 60, "consumers": 1, "load": 0},
    "copy": {"size": FULL_HD},
    "read": {"size": ULTRA_HD},
    "lap": {"size": FULL_HD},
    "memory": {"size": FULL_HD},
    "start": {"size": FULL_HD, "depth": 120},
    "gst-latency": {"size": FULL_HD, "rate": 60, "consumers": 1},
    "gst-paced": {"size": FULL_HD, "consumers": 1},
    "gst-unpaced": {"size": FULL_HD},
    "gst-copy": {"size": FULL_HD},
    "gst-cpu": {"size": FULL_HD, "rate": 60, "consumers": 4, "fill": 0,
                "read": 0},
    "gst-read": {"size": ULTRA_HD},
    "gst-start": {"size": FULL_HD},
    "gst-memory": {"size": FULL_HD},
}
TRANSPORTS = {
    "fc": "fcsink to fcsrc",
    "fc-copy": "the same, copying",
    "shm": "shmsink to shmsrc",
    "unixfd": "unixfdsink to unixfdsrc",
    "pipewire": "PipeWire's elements",
}
PEERS = ("shm", "unixfd", "pipewire")


def with_defaults(results, measure, wanted):
    """The parameters by which to find one thing: those WANTED, else the
    measure's own, and of GStreamer's the system that has most transports, so
    that all are compared on one."""
    found = DEFAULTS.get(measure, {}) | wanted
    if measure.startswith("gst-") and "system" not in found:
        seen = {}
        for result in results.results:
            if result.identity["measure"].startswith("gst-"):
                seen.setdefault(result.identity.get("system"), set()).add(
                    result.identity["what"])
        if seen:
            found["system"] = max(sorted(seen, key=str),
                                  key=lambda s: len(seen[s]))
    return {name: value for name, value in found.items()
            if value is not None}


class Thing:
    """A figure of something, by name and parameters."""

    def __init__(self, measure, what, figure, **wanted):
        self.measure, self.what, self.figure = measure, what, figure
        self.wanted = wanted

    def parameters(self, results):
        return with_defaults(results, self.measure, self.wanted)

    def values(self, results):
        return results.values(self.measure, self.what, self.figure,
                              **self.parameters(results))

    def ratio_to(self, other, results):
        """A number: so many of the other's."""
        if not isinstance(other, Thing):
            values = self.values(results)
            return values and Values(v / other for v in values.numbers)
        return results.ratios(
            (self.measure, self.what, self.figure, self.parameters(results)),
            (other.measure, other.what, other.figure,
             other.parameters(results)))

    def shown(self, value):
        return unit_of(self.figure)(value)


def unit_of(figure):
    found = plot.plain
    for end, unit in (("ns", plot.duration), ("per_s", plot.rate),
                      ("bytes_per_s", plot.throughput), ("bytes", plot.size),
                      ("percent", plot.percent)):
        if figure == end or figure.endswith("_" + end):
            found = unit
    return found


def spread(values, unit):
    """Such as "31 µs (29 to 35 µs)"."""
    if len(values.numbers) == 1:
        return unit(values.median)
    low, high = unit(values.low), unit(values.high)
    if low.split()[1:] == high.split()[1:]:
        low = low.split()[0]
    return f"{unit(values.median)} ({low} to {high})"


class Bar:
    """A ratio of two things, and what it may be at most, or at least."""

    def __init__(self, name, title, says, above, below, at_most=None,
                 at_least=None):
        self.name, self.title, self.says = name, title, says
        self.above, self.below = above, below
        self.at_most, self.at_least = at_most, at_least

    def judge(self, results):
        self.figure = self.above.values(results)
        self.ratio = self.above.ratio_to(self.below, results)
        if self.ratio is None:
            self.verdict = "not measured"
        elif (self.at_most is not None and self.ratio.median > self.at_most
              or self.at_least is not None
              and self.ratio.median < self.at_least):
            self.verdict = "MISSED"
        else:
            self.verdict = "met"
        return self

    def row(self):
        """Of a table: what, the bar, the figure, the ratio, the verdict."""
        figure = ratio = "-"
        if self.figure:
            figure = spread(self.figure, self.above.shown)
        if self.ratio:
            ratio = spread(self.ratio, lambda v: f"{v:.2f}")
        verdict = self.verdict
        if verdict == "MISSED":
            verdict = "**MISSED**"
        return [self.title, self.says, figure, ratio, verdict]


def below_each_peer():
    own = Thing("gst-latency", "fc", "p50_ns")
    for peer in PEERS:
        yield Bar(f"latency-{peer}",
                  f"the same, beside {TRANSPORTS[peer]}",
                  "below its own", own,
                  Thing("gst-latency", peer, "p50_ns"), at_most=0.9999)


def all_bars():
    """In the order of the report."""
    handover = [Thing("handover", "lease", f"{p}_ns") for p in ("p50", "p99")]
    floor = [Thing("handover", "floor", f"{p}_ns") for p in ("p50", "p99")]
    paced = Thing("gst-paced", "fc", "per_s")
    cpu = Thing("gst-cpu", "fc", "cpu_ns")
    return [
        Bar("handover-p50", "hand-over of a 1080p frame at 60/s, p50",
            "at most 1.15 of a bare semaphore", handover[0], floor[0],
            at_most=1.15),
        Bar("handover-p99", "the same, p99",
            "at most 1.5 of a bare semaphore", handover[1], floor[1],
            at_most=1.5),
        Bar("latency-p50", "from `fcsink` to the pad behind `fcsrc`, p50",
            "at most 1.5 of a bare semaphore",
            Thing("gst-latency", "fc", "p50_ns"),
            Thing("gst-latency", "floor", "p50_ns"), at_most=1.5),
        *below_each_peer(),
        Bar("paced-size", "highest paced rate, 1080p beside 2160p",
            "within 1.3 of 2160p's", paced,
            Thing("gst-paced", "fc", "per_s", size=ULTRA_HD), at_most=1.3,
            at_least=1 / 1.3),
        Bar("paced-shm", "the same, beside shmsink to shmsrc",
            "at least 2 of its own", paced,
            Thing("gst-paced", "shm", "per_s"), at_least=2),
        Bar("paced-unixfd", "the same, beside unixfdsink to unixfdsrc",
            "at least 10 of its own", paced,
            Thing("gst-paced", "unixfd", "per_s"), at_least=10),
        Bar("unpaced", "unpaced, without a consumer",
            "at least 1/3 of a fakesink's",
            Thing("gst-unpaced", "fc", "per_s", consumers=0),
            Thing("gst-unpaced", "fakesink", "per_s", consumers=0),
            at_least=1 / 3),
        Bar("read", "reading a whole 4K frame, libfc, processor time",
            "at most 1.1 of reading memory in place",
            Thing("read", "lease", "cpu_ns"), Thing("read", "floor", "cpu_ns"),
            at_most=1.1),
        Bar("gst-read", "the same through `fcsrc`",
            "at most 1.1 of reading memory in place",
            Thing("gst-read", "fc", "cpu_ns"),
            Thing("gst-read", "in-place", "cpu_ns"), at_most=1.1),
        Bar("copy-write", "copying a frame into a slot, libfc",
            "at least 0.95 of memcpy", Thing("copy", "write", "bytes_per_s"),
            Thing("copy", "memcpy-in", "bytes_per_s"), at_least=0.95),
        Bar("copy-read", "copying a frame out of a slot, libfc",
            "at least 0.95 of memcpy", Thing("copy", "read", "bytes_per_s"),
            Thing("copy", "memcpy-out", "bytes_per_s"), at_least=0.95),
        Bar("gst-copy", "copying frames of a source's own memory, `fcsink`",
            "at least 0.95 of memcpy", Thing("gst-copy", "fc", "per_s"),
            Thing("gst-copy", "memcpy", "per_s"), at_least=0.95),
        Bar("commit", "a commit with nobody waiting, p50",
            "below 0.5 µs", Thing("commit", "commit", "p50_ns", waiting=0),
            500, at_most=0.9999),
        *(Bar(f"commit-{n}", f"a commit with {n} waiting, p50",
              f"at most 1.1 of {n} bare post" + "s" * (n > 1),
              Thing("commit", "commit", "p50_ns", waiting=n),
              Thing("commit", "posts", "p50_ns", waiting=n), at_most=1.1)
          for n in (1, 2, 4)),
        *(Bar(f"commit-{n}", f"a commit with {n} waiting, p50",
              "below 2 bare posts",
              Thing("commit", "commit", "p50_ns", waiting=n),
              Thing("commit", "post", "p50_ns", waiting=n), at_most=1.9999)
          for n in (8, 16, 32, 64)),
        Bar("stop", "commits beside a stopped consumer, p99",
            "at most 1.1 of those before",
            Thing("stop", "stopped", "p99_ns"),
            Thing("stop", "before", "p99_ns"), at_most=1.1),
        Bar("cpu-shm", "processor time of a frame, 4 consumers, beside "
            "shmsink to shmsrc", "at most half of its own", cpu,
            Thing("gst-cpu", "shm", "cpu_ns"), at_most=0.5),
        Bar("cpu-unixfd", "the same, beside unixfdsink to unixfdsrc",
            "below its own", cpu, Thing("gst-cpu", "unixfd", "cpu_ns"),
            at_most=0.9999),
        Bar("lap-writer", "writing in the first lap, p99",
            "at most 1.5 of later laps", Thing("lap", "writer-first",
                                               "p99_ns"),
            Thing("lap", "writer-later", "p99_ns"), at_most=1.5),
        Bar("lap-consumer", "reading in the first lap, p99",
            "at most 1.5 of later laps", Thing("lap", "consumer-first",
                                               "p99_ns"),
            Thing("lap", "consumer-later", "p99_ns"), at_most=1.5),
        Bar("memory", "resident memory of a writer and a consumer, beyond "
            "what their slot reserved", "at most 2 MB",
            Thing("memory", "total", "over_reserved_bytes"), 2e6, at_most=1),
    ]
