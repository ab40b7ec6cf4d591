#!/usr/bin/env python3
# framecache: fcsink and fcsrc, with a registry that is there or is not
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import signal
import subprocess
import time
import unittest

import harness
from harness import NAME, path_of, wait_for

SLOTS = [f'cam{i}' for i in range(8)]
# How often the registry is killed, and how long it lives, s.
KILLS = int(os.environ.get('FC_TEST_SOAK', 30))
LIFE = 0.1
OTHER = 65534
PICTURES = ('videotestsrc is-live=true ! video/x-raw,format={},width=64,'
            'height=48,framerate=100/1 ! fcsink slot=cam0')


def has_namespaces():
    return subprocess.run(['unshare', '-rm', 'true'], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


class Elements(harness.Case):

    def environment(self):
        return dict(super().environment(), FC_DIR=self.directory)

    def spawn(self, *command, **popen):
        process = subprocess.Popen(command, env=self.environment(), text=True,
                                   **popen)
        self.addCleanup(self.end, process)
        return process

    def launch(self, line):
        return self.spawn('gst-launch-1.0', '-q', *line.split())

    def launch_elsewhere(self, line):
        """Where an empty file system hides the slot directory."""
        return self.spawn(
            'unshare', '-rm', 'sh', '-c',
            f'mount -t tmpfs none {self.directory} && exec gst-launch-1.0 -q '
            + line)

    def kill(self, process):
        process.kill()
        process.wait()

    def delivered(self, name):
        """To all consumers that it has now."""
        return sum(consumer['delivered']
                   for consumer in self.bus.slot(name, 'GetConsumers'))

    def is_state(self, name, state):
        return (path_of(name) in self.bus.list()
                and self.bus.get(name, 'State') == state)


@unittest.skipUnless(has_namespaces(), 'mount namespaces are not allowed here')
class Elsewhere(Elements):

    def setUp(self):
        super().setUp()
        self.bus = self.client()

    def wait_delivered(self, frames):
        wait_for(lambda: self.is_state('cam0', 'live')
                 and self.delivered('cam0') >= frames, f'{frames} frames')

    def test_frames_come_over_writers_and_generations(self):
        self.start_registry()
        reader = self.launch_elsewhere('fcsrc slot=cam0 ! fakesink')
        writer = self.launch(PICTURES.format('I420'))
        self.wait_delivered(20)
        self.kill(writer)
        wait_for(lambda: self.is_state('cam0', 'lost'), 'lost')
        before = self.delivered('cam0')
        writer = self.launch(PICTURES.format('I420'))
        self.wait_delivered(before + 20)
        self.assertEqual(self.bus.get('cam0', 'Generation'), 1)
        self.kill(writer)
        self.launch(PICTURES.format('RGB'))
        wait_for(lambda: self.bus.get('cam0', 'Generation') == 2, 'another')
        self.wait_delivered(20)
        self.assertIsNone(reader.poll())

    def test_a_reserved_slot_goes_on_after_the_end(self):
        self.start_registry()
        self.bus.create('cam0', frame_size=64 * 48 * 2, ring_depth=50)
        reader = self.launch_elsewhere('fcsrc slot=cam0 on-eos=wait ! fakesink')
        wait_for(lambda: self.bus.get('cam0', 'Consumers') == 1, 'a consumer')
        for i in range(3):
            writer = self.launch(PICTURES.format('I420').replace(
                'is-live=true', 'is-live=true num-buffers=30'))
            self.assertEqual(writer.wait(harness.BOUND), 0)
            wait_for(lambda: self.delivered('cam0') == 30 * (i + 1), 'all')
            wait_for(lambda: self.is_state('cam0', 'eos'), 'the end')
        self.assertEqual(self.bus.get('cam0', 'Generation'), 1)
        self.assertEqual(self.bus.get('cam0', 'Dropped'), 0)
        self.assertIsNone(reader.poll())

    def test_a_registry_is_started_for_who_asks_for_the_bus(self):
        (self.scratch / 'services' / f'{NAME}.service').write_text(
            f'[D-BUS Service]\nName={NAME}\n'
            f'Exec={harness.program("FC_REGISTRY")} '
            f'--directory={self.directory} --state-file={self.state_file}\n')
        self.launch(PICTURES.format('I420'))
        reader = self.launch_elsewhere(
            'fcsrc slot=cam0 attach=bus num-buffers=20 ! fakesink')
        self.assertEqual(reader.wait(harness.BOUND), 0)

    def test_a_slot_that_is_not_ones_own_is_refused(self):
        if os.geteuid() != 0:
            self.skipTest('only root can be another user')
        for path in (self.scratch, self.directory):
            os.chmod(path, 0o755)
        self.start_registry()
        self.launch(PICTURES.format('I420'))
        wait_for(lambda: self.is_state('cam0', 'live'), 'the slot')
        reader = self.spawn(
            'setpriv', f'--reuid={OTHER}', '--clear-groups', 'unshare', '-rm',
            'sh', '-c', f'mount -t tmpfs none {self.directory} && exec '
            'gst-launch-1.0 -q fcsrc slot=cam0 ! fakesink',
            stderr=subprocess.PIPE)
        error = reader.communicate(timeout=harness.BOUND)[1]
        self.assertNotEqual(reader.returncode, 0)
        self.assertIn(f'GstFcSrc:fcsrc0: user {OTHER} may not read the slot'
                      ' cam0', error)


class Killed(Elements):

    def start_streams(self):
        streams = self.spawn(harness.program('COUNT_STREAMS'),
                             f'{self.directory}/elsewhere',
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(streams.stdout.close)
        self.addCleanup(streams.stdin.close)
        self.assertEqual(streams.stdout.readline(), 'ready\n')
        return streams

    def change(self, streams):
        streams.stdin.write('change\n')
        streams.stdin.flush()
        self.assertEqual(streams.stdout.readline(), 'change\n')

    def look(self, bus, writer, generation):
        """The picture is right from the first answer on."""
        objects = bus.objects()
        self.assertEqual(sorted(objects), [path_of(name) for name in SLOTS])
        for slot in objects.values():
            slot = slot[harness.SLOT]
            self.assertEqual(slot['State'], 'live')
            self.assertEqual(slot['WriterPid'], writer)
            self.assertEqual(slot['Generation'], generation)
            self.assertIn(f'width=(int){16 * generation}', slot['Format'])

    def test_not_a_frame_is_lost(self):
        """Half of the readers come by each generation on the bus."""
        registry = self.start_registry()
        bus = self.client()
        streams = self.start_streams()
        generation = 1
        for i in range(KILLS):
            started, dead = time.monotonic(), self.owner(bus)
            self.kill(registry)
            wait_for(lambda: self.owner(bus) != dead, 'the end on the bus')
            registry = self.spawn_registry()
            wait_for(lambda: self.owner(bus) is not None, 'the next')
            self.look(bus, streams.pid, generation)
            if i % 3 == 0:
                self.change(streams)
                generation += 1
            time.sleep(max(0, started + LIFE - time.monotonic()))
        for name in SLOTS:
            wait_for(lambda: bus.get(name, 'Consumers') == 1, name)
        self.look(bus, streams.pid, generation)
        streams.stdin.close()
        for name, line in zip(SLOTS, streams.stdout, strict=True):
            print(line, end='')
            numbers = [int(word) for word in line.split()[1:]]
            written, lost, delivered, dropped, skipped, reconnects = numbers
            self.assertEqual((delivered, lost, dropped, skipped, reconnects),
                             (written, 0, 0, 0, generation - 1), name)
        self.assertEqual(streams.wait(harness.BOUND), 0)


if __name__ == '__main__':
    harness.main()
