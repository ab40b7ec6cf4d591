#!/usr/bin/env python3
# framecache: what the registry costs, and how soon it knows
#
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measure fc-registry, and print the figures with the bars beside them.

usage: registry.py BUILD-FOLDER [SECONDS [NAME]]

SECONDS (30) is how long the idle registry is watched, and how long one is
killed again and again; NAME is one of the measurements, as in Bench.test_idle. Nothing here passes or
fails: a machine with other work to do shows other figures.
"""
import os
import pathlib
import statistics
import sys
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 30
os.environ.update(FC_REGISTRY=str(BUILD / 'registry/fc-registry'),
                  SLOT_WRITER=str(BUILD / 'tests/registry/slot-writer'),
                  SLOT_READER=str(BUILD / 'tests/registry/slot-reader'))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / 'registry'))

import harness  # noqa: E402 (where it is is known by now)
from harness import memory_of, path_of, wait_for  # noqa: E402

TICKS = os.sysconf('SC_CLK_TCK')
SMALL = dict(size=256, depth=2, consumers=1, leases=2)


def processor_time(pid):
    """Seconds."""
    with open(f'/proc/{pid}/stat') as file:
        fields = file.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def report(what, figure, bar):
    print(f'{what:<52} {figure:>18}   {bar}', flush=True)


class Bench(harness.Case):

    def setUp(self):
        super().setUp()
        self.registry = self.start_registry()
        self.bus = self.client()

    def have(self, n):
        wait_for(lambda: len(self.bus.list()) == n, f'{n} slots')

    def test_killed(self):
        """Every 100 ms, while 8 slots stream, each to a consumer."""
        self.end(self.registry)
        names = [f'cam{i}' for i in range(8)]
        self.writer(*names, rate=60, depth=120)
        readers = [self.reader(name) for name in names]
        for reader in readers:
            reader.process.stdin.write(f'{int(60 * SECONDS)}\n')
            reader.process.stdin.flush()
        kills = wrong = 0
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            start = time.monotonic()
            registry = self.spawn_registry()
            wait_for(lambda: self.owner(self.bus), 'the registry')
            states = [(path, interfaces[harness.SLOT]['State'])
                      for path, interfaces in self.bus.objects().items()]
            wrong += sorted(states) != [(path_of(name), 'live')
                                        for name in names]
            time.sleep(max(0, start + .1 - time.monotonic()))
            registry.kill()
            registry.wait()
            wait_for(lambda: not self.owner(self.bus), 'the name free')
            kills += 1
        dropped = sum(int(reader.answer().split()[1]) for reader in readers)
        report(f'kill -9 each 100 ms, {SECONDS:.0f} s: frames lost of '
               f'{len(readers) * int(60 * SECONDS)}', str(dropped), '0')
        report('  wrong pictures, of starts', f'{wrong} of {kills}', '0')

    def test_idle(self):
        """64 live slots at 60 frames a second, and nobody who asks."""
        self.writer(*[f'cam{i}' for i in range(64)], rate=60, **SMALL)
        self.have(64)
        pid = self.registry.pid
        time.sleep(5)  # there are rates by now
        used, start = processor_time(pid), time.time()
        time.sleep(SECONDS / 2)
        memory = memory_of(pid)  # with all that is allocated only once
        time.sleep(SECONDS / 2)
        took = time.time() - start
        used = processor_time(pid) - used
        growth = (memory_of(pid) - memory) / 1024
        report(f'idle, 64 slots at 60/s, {took:.0f} s',
               f'{100 * used / took:.2f} % of a core', 'under 1 %')
        report('  memory of its own', f'{memory / 1024:.0f} KiB', '')
        report('  its growth in the second half, and an hour of it',
               f'{growth:+.0f} KiB, {growth * 7200 / took:+.0f}', 'none')

    def test_list_slots(self):
        self.writer(*[f'cam{i}' for i in range(256)], rate=1, **SMALL)
        self.have(256)
        times = []
        for _ in range(500):
            start = time.perf_counter()
            self.bus.list()
            times.append(1000 * (time.perf_counter() - start))
        report('ListSlots, 256 slots, median of 500',
               f'{statistics.median(times):.2f} ms', 'under 5 ms')

    def test_added(self):
        """From before the writer starts, which is long before the rename."""
        times = []
        self.bus.watch()
        for i in range(50):
            start = time.time()
            writer = self.writer(f'cam{i}', rate=0, **SMALL)
            self.bus.take('InterfacesAdded')
            times.append(1000 * (time.time() - start))
            writer.end()
            self.bus.take('InterfacesRemoved')
        report("a writer's start to InterfacesAdded, worst of 50",
               f'{max(times):.1f} ms', 'under 100 ms')
        report('  median', f'{statistics.median(times):.1f} ms', '')

    def test_lost(self):
        self.bus.watch()
        times = []
        for i in range(20):
            writer = self.writer(f'cam{i}', rate=60, **SMALL)
            self.bus.take('InterfacesAdded')
            start = time.time()
            writer.kill()
            self.bus.take('PropertiesChanged', path_of(f'cam{i}'),
                          lambda a: a[1].get('State') == 'lost')
            times.append(1000 * (time.time() - start))
        report('kill -9 to State "lost", worst of 20',
               f'{max(times):.1f} ms', 'under 1000 ms')
        report('  median', f'{statistics.median(times):.1f} ms', '')


del sys.argv[1:3]
harness.unittest.main(verbosity=0)
