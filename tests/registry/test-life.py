#!/usr/bin/env python3
# framecache: how the registry begins and ends
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import signal
import subprocess
import unittest

from gi.repository import Gio, GLib

import harness
from harness import OWN_MOUNTS, can_unshare, path_of, wait_for

# Exit codes, as the man page has them.
ENDED, FAILED, USAGE, TAKEN, REPLACED, BUS_GONE = range(6)


class Life(harness.Case):

    def ends(self, process, status):
        """PROCESS, with its output piped, ends like this; its sentence."""
        printed, _ = process.communicate(timeout=harness.BOUND)
        self.assertEqual(process.returncode, status, printed)
        if status != ENDED:
            self.assertRegex(printed, r'^fc-registry: .+\n$')
        return printed

    def piped(self, *options, **keywords):
        return self.spawn_registry(*options, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True,
                                   **keywords)

    def started(self, *options):
        process = self.piped(*options)
        wait_for(lambda: self.owner(self.client()), 'the registry')
        return process

    def reserved(self):
        if not self.state_file.exists():
            return []
        return [slot['name']
                for slot in json.loads(self.state_file.read_text())['slots']]


class Beginning(Life):

    def test_a_wrong_command_line(self):
        for options in (['--session', '--system'], ['--budget=much'],
                        ['--budget=-1'], ['--budget=10f'], ['--budget='],
                        ['--collect-after=-1'], ['--collect-after=soon'],
                        ['--no-state-file'], ['--colour'], ['cam0']):
            with self.subTest(options=options):
                self.ends(self.piped(*options), USAGE)

    def test_no_bus(self):
        self.end(self.daemon)
        for bus in 'session', 'system':
            self.assertIn(bus, self.ends(self.piped(f'--{bus}'), FAILED))

    def test_a_directory_that_will_not_do(self):
        self.directory = '/dev/null'
        self.assertIn('/dev/null', self.ends(self.piped(), USAGE))

    def test_a_state_file_that_will_not_do(self):
        self.state_file.mkdir(parents=True)
        self.assertIn(str(self.state_file), self.ends(self.piped(), USAGE))

    def test_a_directory_that_comes_later(self):
        os.rmdir(self.directory)
        self.start_registry()
        bus = self.client()
        self.assertEqual(bus.list(), [])
        os.mkdir(self.directory)
        self.writer('cam0')
        wait_for(lambda: bus.list() == [path_of('cam0')], 'the slot')

    def test_the_slots_are_there_with_the_name(self):
        """Who is answered is answered with what there is."""
        self.writer(*[f'cam{i}' for i in range(50)])
        client = self.client()
        process = self.spawn_registry()
        wait_for(lambda: self.owner(client), 'the registry')
        self.assertEqual(len(client.list()), 50)
        self.assertIsNone(process.poll())

    @unittest.skipUnless(can_unshare(*OWN_MOUNTS[1:]),
                         'no mounts of its own for this user')
    def test_the_usual_directory_is_made_when_it_is_needed(self):
        process = subprocess.Popen(
            [*OWN_MOUNTS, 'sh', '-c',
             'mount -t tmpfs -o mode=1777 none /dev/shm && exec "$@"', 'sh',
             harness.program('FC_REGISTRY'), '--no-state-file'],
            env=self.environment())
        self.addCleanup(self.end_registry, process)
        client = self.client()
        wait_for(lambda: self.owner(client), 'the registry')
        directory = client.plan(frame_size=10)['directory']
        self.assertRegex(directory, '^/dev/shm/framecache(-[0-9]+)?$')
        client.create('cam0', frame_size=10)
        self.assertEqual(client.get(None, 'Directory'), directory)

    def test_on_the_system_bus(self):
        """Which here is the same, but for where reserved slots are kept."""
        self.spawn_registry('--system')
        client = self.client()
        wait_for(lambda: self.owner(client), 'the registry')
        self.assertEqual(client.list(), [])

    def test_where_reserved_slots_are_kept(self):
        home = self.scratch / 'home/framecache/registry.json'
        service = self.scratch / 'service'
        for option, file in (('--session', home),
                             ('--system', service / 'registry.json')):
            process = subprocess.Popen(
                [harness.program('FC_REGISTRY'), option,
                 f'--directory={self.directory}'],
                env=dict(self.environment(), STATE_DIRECTORY=str(service)))
            self.addCleanup(self.end, process)
            client = self.client()
            wait_for(lambda: self.owner(client), 'the registry')
            client.create('cam0', frame_size=10)
            self.assertTrue(file.exists(), file)
            client.remove('cam0')
            self.end(process)


class Two(Life):

    def test_the_second_says_so(self):
        first = self.start_registry()
        sentence = self.ends(self.piped(), TAKEN)
        self.assertIn(f'process {first.pid}', sentence)
        self.assertEqual(self.client().list(), [])

    def test_one_state_file_has_one_registry(self):
        """Also where the second one is on another bus."""
        self.start_registry()
        os.rename(self.scratch / 'bus', self.scratch / 'first-bus')
        (self.scratch / 'services').rmdir()
        self.address = self.start_bus()
        self.assertIn(str(self.state_file), self.ends(self.piped(), USAGE))

    def test_the_name_is_taken_over(self):
        process = self.started()
        other = self.client()
        other.connection.call_sync(
            'org.freedesktop.DBus', '/org/freedesktop/DBus',
            'org.freedesktop.DBus', 'RequestName',
            GLib.Variant('(su)', (harness.NAME, 2)), None,
            Gio.DBusCallFlags.NONE, -1, None)
        self.assertIn(harness.NAME, self.ends(process, REPLACED))


class Ending(Life):

    def test_it_ends_when_it_is_told(self):
        self.writer('live')
        for number in signal.SIGTERM, signal.SIGINT:
            process = self.started()
            bus = self.client()
            bus.create(f'cam{int(number)}', frame_size=10)
            bus.watch()
            process.send_signal(number)
            self.assertEqual(self.ends(process, ENDED), '')
            self.assertIn(f'cam{int(number)}', self.reserved())
            wait_for(lambda: not self.owner(bus), 'the name free')
            # It is the registry that went, not the slots.
            self.assertNotIn('InterfacesRemoved',
                             [signal for _, signal, _ in bus.signals])

    def test_the_bus_goes_away(self):
        process = self.started()
        self.client().create('cam0', frame_size=10)
        self.daemon.kill()
        self.daemon.wait()
        self.assertIn('bus', self.ends(process, BUS_GONE))
        self.assertEqual(self.reserved(), ['cam0'])

    def test_a_killed_one_is_followed_by_the_next(self):
        """With the same picture at once, and the same reserved slots."""
        writer = self.writer('live', rate=100)
        for i in range(10):
            process = self.start_registry()
            bus = self.client()
            bus.create(f'cam{i}', frame_size=10)
            process.kill()
            process.wait()
            wait_for(lambda: not self.owner(bus), 'the name free')
        self.start_registry()
        bus = self.client()
        self.assertEqual(
            bus.list(), [path_of(f'cam{i}') for i in range(10)]
            + [path_of('live')])
        self.assertEqual(bus.get('live', 'WriterPid'), writer.pid)
        self.assertEqual(bus.get('live', 'Epoch'), 1)

    def test_reserved_slots_come_back(self):
        """After a reboot, which leaves an empty directory."""
        process = self.start_registry()
        caps = 'video/x-raw,format=NV12'
        self.client().create('cam0', frame_size=5000, ring_depth=7,
                             format=caps, access='all')
        self.end(process)
        for name in os.listdir(self.directory):
            os.unlink(f'{self.directory}/{name}')
        self.start_registry()
        bus = self.client()
        wait_for(bus.list, 'the slot')
        self.assertEqual(bus.get('cam0', 'State'), 'reserved')
        self.assertEqual(bus.get('cam0', 'FrameSize'), 5000)
        self.assertEqual(bus.get('cam0', 'RingDepth'), 7)
        self.assertEqual(bus.get('cam0', 'Format'), caps)
        self.assertEqual(bus.slot('cam0', 'GetStats')['access'], 'all')

    def test_writers_do_not_notice(self):
        """Not one frame is lost on account of a registry that is killed."""
        writer = self.writer('live', rate=200, depth=500)
        reader = self.reader('live')
        reader.process.stdin.write('400\n')
        reader.process.stdin.flush()
        for _ in range(10):
            process = self.start_registry()
            process.kill()
            process.wait()
        self.assertEqual(reader.answer(), '400 0')
        self.assertIsNone(writer.process.poll())


harness.main()
