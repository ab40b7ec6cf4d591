# SPDX-License-Identifier: LGPL-2.1-or-later
"""One case: a way, a link with its faults, and what came of the frames."""

import dataclasses
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time

from network import Network
from ways import VIEW

PATIENCE = 60  # s, for what never takes that long
TICK = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A case that did not run to its end, as a sentence with its logs."""


@dataclasses.dataclass
class Numbers:
    """What a case is run with."""
    width: int = 1280
    height: int = 720
    rate: int = 30         # frames/s
    frames: int = 300      # looked at
    bitrate: int = 4000000  # of the coded ways, bits/s
    gop: int = 30          # frames from one key frame to the next
    latency: int = 200     # that a way may take to repair, ms
    readers: int = 1       # at the far machine


@dataclasses.dataclass
class Link:
    """What is wrong with the link, and what happens to it or to an end."""
    delay: float = 0  # ms, each direction
    loss: float = 0   # percent, each direction
    event: str = ""   # break, sender-killed, receiver-killed

    def __str__(self):
        words = []
        if self.delay:
            words.append(f"{self.delay:g} ms")
        if self.loss:
            words.append(f"{self.loss:g} % lost")
        if self.event:
            words.append(self.event)
        return ", ".join(words) or "as it is"


class Reader:
    """Follows what fc-scaling-reader prints."""

    def __init__(self, process):
        self.process = process
        self.frames = []   # (number, latency ns), in their order
        self.damaged = []  # how many frames were whole before each
        self.events = []
        self.lost = 0
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self):
        for line in self.process.stdout:
            word, *values = line.split()
            with self.changed:
                if word == "frame":
                    self.frames.append((int(values[0]), int(values[1])))
                elif word == "damaged":
                    self.damaged.append(len(self.frames))
                elif word != "quiet" or self.frames:
                    self.events.append(word)
                if values:
                    self.lost += int(values[-1])
                self.changed.notify_all()

    def newest(self):
        return max(number for number, _ in self.frames)

    def wait_for(self, number, seconds):
        """Whether a frame came that is NUMBER or a later one."""
        with self.changed:
            return self.changed.wait_for(
                lambda: self.frames and self.newest() >= number, seconds)


class Case:
    def __init__(self, programs, way, link, numbers, netem=False):
        self.programs, self.way, self.link = programs, way, link
        self.numbers, self.netem = numbers, netem
        self.processes, self.pipelines, self.ended = [], {}, []
        self.coded = False

    def run(self):
        return self._within(self._measure)

    def run_late_viewer(self):
        """The far slot is coded, and its viewers decode it. One that comes in
        the middle: its first frame, and what went by before."""
        return self._within(self._look_late)

    def _within(self, func):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fc-scaling-",
                                                    dir="/dev/shm"))
        self.network = None
        try:
            for name in "near", "far":
                (self.folder / name).mkdir(mode=0o700)
            self.network = Network(self.programs / "fc-scaling-link",
                                   self.netem)
            return func()
        finally:
            for process in self.processes:
                self._end(process)
            if self.network:
                self.network.end()
            shutil.rmtree(self.folder)

    # Processes ------------------------------------------------------------

    def _start(self, machine, name, command, **options):
        environment = dict(os.environ, FC_DIR=str(self.folder / machine))
        with open(self.folder / f"{name}.log", "a") as log:
            process = getattr(self.network, machine).start(
                command, env=environment, stdin=subprocess.DEVNULL,
                stderr=log, **({"stdout": log} | options))
        self.processes.append(process)
        return process

    def _end(self, process, number=signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start_pipeline(self, name):
        numbers = dataclasses.asdict(self.numbers)
        numbers |= {m: getattr(self.network, m).address
                    for m in ("near", "far")}
        words = (self.way.send(numbers) if name == "sender"
                 else self.way.receive(numbers, not self.coded))
        machine = "near" if name == "sender" else "far"
        self.pipelines[name] = self._start(machine, name,
                                           ["gst-launch-1.0", "-q", *words])

    def _start_viewer(self, slot):
        words = VIEW.format(seen=slot).split()
        self._start("far", "viewer", ["gst-launch-1.0", "-q", *words])
        return self._start_reader(slot)

    def _size(self):
        return ["-w", str(self.numbers.width), "-h", str(self.numbers.height)]

    def _start_reader(self, slot="cam0"):
        return Reader(self._start(
            "far", "reader",
            [self.programs / "fc-scaling-reader", *self._size(), slot],
            stdout=subprocess.PIPE, text=True))

    def _start_source(self):
        self._start("near", "source",
                    [self.programs / "fc-scaling-source", *self._size(), "-r",
                     str(self.numbers.rate), "cam0"])

    def _logs(self):
        logs = []
        for name in "source", "sender", "receiver", "viewer", "reader":
            path = self.folder / f"{name}.log"
            if path.exists() and path.stat().st_size:
                logs.append(f"-- {name}:\n{path.read_text()[-2000:]}")
        return "\n".join(logs)

    def _wait_for(self, reader, number):
        """Until READER had frame NUMBER. A pipeline that ends by itself is
        started again, as whoever runs it for long has it done."""
        end = time.monotonic() + PATIENCE
        while not reader.wait_for(number, 0.2):
            for name, process in self.pipelines.items():
                if process.poll() is not None:
                    self.ended.append(name)
                    self._start_pipeline(name)
            if time.monotonic() > end or len(self.ended) > 20:
                raise Failed(f"frame {number} never came\n{self._logs()}")

    # The case itself ------------------------------------------------------

    def _measure(self):
        numbers, link = self.numbers, self.network.link
        link.say("delay", self.link.delay)
        # The far end is first: it has to wait for whatever comes.
        readers = [self._start_reader() for _ in range(numbers.readers)]
        self._start_pipeline("receiver")
        self._start_source()
        self._start_pipeline("sender")
        reader = readers[0]
        self._wait_for(reader, 0)
        # One second to settle; what the link does then is of this case.
        first = reader.newest() + numbers.rate
        self._wait_for(reader, first)
        link.say("loss", self.link.loss)
        before = self._counts()
        if self.link.event:
            self._wait_for(reader, first + numbers.frames // 3)
            getattr(self, "_" + self.link.event.replace("-", "_"))()
        end = first + numbers.frames
        self._wait_for(reader, end)
        after = self._counts()
        for other in readers[1:]:
            self._wait_for(other, end)
        return self._result(readers, first, before, after)

    def _look_late(self):
        self.coded = True
        self._start_pipeline("receiver")
        self._start_source()
        self._start_pipeline("sender")
        early = self._start_viewer("early")
        self._wait_for(early, self.numbers.rate)
        late = self._start_viewer("late")
        self._wait_for(late, 0)
        return {"early": early.frames[0][0], "late": late.frames[0][0]}

    def _break(self):
        """Two seconds without a link."""
        self.network.link.say("break")
        time.sleep(2)
        self.network.link.say("mend")

    def _sender_killed(self):
        self._end(self.pipelines["sender"], signal.SIGKILL)
        self._start_pipeline("sender")

    def _receiver_killed(self):
        self._end(self.pipelines["receiver"], signal.SIGKILL)
        self._start_pipeline("receiver")

    def _counts(self):
        """Processor time of both pipelines (s), and bytes sent."""
        total = 0
        for process in self.pipelines.values():
            stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text()
            fields = stat.rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICK
        return {"cpu": total, "sent": self.network.near.sent_bytes(),
                **self.network.link.count()}

    def _result(self, readers, first, before, after):
        reader, numbers = readers[0], self.numbers
        with reader.changed:
            end = first + numbers.frames
            begin = next(i for i, (n, _) in enumerate(reader.frames)
                         if n >= first)
            finish = next(i for i, (n, _) in enumerate(reader.frames)
                          if n >= end)
            frames = reader.frames[begin:finish]
            following = reader.frames[begin:finish + 1]
            damaged = sum(begin < i <= finish for i in reader.damaged)
        came = [number for number, _ in frames]
        period = 1e9 / numbers.rate
        arrivals = [number * period + latency
                    for number, latency in following]
        latencies = sorted(latency for _, latency in frames)
        return {
            "link": str(self.link), "by": self.network.link.name,
            "width": numbers.width, "height": numbers.height,
            "rate": numbers.rate, "n": numbers.frames,
            "readers": numbers.readers,
            "lost": numbers.frames - len(set(came)),
            "repeated": len(came) - len(set(came)),
            "damaged": damaged,
            "in_order": came == sorted(came),
            "lost_by_readers": sum(r.lost for r in readers),
            "p50_ns": round(statistics.median(latencies)),
            "p99_ns": latencies[len(latencies) * 99 // 100],
            "pause_ns": round(max(b - a for a, b in zip(arrivals,
                                                        arrivals[1:]))),
            "cpu_ns": round((after["cpu"] - before["cpu"]) * 1e9
                            / numbers.frames),
            "bytes_per_s": round((after["sent"] - before["sent"])
                                 * numbers.rate / numbers.frames),
            "packets_dropped": after["dropped"],
            "packets_broken": after.get("broken", 0),
            "packets_overran": after.get("overran", 0),
            "events": reader.events, "ended": self.ended,
        }
