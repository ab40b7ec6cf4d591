#!/usr/bin/env python3
# framecache: the registry's methods, properties and signals
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import time

from gi.repository import GLib

import harness
from harness import ERROR, INVALID_ARGS, path_of, wait_for

# What a person would say and what is no name, and some of what might hurt.
NO_NAMES = ['', '.', '..', '../x', '/etc/passwd', '.hidden', '-x', '_x', 'a/b',
            'a' * 64, 'a' * 100000, 'a b', 'a\n', 'cam\x7f', 'käm', '\u202e',
            'é' * 40, '%s%n', 'a\x1b[31m', 'cam0.ring/../cam1']
PICTURE = dict(width=320, height=240, pixel_format='NV12', ring_depth=8)


class Service(harness.Case):

    def setUp(self):
        super().setUp()
        self.registry = self.start_registry()
        self.bus = self.client()


class Reserving(Service):

    def test_what_is_created_is_listed(self):
        path = self.bus.create('cam-0.x', frame_size=4096, ring_depth=4)
        self.assertEqual(path, '/org/framecache/Registry1/slot/cam_2d0_2ex')
        self.assertEqual(self.bus.list(), [path])
        self.assertEqual(self.bus.registry('GetSlot', '(s)', 'cam-0.x'), path)
        self.assertEqual(self.bus.get('cam-0.x', 'Name'), 'cam-0.x')
        self.assertEqual(self.bus.get('cam-0.x', 'State'), 'reserved')
        self.assertTrue(self.bus.get('cam-0.x', 'Reserved'))
        self.assertEqual(list(self.bus.objects()), [path])

    def test_a_slot_is_what_the_plan_says(self):
        plan = self.bus.plan(**PICTURE)
        self.assertEqual(plan['frame-size'], 320 * 240 * 3 // 2)
        self.assertEqual(plan['ring-depth'], 8)
        self.assertEqual(plan['directory'], self.directory)
        self.assertTrue(plan['fits'])
        self.assertNotIn('bytes-left', plan)
        self.bus.create('cam0', **PICTURE)
        self.assertEqual(self.bus.get('cam0', 'FrameSize'),
                         plan['frame-size'])
        self.assertEqual(self.bus.get('cam0', 'RingDepth'), 8)
        self.assertEqual(self.bus.get('cam0', 'Bytes'), plan['bytes-planned'])
        self.assertEqual(self.bus.get(None, 'BytesUsed'),
                         plan['bytes-planned'])
        self.assertEqual(self.bus.slot('cam0', 'GetStats')['bytes-allocated'],
                         plan['bytes-initial'])

    def test_a_plan_for_a_directory_that_is_not_there(self):
        self.end(self.registry)
        os.rmdir(self.directory)
        self.start_registry()
        sentence = self.refused('org.freedesktop.DBus.Error.Failed',
                                self.client().plan, frame_size=10)
        self.assertIn(self.directory, sentence)

    def test_every_option_arrives(self):
        caps = 'video/x-raw,format=NV12,width=320,height=240'
        self.bus.create('cam0', width=320, height=240, pixel_format='NV12',
                        framerate='30000/1001', seconds=2, format=caps,
                        access='all', trust='group', max_consumers=3, leases=5,
                        writer_cells=7)
        self.assertEqual(self.bus.get('cam0', 'Format'), caps)
        self.assertEqual(self.bus.get('cam0', 'RingDepth'), 60)
        stats = self.bus.slot('cam0', 'GetStats')
        for name, value in (('access', 'all'), ('trust', 'group'),
                            ('max-consumers', 3), ('leases', 5),
                            ('writer-cells', 7), ('owner', os.geteuid())):
            self.assertEqual(stats[name], value, name)

    def test_numbers_may_be_of_any_type(self):
        for kind in 'ynqiuxt':
            plan = self.bus.plan(frame_size=100,
                                 ring_depth=GLib.Variant(kind, 60))
            self.assertEqual(plan['ring-depth'], 60)
        for rate in (GLib.Variant('s', '29.97'), GLib.Variant('d', 29.97),
                     GLib.Variant('i', 30), GLib.Variant('s', '30')):
            plan = self.bus.plan(frame_size=100, framerate=rate,
                                 seconds=GLib.Variant('u', 10))
            self.assertEqual(plan['ring-depth'], 300)

    def test_wrong_options_are_named(self):
        for name, value in (
                ('ring-depth', 'many'), ('ring-depth', -1), ('ring-depth', 0),
                ('ring-depth', 2 ** 32), ('ring-depth', 1.5),
                ('ring-depth', GLib.Variant('au', [1])),
                ('ring-depth', GLib.Variant('v', GLib.Variant('u', 5))),
                ('frame-size', 2 ** 64 - 1), ('width', 10 ** 6),
                ('format', ''), ('format', 5), ('format', 'x' * (1 << 20)
                                                + 'x'),
                ('format', 'NV12'), ('pixel-format', 'x' * 100),
                ('access', 'ALL'), ('trust', 3), ('owner', -1),
                ('owner', 2 ** 32 - 1), ('framerate', 0),
                ('framerate', 'fast'), ('framerate', float('nan')),
                ('framerate', '30/' + '1' * 1000), ('seconds', 0.0),
                ('seconds', float('inf')), ('seconds', '10'),
                ('ring_depth', 5), ('FrameSize', 5), ('\x1b[31m', 5)):
            options = {'frame-size': 4096, name: value}
            with self.subTest(name=name, value=str(value)[:40]):
                sentence = self.refused(
                    INVALID_ARGS, self.bus.registry, 'CreateSlot',
                    '(sa{sv})', 'cam0', harness.variants(options))
                self.assertIn(name.strip('\x1b'), sentence)
                self.assertNotIn('\x1b', sentence)
                self.assertLess(len(sentence), 400)
        self.assertEqual(self.bus.list(), [])

    def test_too_little_is_said_to_be(self):
        for options in ({}, {'width': 640}, {'seconds': 5, 'frame_size': 10},
                        {'width': 640, 'height': 480},
                        {'pixel_format': 'NV13', 'width': 8, 'height': 8}):
            self.refused(INVALID_ARGS, self.bus.create, 'cam0', **options)

    def test_no_name_is_refused(self):
        for name in NO_NAMES:
            with self.subTest(name=name[:20]):
                for call in (self.bus.open, self.bus.remove):
                    self.refused(ERROR + 'InvalidName', call, name)
                self.refused(ERROR + 'InvalidName', self.bus.create, name,
                             frame_size=4096)
                sentence = self.refused(ERROR + 'InvalidName',
                                        self.bus.registry, 'GetSlot', '(s)',
                                        name)
                self.assertTrue(sentence.isprintable(), sentence)
                self.assertLess(len(sentence), 400)
        self.assertEqual(os.listdir(self.directory), [])

    def test_each_error_has_its_name(self):
        self.bus.create('cam0', frame_size=4096)
        self.refused(ERROR + 'Exists', self.bus.create, 'cam0', frame_size=1)
        for method in 'GetSlot', 'RemoveSlot', 'OpenSlot':
            arguments = () if method == 'GetSlot' else ({},)
            sentence = self.refused(
                ERROR + 'NotFound', self.bus.registry, method,
                '(sa{sv})' if arguments else '(s)', 'cam1', *arguments)
            self.assertIn('cam1', sentence)
        self.refused(ERROR + 'NoSpace', self.bus.create, 'cam1',
                     frame_size=1 << 40)
        self.writer('cam2')
        wait_for(lambda: path_of('cam2') in self.bus.list(), 'cam2')
        self.refused(ERROR + 'Busy', self.bus.remove, 'cam2')
        self.refused(INVALID_ARGS, self.bus.remove, 'cam0', force='yes')
        self.refused(INVALID_ARGS, self.bus.remove, 'cam0', forced=True)
        self.refused(INVALID_ARGS, self.bus.open, 'cam0', observe=1)

    def test_the_owner_is_who_calls(self):
        self.bus.create('mine', frame_size=10)
        self.assertEqual(self.bus.slot('mine', 'GetStats')['owner'],
                         os.geteuid())
        if os.geteuid() == 0:
            self.bus.create('given', frame_size=10, owner=65534)
            self.assertEqual(self.bus.slot('given', 'GetStats')['owner'],
                             65534)
        else:
            self.refused(ERROR + 'NotPermitted', self.bus.create, 'given',
                         frame_size=10, owner=0)

    def test_removing(self):
        writer = self.writer('cam0', 'cam1')
        for name in 'cam0', 'cam1':
            wait_for(lambda: path_of(name) in self.bus.list(), name)
        self.bus.create('cam2', frame_size=10)
        self.bus.watch()
        self.bus.slot('cam2', 'Remove', '(a{sv})', {})
        self.bus.take('InterfacesRemoved', harness.ROOT,
                      lambda a: a == (path_of('cam2'), [harness.SLOT]))
        self.refused(ERROR + 'Busy', self.bus.slot, 'cam1', 'Remove',
                     '(a{sv})', {})
        self.bus.slot('cam1', 'Remove', '(a{sv})',
                      harness.variants({'force': True}))
        self.bus.remove('cam0', force=True)
        wait_for(lambda: self.bus.list() == [], 'an empty list')
        writer.kill()


class Watching(Service):

    def test_a_writers_slot_is_seen(self):
        self.bus.watch()
        writer = self.writer('cam0', size=5000, depth=6, rate=50,
                             format='video/x-raw')
        _, interfaces = self.bus.take('InterfacesAdded', harness.ROOT)
        properties = interfaces[harness.SLOT]
        self.assertEqual(properties['Name'], 'cam0')
        self.assertEqual(properties['Format'], 'video/x-raw')
        self.assertEqual(properties['FrameSize'], 5000)
        self.assertEqual(properties['RingDepth'], 6)
        self.assertFalse(properties['Reserved'])
        self.assertEqual(properties['WriterPid'], writer.pid)
        self.assertEqual(properties['WriterUid'], os.geteuid())
        self.assertLess(abs(properties['Created'] / 1e9 - time.time()), 600)
        self.assertEqual(self.bus.get(None, 'Slots'), 1)
        writer.end()
        self.bus.take('InterfacesRemoved', harness.ROOT)
        self.assertEqual(self.bus.list(), [])

    def changed(self, name, key, value):
        self.bus.take('PropertiesChanged', path_of(name),
                      lambda a: a[1].get(key) == value)

    def test_the_state_is_told(self):
        self.bus.watch()
        writer = self.writer('cam0', rate=20)
        self.bus.take('InterfacesAdded')
        wait_for(lambda: self.bus.get('cam0', 'State') == 'live', 'live')
        writer.tell('pause')
        self.changed('cam0', 'State', 'stalled')
        writer.tell('go')
        self.changed('cam0', 'State', 'live')
        writer.tell('finish')
        self.changed('cam0', 'State', 'eos')
        writer.tell('go')
        self.changed('cam0', 'State', 'live')
        writer.kill()
        self.changed('cam0', 'State', 'lost')

    def test_what_changes_all_the_time_is_not_told(self):
        self.writer('cam0', rate=100)
        wait_for(lambda: self.bus.list(), 'a slot')
        wait_for(lambda: self.bus.get('cam0', 'FrameRate') > 0, 'a rate')
        self.bus.watch()
        first = self.bus.get('cam0', 'WriteCursor')
        wait_for(lambda: self.bus.get('cam0', 'WriteCursor') > first + 200,
                 'more frames')
        changes = [arguments[1] for _, signal, arguments in self.bus.signals
                   if signal == 'PropertiesChanged']
        for change in changes:
            self.assertLessEqual(set(change), {'FrameRate', 'BitRate',
                                               'State'})
        self.assertLess(len(changes), 10)

    def test_the_write_cursor_is_fresh(self):
        writer = self.writer('cam0', rate=200)
        wait_for(lambda: self.bus.list(), 'a slot')
        for _ in range(5):
            writer.tell('pause')
            time.sleep(0.11)  # how old what is read may be
            cursor = self.bus.get('cam0', 'WriteCursor')
            stats = self.bus.slot('cam0', 'GetStats')
            self.assertEqual(cursor, stats['write-cursor'])
            self.assertEqual(self.bus.get_all('cam0')['WriteCursor'], cursor)
            writer.tell('go')
            wait_for(lambda: self.bus.slot('cam0', 'GetStats')['write-cursor']
                     > cursor, 'more frames')

    def test_consumers_are_told_of(self):
        writer = self.writer('cam0', rate=100, depth=4)
        wait_for(lambda: self.bus.list(), 'a slot')
        self.bus.watch()
        reader = self.reader('cam0')
        pid, uid, name = self.bus.take('ConsumerAttached', path_of('cam0'))
        self.assertEqual((pid, uid, name),
                         (reader.pid, os.geteuid(), 'slot-reader'))
        self.changed('cam0', 'Consumers', 1)
        reader.tell('3')
        consumer, = self.bus.slot('cam0', 'GetConsumers')
        self.assertEqual(consumer['pid'], reader.pid)
        self.assertGreaterEqual(consumer['delivered'], 3)
        # It does not read on, and is lapped.
        wait_for(lambda: self.bus.slot('cam0', 'GetConsumers')[0]['lag'] > 20,
                 'a lag')
        writer.tell('pause')
        _, dropped = map(int, reader.tell('1').split())
        self.assertGreater(dropped, 0)
        pid, told = self.bus.take('Lapped', path_of('cam0'))
        self.assertEqual(pid, reader.pid)
        self.assertGreater(told, 0)
        wait_for(lambda: self.bus.get('cam0', 'Dropped') == dropped,
                 'what was dropped')
        reader.end()
        self.assertEqual(self.bus.take('ConsumerDetached', path_of('cam0')),
                         (reader.pid, os.geteuid(), 'slot-reader'))
        self.assertEqual(self.bus.slot('cam0', 'GetConsumers'), [])


class Bounds(harness.Case):

    def test_the_budget_is_kept(self):
        self.start_registry('--budget=1MiB')
        bus = self.client()
        small = dict(frame_size=4096, ring_depth=50, max_consumers=1,
                     format='test')
        large = dict(small, ring_depth=100)
        self.assertEqual(bus.get(None, 'Budget'), 1 << 20)
        plan = bus.plan(**small)
        self.assertTrue(plan['fits'])
        self.assertEqual(plan['bytes-left'], 1 << 20)
        bus.create('cam0', **small)
        left = bus.plan(**large)
        self.assertEqual(left['bytes-left'],
                         (1 << 20) - plan['bytes-planned'])
        self.assertFalse(left['fits'])
        sentence = self.refused(ERROR + 'OverBudget', bus.create, 'cam1',
                                **large)
        self.assertIn(str(left['bytes-planned']), sentence)
        bus.remove('cam0')
        bus.create('cam1', **large)

    def test_garbage_is_collected_in_time(self):
        self.start_registry('--collect-after=1')
        bus = self.client()
        writer = self.writer('cam0')
        wait_for(bus.list, 'the slot')
        bus.create('kept', frame_size=4096)
        writer.kill()
        wait_for(lambda: bus.list() == [path_of('kept')], 'only what is kept')

    def test_garbage_is_collected_when_asked(self):
        self.start_registry()
        bus = self.client()
        writer = self.writer('cam0', 'cam1')
        wait_for(lambda: len(bus.list()) == 2, 'two slots')
        bus.create('kept', frame_size=4096)
        self.assertEqual(bus.registry('CollectGarbage'), [])
        writer.kill()
        self.assertEqual(sorted(bus.registry('CollectGarbage')),
                         ['cam0', 'cam1'])
        wait_for(lambda: bus.list() == [path_of('kept')], 'only what is kept')


harness.main()
