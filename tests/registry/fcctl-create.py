#!/usr/bin/env python3
# framecache: fcctl create, rm and gc, without a bus
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import pathlib
import pwd
import signal
import unittest

from fcctl_case import FAILED, NO_SLOT, USAGE, Case, main


class Creates(Case):
    def test_words_and_options_are_in_the_ring(self):
        os.chmod(self.directory, 0o755)
        text = self.fcctl('create', 'cam0', '64x32@50', 'NV12', '2s',
                          '--access=all', '--trust=group', '-c', '3', '-l',
                          '5', '-w', '6', '--format=video/x-raw')
        self.assertIn(f'cam0 is reserved in {self.directory}', text)
        self.assertIn('gone after a reboot', text)
        slot = self.show('cam0')
        self.assertEqual(
            {key: slot[key] for key in (
                'state', 'reserved', 'format', 'frame_size', 'ring_depth',
                'max_consumers', 'leases', 'writer_cells', 'access', 'trust',
                'owner')},
            {'state': 'reserved', 'reserved': True, 'format': 'video/x-raw',
             'frame_size': 64 * 32 * 3 // 2, 'ring_depth': 100,
             'max_consumers': 3, 'leases': 5, 'writer_cells': 6,
             'access': 'all', 'trust': 'group', 'owner': os.geteuid()})

    def test_json(self):
        created = self.json('create', 'cam0', '4096')
        slot = self.show('cam0')
        self.assertEqual(created, {
            'name': 'cam0', 'dir': self.directory, 'kept': False,
            'bytes_initial': slot['bytes_allocated'],
            'bytes_planned': slot['bytes_planned']})

    def test_writer_carries_on_in_it(self):
        self.fcctl('create', 'cam0', '8192', '40f')
        writer = self.writer('cam0', size=4096, depth=8, format='numbers')
        slot = self.show('cam0')
        self.assertEqual((slot['state'], slot['ring_depth'],
                          slot['frame_size'], slot['format']),
                         ('live', 40, 8192, 'numbers'))
        writer.kill()
        self.assertEqual(self.show('cam0')['state'], 'lost')
        self.assertEqual(self.fcctl('gc'), 'nothing to collect\n')

    def test_trust_goes_with_access(self):
        os.chmod(self.directory, 0o755)
        self.fcctl('create', 'cam0', '4096', '--trust=all')
        self.assertEqual(self.show('cam0')['access'], 'all')
        self.assertIn('narrower', self.fails(
            USAGE, 'create', 'cam1', '4096', '--trust=all', '--access=user'))

    def test_access_wider_than_the_directory(self):
        self.assertIn('chmod', self.fails(FAILED, 'create', 'cam0', '4096',
                                          '--access=all'))
        self.assertEqual(self.fcctl('list'), '')

    @unittest.skipUnless(os.geteuid() == 0, 'only root gives slots away')
    def test_owner(self):
        nobody = pwd.getpwnam('nobody').pw_uid
        self.fcctl('create', 'a', '4096', '--owner=nobody')
        self.fcctl('create', 'b', '4096', f'--owner={nobody}')
        self.assertEqual(self.show('a')['owner'], nobody)
        self.assertEqual(self.show('b')['owner'], nobody)

    def test_once_is_enough(self):
        self.fcctl('create', 'cam0', '4096')
        self.assertIn('exists already',
                      self.fails(FAILED, 'create', 'cam0', '4096'))

    def test_what_will_not_do(self):
        for words in (['cam0'], ['cam0', 'NV12'], ['cam0', '64x32'],
                      ['cam0', '4096', '10s'], ['cam0', '4096', 'x2'],
                      ['../cam0', '4096'], ['cam0', '4096', '--access=some'],
                      ['cam0', '4096', '--leases=1'],
                      ['cam0', '4096', '--leases=0'],
                      ['cam0', '4096', '--max-consumers=-3'],
                      ['cam0', '4096', '--max-consumers=9999999'],
                      ['cam0', '4096', '--owner=no-such-user-here'],
                      ['cam0', '4096', '--bus=school']):
            self.fails(USAGE, 'create', *words)
        self.assertEqual(os.listdir(self.directory), [])


class Removes(Case):
    def test_reserved_slots(self):
        self.fcctl('create', 'a', '4096')
        self.fcctl('create', 'b', '4096')
        self.assertEqual(self.fcctl('rm', 'a', 'b'), '')
        self.assertEqual(self.fcctl('list'), '')

    def test_slot_with_a_writer_only_by_force(self):
        self.writer('cam0', rate=0)
        self.assertIn('live writer', self.fails(FAILED, 'rm', 'cam0'))
        self.assertEqual(self.fcctl('list', '-n'), 'cam0\n')
        self.fcctl('rm', '--force', 'cam0')
        self.assertEqual(self.fcctl('list', '-n'), '')

    def test_each_is_tried(self):
        self.fcctl('create', 'b', '4096')
        result = self.run_fcctl('rm', 'a', 'b', '..')
        self.assertEqual(result.returncode, NO_SLOT)
        self.assertEqual(len(result.stderr.splitlines()), 2)
        self.assertEqual(self.fcctl('list', '-n'), '')

    def test_what_is_damaged_goes_too(self):
        pathlib.Path(self.directory, 'cam0.ring').write_bytes(b'junk')
        self.fcctl('rm', 'cam0')
        self.fails(NO_SLOT, 'rm', 'cam0')


class Collects(Case):
    def test_ring_of_a_dead_writer(self):
        self.writer('live')
        self.fcctl('create', 'reserved', '4096')
        self.writer('dead').kill()
        self.assertRegex(self.fcctl('gc'),
                         r'\Adead: the ring of a writer that is dead, '
                         r'[\d.]+ [KM]iB\n\Z')
        self.assertEqual(self.fcctl('list', '-n'), 'live\nreserved\n')
        self.assertEqual(self.fcctl('gc'), 'nothing to collect\n')

    def test_young_ring_is_left(self):
        self.writer('dead').kill()
        self.assertEqual(self.fcctl('gc', '--age=3600'),
                         'nothing to collect\n')
        self.assertEqual(self.fcctl('list', '-n'), 'dead\n')
        self.assertIn('dead: ', self.fcctl('gc', '--age=0'))
        self.fails(USAGE, 'gc', '--age=-1')
        self.fails(USAGE, 'gc', '--age=nan')

    def test_entries_of_dead_consumers(self):
        writer = self.writer('cam0')
        self.holder('cam0', 1, 1)
        dead = self.holder('cam0', 3, 1)
        # It looks for dead consumers too.
        os.kill(writer.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, writer.pid, signal.SIGCONT)
        dead.kill()
        self.assertEqual(self.fcctl('gc'), 'cam0: 3 entries of dead '
                         'consumers, or half-made files\n')
        self.assertEqual(self.show('cam0')['consumers'], 1)

    def test_half_made_files(self):
        temp = pathlib.Path(self.directory, '.cam0.tmp.0123456789abcdef')
        temp.touch(0o600)
        self.assertEqual(self.json('gc'), [
            {'name': None, 'collected': 1, 'ring': False, 'bytes': 0}])
        self.assertFalse(temp.exists())

    def test_only_the_slots_that_are_named(self):
        self.writer('a').kill()
        self.writer('b').kill()
        self.writer('c').kill()
        collected = self.json('gc', 'a', 'c')
        self.assertEqual([c['name'] for c in collected], ['a', 'c'])
        self.assertTrue(all(c['ring'] and c['bytes'] > 0 for c in collected))
        self.assertEqual(self.fcctl('list', '-n'), 'b\n')
        self.fails(USAGE, 'gc', '../b')


main()
