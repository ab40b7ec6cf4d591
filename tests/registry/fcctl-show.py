#!/usr/bin/env python3
# framecache: fcctl show
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import pathlib
import signal
import time
import unittest

from fcctl_case import NO_SLOT, USAGE, FAILED, Case, main, wait_for


class Shows(Case):
    def test_text_has_all_that_matters(self):
        writer = self.writer('cam0', size=5000, depth=9, rate=50,
                             format='numbers', consumers=5, leases=3)
        holder = self.holder('cam0', 2, 1, '--name=recorder')
        wait_for(lambda: self.show('cam0')['head'] > 9, 'a full history')
        text = self.fcctl('show', 'cam0')
        for part in ('cam0  live\n', self.directory, 'numbers',
                     'up to 4.88 KiB (5000 bytes)', ' of 9 frames',
                     f'pid {writer.pid} of ', 'user may read',
                     'generation 1, epoch 1',
                     '2 of 5, each with up to 3 leases'):
            self.assertIn(part, text)
        rows = [line.split() for line in text.splitlines()
                if line.endswith(' recorder')]
        self.assertEqual(len(rows), 2)
        for row in rows:
            self.assertEqual(row[0], str(holder.pid))

    def test_json_has_the_ring(self):
        writer = self.writer('cam0', size=5000, depth=9, rate=50,
                             format='numbers', consumers=5, leases=3)
        slot = wait_for(lambda: (s := self.show('cam0'))['head'] > 20 and s,
                        'frames')
        self.assertEqual(
            {key: slot[key] for key in (
                'name', 'dir', 'state', 'reserved', 'format', 'frame_size',
                'ring_depth', 'max_consumers', 'leases', 'access', 'trust',
                'owner', 'generation', 'epoch', 'writer_pid', 'writer_uid',
                'consumers', 'first_seq', 'consumer_list')},
            {'name': 'cam0', 'dir': self.directory, 'state': 'live',
             'reserved': False, 'format': 'numbers', 'frame_size': 5000,
             'ring_depth': 9, 'max_consumers': 5, 'leases': 3,
             'access': 'user', 'trust': 'user', 'owner': os.geteuid(),
             'generation': 1, 'epoch': 1, 'writer_pid': writer.pid,
             'writer_uid': os.geteuid(), 'consumers': 0, 'first_seq': 0,
             'consumer_list': []})
        self.assertEqual(slot['bytes_total'], slot['head'] * 5000)
        self.assertEqual(slot['oldest'], slot['head'] - 9)
        self.assertGreater(slot['frame_rate'], 5)
        self.assertAlmostEqual(slot['bit_rate'] / slot['frame_rate'], 40000,
                               delta=1)
        self.assertLess(abs(slot['created_wall_ns'] / 1e9 - time.time()), 60)
        self.assertLess(slot['newest_age_ns'], 60e9)

    def test_consumers_that_fall_behind_are_seen_to(self):
        self.writer('cam0', depth=8, rate=100)
        holder = self.holder('cam0', 1, 2)

        def consumer():
            slot = self.show('cam0')
            return slot, slot['consumer_list'][0]

        slot, one = wait_for(
            lambda: (c := consumer())[1]['lag'] > 8 and c, 'a lag')
        self.assertEqual(one['pid'], holder.pid)
        self.assertEqual(one['leases'], 2)
        self.assertEqual(one['delivered'], 2)
        self.assertEqual(one['lag'], slot['head'] - one['cursor'])
        self.assertAlmostEqual(one['lag_ns'] / 1e9,
                               one['lag'] / slot['frame_rate'], places=5)

    def test_slot_without_frames(self):
        self.writer('cam0', rate=0)
        text = self.fcctl('show', 'cam0')
        self.assertIn('none yet', text)
        slot = self.show('cam0')
        self.assertIsNone(slot['newest_commit_ns'])
        self.assertIsNone(slot['newest_age_ns'])
        self.assertEqual(slot['frame_rate'], 0)

    def test_dead_writer_has_ended(self):
        writer = self.writer('cam0')
        writer.kill()
        text = self.fcctl('show', 'cam0')
        self.assertIn('cam0  lost\n', text)
        self.assertIn(f'pid {writer.pid} of ', text)
        self.assertIn(', ended\n', text)

    def test_stopped_writer_does_not_stop_it(self):
        writer = self.writer('cam0')
        os.kill(writer.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, writer.pid, signal.SIGCONT)
        self.assertIn('cam0', self.fcctl('show', 'cam0'))


class Others(Case):
    """Who may read a slot, and is not trusted."""

    @unittest.skipUnless(os.geteuid() == 0, 'only root gives slots away')
    def test_consumers_may_not_be_seen(self):
        os.chmod(self.directory, 0o755)
        self.fcctl('create', 'cam0', '4096', '--access=all', '--owner=nobody')
        # A user like any other, and one who may run what was built.
        who = ('setpriv', '--inh-caps=-all', '--bounding-set=-all')
        text = self.fcctl('show', 'cam0', prefix=who)
        self.assertRegex(text, r'Consumers +may not read the consumer table')
        slot = self.json('show', 'cam0', prefix=who)
        self.assertIsNone(slot['consumers'])
        self.assertIsNone(slot['consumer_list'])
        self.assertIn(' -/64 ', self.fcctl('list', prefix=who))
        self.assertNotIn('framecache_slot_consumers{',
                         self.fcctl('metrics', prefix=who))
        self.assertEqual(self.show('cam0')['consumers'], 0)
        self.assertEqual(self.show('cam0')['consumer_list'], [])


class Failures(Case):
    def test_no_such_slot(self):
        for words in (['show', 'cam0'], ['show', 'cam0', '--json']):
            self.assertIn(f'there is no slot cam0 in {self.directory}',
                          self.fails(NO_SLOT, *words))

    def test_what_is_no_name(self):
        for name in ('', '../cam0', '.cam0', 'a' * 64, 'a/b', 'caf\u00e9'):
            self.assertIn('no slot name', self.fails(USAGE, 'show', name))

    def test_what_is_no_ring(self):
        pathlib.Path(self.directory, 'cam0.ring').write_bytes(b'x' * 9000)
        self.assertIn('not a framecache ring',
                      self.fails(FAILED, 'show', 'cam0'))


main()
