# SPDX-License-Identifier: LGPL-2.1-or-later
"""The report's plots: what each shows of the results."""

from plot import (Axis, Dots, Lines, Point, duration, rate, size,
                  throughput)

import bars
from results import Values

CONSUMERS = [(n, str(n)) for n in (1, 2, 4, 8, 16, 32, 64)]
SIZES = [(1024, "1 KiB"), (16384, "16 KiB"), (131072, "128 KiB"),
         (1382400, "720p"), (3110400, "1080p"), (12441600, "2160p"),
         (49766400, "4320p")]
TRANSPORTS = (("fc", "ours"), ("fc-copy", "ours too"), ("shm", "peer 1"),
              ("unixfd", "peer 2"), ("pipewire", "peer 3"))


def points(results, measure, what, figure, over, **wanted):
    """Of a line over the parameter OVER."""
    wanted = bars.with_defaults(results, measure, wanted | {over: None})
    found = {}
    for result in results.find(measure, what, **wanted):
        if over in result.identity and result.by_round(figure):
            found.setdefault(result.identity[over], []).extend(
                result.by_round(figure).values())
    return [Point(x, Values(numbers)) for x, numbers in found.items()]


def ticks_of(known, lines):
    """Those of the KNOWN (value, label) where there are points, or as many
    labels as there are points."""
    xs = sorted({p.x for line in lines for p in line})
    names = dict(known)
    return [(x, names.get(x, str(x))) for x in xs]


def over_number(results, chart, measure, figure, over, known, names,
                **wanted):
    """NAMES are (what, style, name)."""
    lines = [(name, style, [
        p for p in points(results, measure, what, figure, over, **wanted)
        if p.x > 0 or not chart.x.log]) for what, style, name in names]
    chart.x.given = ticks_of(known, [line for *_, line in lines]) or None
    for name, style, line in lines:
        chart.add(name, style, line)
    return chart


WAYS = (("floor", "floor", "bare semaphore"), ("lease", "ours", "leased"),
        ("copy", "ours too", "copied"), ("observe", "ours third", "observed"))


def latency_consumers(results):
    return over_number(
        results, Lines("Hand-over against the number of consumers",
                       "1080p at 60/s, libfc: from before the commit to a "
                       "consumer's having the frame",
                       Axis("consumers", log=True),
                       Axis("p50", duration, log=True)),
        "handover", "p50_ns", "consumers", CONSUMERS, WAYS)


def latency_slots(results):
    return over_number(
        results, Lines("Many slots at once",
                       "Small frames at 30/s, each slot with a writer and a "
                       "consumer, processes of their own",
                       Axis("slots", log=True),
                       Axis("p50", duration, log=True)),
        "slots", "p50_ns", "slots", [],
        (("floor", "floor", "bare semaphore"), ("lease", "ours", "leased")))


def latency_size(results):
    return over_number(
        results, Lines("Hand-over against the size of a frame",
                       "One consumer, libfc", Axis("frame", log=True),
                       Axis("p50", duration, log=True)),
        "handover", "p50_ns", "size", SIZES,
        (*WAYS, ("floor-copy", "floor too", "semaphore, memcpy")), rate=None)


def latency_load(results):
    """Busy processes are few: the axis is not logarithmic."""
    return over_number(
        results, Lines("Hand-over on a loaded machine",
                       "1080p at 60/s, libfc, beside processes that never "
                       "rest", Axis("busy processes"),
                       Axis("p99", duration, log=True)),
        "handover", "p99_ns", "load", [], WAYS)


def throughput_size(results):
    return over_number(
        results, Lines("Copying against the size of a frame",
                       "libfc and memcpy in turns, between mappings that are "
                       "there", Axis("frame", log=True),
                       Axis("copied", throughput)),
        "copy", "bytes_per_s", "size", SIZES,
        (("memcpy-in", "floor", "memcpy, one way"),
         ("memcpy-out", "floor too", "memcpy, the other"),
         ("write", "ours", "into a slot"),
         ("read", "ours too", "out of a slot")))


def commit_waiting(results):
    chart = Lines("What a commit costs its writer",
                  "Against how many consumers sleep and wait for the frame",
                  Axis("waiting consumers", log=True),
                  Axis("p50", duration, log=True))
    return over_number(
        results, chart, "commit", "p50_ns", "waiting", CONSUMERS,
        (("posts", "floor", "a bare post to each"),
         ("post", "ours third", "one bare post"),
         ("commit", "ours", "a commit")))


def by_transport(results, title, subtitle, axis, measure, figure_names,
                 extra=(), **wanted):
    """A row for each transport, and for EXTRA, (what, style, name)."""
    labels = [label for _, label in figure_names]
    chart = Dots(title, subtitle, axis, labels)
    names = [*extra, *((what, style, bars.TRANSPORTS[what])
                       for what, style in TRANSPORTS)]
    wanted = bars.with_defaults(results, measure, wanted)
    for what, style, name in names:
        values = [results.values(measure, what, figure, **wanted)
                  for figure, _ in figure_names]
        stalls, runs = results.stalls(measure, what, **wanted)
        note = f"stalled in {stalls} of {runs} runs" if stalls else ""
        chart.add(name, style, values, note)
    return chart


def latency_transports(results):
    return by_transport(
        results, "From one pipeline to the next",
        "1080p at 60/s, one consumer: from the source's push to the sink's "
        "chain", Axis("latency", duration, log=True), "gst-latency",
        (("p50_ns", "p50"), ("p99_ns", "p99")),
        [("floor", "floor", "bare semaphore")])


def paced_transports(results):
    chart = Dots("The highest rate without a loss",
                 "The source only stamps its frames; one consumer",
                 Axis("frames", rate, log=True), ("1080p", "2160p"))
    for what, style in TRANSPORTS:
        values = []
        for pixels in (bars.FULL_HD, bars.ULTRA_HD):
            wanted = bars.with_defaults(results, "gst-paced",
                                        {"size": pixels})
            values.append(results.values("gst-paced", what, "per_s",
                                         **wanted))
        stalls, runs = results.stalls("gst-paced", what)
        chart.add(bars.TRANSPORTS[what], style, values,
                  f"stalled in {stalls} of {runs} runs" if stalls else "")
    return chart


def cpu_transports(results):
    return by_transport(
        results, "Processor time of a frame",
        "1080p at 60/s, one writer and four consumers, all processes, the "
        "source only stamping", Axis("processor time", duration, log=True),
        "gst-cpu", (("cpu_ns", ""),),
        [("floor", "floor", "bare semaphores")])


def memory_transports(results):
    return by_transport(
        results, "Memory",
        "1080p, one writer and one consumer: what they have resident, shared "
        "pages shared out", Axis("resident", size, log=True), "gst-memory",
        (("bytes", ""),))


def start_depth(results):
    return over_number(
        results, Lines("From the start of a process to its first frame",
                       "1080p, libfc", Axis("frames of history", log=True),
                       Axis("p50", duration, log=True)),
        "start", "p50_ns", "depth", [],
        (("exec", "floor", "a process, to main ()"),
         ("populate", "floor too", "as much memory, filled"),
         ("writer", "ours", "writer, to its commit"),
         ("consumer", "ours too", "consumer, to its lease")))


def start_transports(results):
    return by_transport(
        results, "From the start of a pipeline to its first frame",
        "1080p; the consumer's while the writer runs",
        Axis("time", duration, log=True), "gst-start",
        (("writer_ns", "writer"), ("consumer_ns", "consumer")))


def lap(results):
    chart = Dots("The first lap and the later ones", "1080p, libfc, one frame",
                 Axis("time", duration, log=True), ("p50", "p99"))
    wanted = bars.with_defaults(results, "lap", {})
    for what, style, name in (
            ("writer-first", "ours", "writer, first lap"),
            ("writer-later", "ours", "writer, later"),
            ("consumer-first", "ours too", "consumer, first lap"),
            ("consumer-later", "ours too", "consumer, later")):
        chart.add(name, style,
                  [results.values("lap", what, figure, **wanted)
                   for figure in ("p50_ns", "p99_ns")])
    return chart


def spin(results):
    chart = Dots("Looking before sleeping", "libfc: from before the commit to "
                 "a consumer's having the frame",
                 Axis("time", duration, log=True), ("p50", "p99"))
    for what, name in (("sleep", "sleeps at once"),
                       ("spin-50us", "looks for 50 µs"),
                       ("spin-500us", "for 500 µs"),
                       ("spin-5ms", "for 5 ms"),
                       ("spin-20ms", "for 20 ms")):
        chart.add(name, "ours" if what == "sleep" else "ours too",
                  [results.values("spin", what, figure)
                   for figure in ("p50_ns", "p99_ns")])
    return chart


CHARTS = {
    "latency-transports": latency_transports,
    "latency-consumers": latency_consumers,
    "latency-size": latency_size,
    "latency-load": latency_load,
    "latency-slots": latency_slots,
    "paced-transports": paced_transports,
    "throughput-size": throughput_size,
    "commit-waiting": commit_waiting,
    "cpu-transports": cpu_transports,
    "lap": lap,
    "spin": spin,
    "start-depth": start_depth,
    "start-transports": start_transports,
    "memory-transports": memory_transports,
}
