#!/usr/bin/env python3
# framecache: fcctl plan agrees with what rings take, and knows what there is
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import pathlib
import re
import signal
import shlex
import subprocess
import unittest

from fcctl_case import (BOUND, FAILED, FCCTL, PROBLEMS, USAGE, Case,
                        main, wait_for)

MIB = 1 << 20
CAPS = ('video/x-raw, format=(string)NV12, width=(int)62, height=(int)34, '
        'framerate=(fraction)25/1')


class Rings(Case):
    def files(self, slot):
        """Bytes of SLOT's ring and table: as long as they are, and of memory.
        """
        stats = [path.stat() for path in pathlib.Path(self.directory).iterdir()
                 if re.fullmatch(rf'{slot}\.ring|\.{slot}\.\w{{16}}\.consumers',
                                 path.name)]
        self.assertEqual(len(stats), 2)
        return (sum(stat.st_size for stat in stats),
                sum(stat.st_blocks * 512 for stat in stats))

    def taken(self, slot, plan):
        """To the byte, and nothing of it is a hole."""
        self.assertEqual(self.files(slot), (plan['bytes_initial'],) * 2)
        shown = self.show(slot)
        self.assertEqual(shown['bytes_allocated'], plan['bytes_initial'])
        self.assertEqual(shown['bytes_planned'], plan['bytes_planned'])
        self.assertEqual(shown['ring_depth'], plan['ring_depth'])
        self.assertEqual(shown['frame_size'], plan['frame_size'])

    def test_slot_that_is_reserved(self):
        for i, words in enumerate((
                ['4096'], ['1', '2f'], ['4097', '3f'], ['64x32@50', 'NV12'],
                ['61x33@30000/1001', 'I420', '500ms'],
                ['1280x720@60', 'RGBA', '1s', '--max-consumers=3'],
                ['100kB@50', '1s', '--leases=7', '--writer-cells=9'],
                ['640x480', 'v210', '7f', f'--format={CAPS}'],
                ['1500', '500f', '--max-consumers=1000', '--leases=2'])):
            plan = self.json('plan', *words)
            self.fcctl('create', f'cam{i}', *words)
            self.taken(f'cam{i}', plan)
            self.fcctl('rm', f'cam{i}')

    def test_slot_that_a_writer_makes(self):
        self.writer('cam0', size=5000, depth=33, format=CAPS, consumers=5,
                    leases=3)
        self.taken('cam0', self.json(
            'plan', '5000', '33f', '-c', '5', '-l', '3', '-f', CAPS))

    def test_slot_all_of_whose_leases_are_taken(self):
        words = ['20kB@100', '8f', '--max-consumers=6', '--leases=4']
        plan = self.json('plan', *words)
        self.fcctl('create', 'cam0', *words)
        writer = self.writer('cam0', size=20000, rate=100)
        # One lease of each consumer is kept for copies.
        self.holder('cam0', 6, 3)
        head = self.show('cam0')['head']
        wait_for(lambda: self.show('cam0')['head'] > head + 20, 'frames')
        writer.tell('pause')
        length, memory = self.files('cam0')
        cell = (plan['bytes_planned'] - plan['bytes_initial']) // (
            plan['cells_planned'] - plan['cells_initial'])
        self.assertEqual(memory, length)
        self.assertLessEqual(memory, plan['bytes_planned'])
        self.assertGreaterEqual(memory, plan['bytes_planned'] - 6 * cell)
        self.assertEqual(self.show('cam0')['bytes_planned'],
                         plan['bytes_planned'])

    @unittest.skipUnless('FC_GST' in os.environ, 'built without GStreamer')
    def test_slot_that_fcsink_makes(self):
        sink = subprocess.Popen(
            ['gst-launch-1.0', '-q', 'videotestsrc', 'is-live=true', '!',
             'video/x-raw,format=NV12,width=320,height=240,framerate=30/1',
             '!', 'fcsink', 'slot=cam0', f'directory={self.directory}'])
        self.addCleanup(sink.wait, BOUND)
        self.addCleanup(sink.send_signal, signal.SIGINT)
        wait_for(lambda: self.run_fcctl('health', 'cam0').returncode == 0,
                 'fcsink')
        slot = self.show('cam0')
        self.taken('cam0', self.json(
            'plan', '320x240@30', 'NV12', f'--format={slot["format"]}',
            f'--writer-cells={slot["writer_cells"]}'))


class Words(Case):
    def test_several_slots(self):
        one = self.json('plan', '64x32@50', 'NV12', '2s')
        four = self.json('plan', 'x4', '64x32@50', 'NV12', '2s')
        self.assertEqual(one['count'], 1)
        self.assertEqual(four['count'], 4)
        for key in ('bytes_initial', 'bytes_planned'):
            self.assertEqual(four[key], one[key])
            self.assertEqual(four['total_' + key], 4 * one[key])
        self.assertEqual(four['history_ns'], 2e9)
        self.assertEqual(os.listdir(self.directory), [])

    def test_rate_that_is_too_slow_to_count(self):
        plan = self.json('plan', '999992@1/919999999')
        self.assertEqual(plan['ring_depth'], 120)
        self.assertIsNone(plan['history_ns'])
        self.assertNotIn(' d ', self.fcctl('plan', '999992@1/919999999'))

    def test_text(self):
        text = self.fcctl('plan', '64x32@50', 'NV12', '2s', 'x4')
        plan = self.json('plan', '64x32@50', 'NV12', '2s')
        for part in ('3.00 KiB (3072 bytes)', '100 frames, 2.00 s',
                     f'({plan["bytes_initial"]} bytes) a slot',
                     f'({plan["bytes_planned"]} bytes) a slot', ' for 4\n',
                     self.directory, '\nfits\n'):
            self.assertIn(part, text)

    def test_what_will_not_do(self):
        for words in ([], ['NV12'], ['64x32'], ['4096', '2s'], ['64y32'],
                      ['4096', '-l', '0'], ['4096', '-c', '99999'],
                      ['4096', '99999f'], ['1e9'], ['0'], ['4096', 'x0']):
            self.fails(USAGE, 'plan', *words)

    def test_directory_that_is_not_there(self):
        for command in (['plan'], ['create', 'cam0']):
            self.assertIn('mkdir', self.fails(
                FAILED, *command, '4096', '-d', '/dev/shm/fc-test-none'))

    def test_formats(self):
        formats = self.fcctl('plan', '--formats').split()
        self.assertIn('NV12', formats)
        self.assertEqual(self.json('plan', '--formats'), formats)
        for name in formats:
            self.assertGreater(
                self.json('plan', '64x32', name, '2f')['frame_size'], 0)

    def test_other_slots_leases_are_counted(self):
        self.fcctl('create', 'cam0', '100kB@50', '1s')
        slot = self.show('cam0')
        plan = self.json('plan', '4096')
        self.assertEqual(plan['bytes_promised'],
                         slot['bytes_planned'] - slot['bytes_allocated'])
        self.assertIn('other slots may come to take',
                      self.fcctl('plan', '4096'))


class Room(Case):
    """In a mount namespace of its own, where the machine is what it seems."""

    def plan(self, *words, shm='1g', files=(), code=PROBLEMS, first=None):
        """FILES are (path, text) below /sys/fs/cgroup, and others that are put
        over what is there; FIRST is a command."""
        lines = [f'mount -t tmpfs -o size={shm} none /dev/shm']
        if first is not None:
            lines.append(first)
        if any(path.startswith('/sys/fs/cgroup') for path, _ in files):
            lines.append('mount -t tmpfs none /sys/fs/cgroup')
        scratch = self.scratch()
        for i, (path, text) in enumerate(files):
            (scratch / str(i)).write_text(text)
            if path.startswith('/sys/fs/cgroup'):
                lines.append(f'mkdir -p {os.path.dirname(path)}')
                lines.append(f'cat {scratch / str(i)} >{path}')
            else:
                lines.append(f'mount --bind {scratch / str(i)} {path}')
        script = ' && '.join(lines + ['exec "$@"'])
        return json.loads(self.fcctl(
            'plan', '--json', '--directory=/dev/shm', *words, code=code,
            prefix=('unshare', '-rm', 'sh', '-c', script, 'sh')))

    def test_small_shm_and_its_remedy(self):
        words = ['1280x720@30', 'NV12', '4s']
        plan = self.plan(*words, shm='64m')
        self.assertEqual((plan['mount'], plan['bytes_size']),
                         ('/dev/shm', 64 * MIB))
        self.assertFalse(plan['fits_at_start'])
        self.assertFalse(plan['fits'])
        self.assertEqual(len(plan['reasons']), 1)
        size = int(re.search(r'--shm-size=(\d+)m', plan['reasons'][0])[1])
        remedy = re.search(r'mount -o remount,size=\d+m /dev/shm',
                           plan['reasons'][0])[0]
        after = self.plan(*words, shm=f'{size}m', code=0)
        self.assertTrue(after['fits'])
        self.assertFalse(self.plan(*words, shm=f'{size - 1}m')['fits'])
        if os.geteuid() == 0:  # others may not mount anew, even their own
            after = self.plan(*words, shm='64m', first=remedy, code=0)
            self.assertEqual(after['bytes_size'], size * MIB)

    def test_enough_to_start_but_not_for_all_leases(self):
        plan = self.plan('1MiB@30', '30f', shm='64m')
        self.assertTrue(plan['fits_at_start'])
        self.assertFalse(plan['fits'])
        self.assertIn('enough to start', plan['reasons'][0])

    def test_other_slots_may_come_to_take_it(self):
        words = ['1MiB@30', '20f', '--max-consumers=2']
        self.plan(*words, shm='64m', code=0)
        create = (f'{shlex.quote(FCCTL)} create cam0 4MiB 2f -c 3 '
                  '-d /dev/shm >/dev/null')
        plan = self.plan(*words, shm='64m', first=create)
        self.assertGreater(plan['bytes_free'], plan['total_bytes_planned'])
        self.assertIn('other slots', plan['reasons'][0])

    def group(self, path, limit, current, inactive=0):
        folder = f'/sys/fs/cgroup{path}'
        return [(f'{folder}/memory.max', f'{limit}\n'),
                (f'{folder}/memory.current', f'{current}\n'),
                (f'{folder}/memory.stat',
                 f'anon 5\ninactive_file {inactive}\nactive_file 7\n')]

    def in_group(self, path):
        return [('/proc/$$/cgroup', f'1:name=systemd:/x\n0::{path}\n')]

    def test_limit_of_the_control_group(self):
        files = (self.in_group('/pod/box')
                 + self.group('/pod/box', 100 * MIB, 40 * MIB, 10 * MIB)
                 + self.group('/pod', 1024 * MIB, 50 * MIB))
        plan = self.plan('1MiB', '40f', '-c', '1', '-l', '2', files=files,
                         code=0)
        self.assertEqual(
            (plan['limit_file'], plan['limit_bytes'],
             plan['limit_bytes_left']),
            ('/sys/fs/cgroup/pod/box/memory.max', 100 * MIB, 70 * MIB))
        plan = self.plan('1MiB', '80f', '-c', '1', '-l', '2', files=files)
        self.assertEqual(len(plan['reasons']), 1)
        self.assertIn('/sys/fs/cgroup/pod/box/memory.max leaves 70.0 MiB',
                      plan['reasons'][0])
        limit = int(re.search(r'--memory=(\d+)m', plan['reasons'][0])[1])
        files = self.in_group('/pod/box') + self.group(
            '/pod/box', limit * MIB, 40 * MIB, 10 * MIB)
        self.plan('1MiB', '80f', '-c', '1', '-l', '2', files=files, code=0)

    def test_limit_further_up(self):
        files = (self.in_group('/pod/box')
                 + self.group('/pod/box', 'max', 40 * MIB)
                 + self.group('/pod', 100 * MIB, 90 * MIB))
        plan = self.plan('1MiB', '40f', files=files)
        self.assertEqual(
            (plan['limit_file'], plan['limit_bytes_left']),
            ('/sys/fs/cgroup/pod/memory.max', 10 * MIB))

    def test_no_limit(self):
        files = (self.in_group('/box')
                 + self.group('/box', 'max', 40 * MIB))
        plan = self.plan('4096', files=files, code=0)
        self.assertEqual((plan['limit_file'], plan['limit_bytes']),
                         (None, None))

    def test_memory_of_the_machine(self):
        files = [('/proc/meminfo', 'MemTotal: 9999 kB\n'
                  'MemAvailable:   90000 kB\nSwapFree:     10000 kB\n')]
        plan = self.plan('4096', files=files, code=0)
        self.assertEqual(plan['machine_bytes_left'], 100000 * 1024)
        plan = self.plan('1MiB', '90f', '-c', '2', files=files)
        self.assertEqual(len(plan['reasons']), 1)
        self.assertIn('the machine has 97.7 MiB', plan['reasons'][0])


main()
