#!/usr/bin/env python3
# framecache: the registry with many slots, many calls and hostile clients
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import random
import string

from gi.repository import Gio, GLib

import harness
from harness import (ERROR, REGISTRY, ROOT, SLOT, memory_of, path_of,
                     wait_for)

LIMITS = 'org.freedesktop.DBus.Error.LimitsExceeded'
SMALL = dict(frame_size=64, ring_depth=2, format='test', max_consumers=1,
             leases=2, writer_cells=1)


def descriptors(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))


class Crowd(harness.Case):

    def setUp(self):
        super().setUp()
        # Some of what follows would take all the memory that there is.
        self.registry = self.start_registry('--budget=64MiB')
        self.bus = self.client()

    def grew_less(self, before, limit):
        """But for a sanitizer, which keeps what was freed."""
        if 'FC_SANITIZED' not in os.environ:
            self.assertLess(memory_of(self.registry.pid) - before, limit)

    def still_well(self):
        """It answers, and did not say a word (which would have ended it)."""
        self.assertIsInstance(self.bus.list(), list)
        self.assertIsNone(self.registry.poll())


class Many(Crowd):

    def test_256_live_slots(self):
        names = [f'cam{i:03}' for i in range(256)]
        self.bus.watch()
        writer = self.writer(*names, rate=5, size=64, depth=2, consumers=1,
                             leases=2)
        wait_for(lambda: len(self.bus.list()) == 256, 'the slots')
        self.assertEqual(self.bus.list(), [path_of(name) for name in names])
        added = [arguments[0] for _, signal, arguments in self.bus.signals
                 if signal == 'InterfacesAdded']
        wait_for(lambda: len(
            [1 for _, signal, _ in self.bus.signals
             if signal == 'InterfacesAdded']) == 256, 'a signal for each')
        self.assertEqual(len(set(added)), len(added))
        for name, properties in self.bus.objects().items():
            self.assertEqual(properties[SLOT]['State'], 'live', name)
        self.bus.signals.clear()
        writer.kill()
        wait_for(lambda: all(
            properties[SLOT]['State'] == 'lost'
            for properties in self.bus.objects().values()), 'all lost')

    def test_a_thousand_made_and_removed(self):
        def some(n):
            for i in range(n):
                self.bus.create(f'cam{i}', **SMALL)
                self.bus.remove(f'cam{i}')

        some(100)
        memory = memory_of(self.registry.pid)
        files = descriptors(self.registry.pid)
        some(1000)
        self.assertEqual(self.bus.list(), [])
        self.assertLessEqual(descriptors(self.registry.pid), files)
        # A leaked object path would be 100 bytes, a leaked slot 2000.
        self.grew_less(memory, 1 << 20)

    def call_without_waiting(self, answers, interface, method, arguments):
        """What it comes to, an error's name or None, goes into ANSWERS."""
        def answered(connection, result):
            try:
                connection.call_finish(result)
                answers.append(None)
            except GLib.Error as error:
                answers.append(harness.error_name(error))

        self.bus.connection.call(
            harness.NAME, ROOT, interface, method, arguments, None,
            Gio.DBusCallFlags.NONE, -1, None, answered)

    def test_a_client_that_floods(self):
        """It is refused what others would have to wait for."""
        self.writer(*[f'cam{i}' for i in range(100)], rate=1, size=64, depth=2,
                    consumers=1, leases=2)
        wait_for(lambda: len(self.bus.list()) == 100, 'the slots')
        other = self.client()
        self.bus.objects()
        memory = memory_of(self.registry.pid)
        answers = []
        for _ in range(5000):
            self.call_without_waiting(answers, harness.MANAGER,
                                      'GetManagedObjects', None)
        self.assertEqual(len(other.list()), 100)
        wait_for(lambda: len(answers) == 5000, 'an answer to each')
        self.assertEqual(set(answers), {None, LIMITS})
        self.grew_less(memory, 64 << 20)
        self.assertEqual(len(self.bus.list()), 100)

    def test_calls_beyond_the_limit_are_refused(self):
        """All the others are answered, and so is the next client."""
        answers = []
        for i in range(100):
            self.call_without_waiting(
                answers, REGISTRY, 'CreateSlot', GLib.Variant(
                    '(sa{sv})', (f'cam{i}', harness.variants(
                        {'frame-size': 64, 'ring-depth': 2,
                         'format': 'test', 'max-consumers': 1}))))
        wait_for(lambda: len(answers) == 100, 'an answer to each')
        self.assertLessEqual(set(answers), {None, LIMITS})
        self.assertGreaterEqual(answers.count(None), 16)
        self.assertGreater(answers.count(LIMITS), 0)
        self.assertEqual(len(self.bus.list()), answers.count(None))
        self.client().create('next', **SMALL)

    def test_clients_come_and_go(self):
        """Who they were is remembered of 256 of them only."""
        def some(n):
            for _ in range(n):
                client = harness.Client(self.address)
                self.refused(ERROR + 'NotFound', client.remove, 'cam0')
                client.close()

        some(300)
        memory = memory_of(self.registry.pid)
        some(1000)
        self.grew_less(memory, 256 << 10)

    def open_and_close(self):
        for descriptor in self.bus.open('cam0'):
            os.close(descriptor)

    def test_a_client_that_leaves_before_the_answer(self):
        self.bus.create('cam0', **SMALL)
        self.open_and_close()  # what is kept for the next one is there now
        files = descriptors(self.registry.pid)
        for _ in range(50):
            client = harness.Client(self.address)
            for method, options in (('OpenSlot', {}), ('RemoveSlot', {}),
                                    ('CreateSlot', {'frame-size': 64})):
                client.connection.call(
                    harness.NAME, ROOT, REGISTRY, method, GLib.Variant(
                        '(sa{sv})', ('cam0', harness.variants(options))),
                    None, Gio.DBusCallFlags.NONE, -1, None, None)
            client.connection.flush_sync(None)
            client.close()
        self.still_well()
        wait_for(lambda: descriptors(self.registry.pid) <= files,
                 'no descriptor left')


class Junk:
    """Values of all types, from a seed."""

    TEXTS = ['', 'cam0', '../cam0', 'a' * 70, '\u202e', '\x1b[31m', 'é' * 40,
             '%n%s', 'user', 'NV12', '30000/1001', 'x' * 5000]
    KEYS = ['frame-size', 'ring-depth', 'format', 'access', 'trust', 'owner',
            'max-consumers', 'leases', 'writer-cells', 'width', 'height',
            'pixel-format', 'framerate', 'seconds', 'force', 'observe']

    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self):
        if self.random.random() < .6:
            return self.random.choice(self.TEXTS)
        return ''.join(self.random.choices(string.printable,
                                           k=self.random.randrange(80)))

    def number(self, bits, signed):
        edges = [0, 1, 2, 3, 64, 1000, 4096]
        limit = (1 << (bits - signed)) - 1
        if self.random.random() < .7:
            value = min(self.random.choice(edges), limit)
        else:
            value = self.random.choice([limit, limit - 1,
                                        self.random.randint(0, limit)])
        return -value if signed and self.random.random() < .3 else value

    def value(self, kind):
        """One of the D-Bus type KIND, as GLib.Variant takes it."""
        if kind == 's':
            return self.text()
        if kind == 'o':
            return path_of('cam0')
        if kind == 'g':
            return 'a{sv}'
        if kind == 'b':
            return self.random.random() < .5
        if kind == 'd':
            return self.random.choice([0.0, -1.0, 1e300, float('nan'),
                                       float('inf'), 0.5, 30.0])
        if kind == 'v':
            return self.variant()
        if kind == 'a{sv}':
            return {self.random.choice(self.KEYS + [self.text()]):
                    self.variant() for _ in range(self.random.randrange(6))}
        if kind.startswith('a'):
            return [self.value(kind[1:])
                    for _ in range(self.random.randrange(4))]
        if kind.startswith('('):
            return tuple(self.value(one) for one in kind[1:-1])
        bits = {'y': 8, 'n': 16, 'q': 16, 'i': 32, 'u': 32, 'x': 64, 't': 64}
        return self.number(bits[kind], kind in 'nix')

    def variant(self):
        kind = self.random.choice(
            ['s', 's', 'u', 't', 'i', 'x', 'y', 'n', 'q', 'd', 'b', 'o', 'g',
             'v', 'as', 'ay', 'a{sv}', '(si)', 'au'])
        return GLib.Variant(kind, self.value(kind))


class Hostile(Crowd):

    METHODS = [(ROOT, REGISTRY, method, kinds) for method, kinds in (
        ('CreateSlot', ['s', 'a{sv}']), ('RemoveSlot', ['s', 'a{sv}']),
        ('GetSlot', ['s']), ('OpenSlot', ['s', 'a{sv}']),
        ('Plan', ['a{sv}']), ('ListSlots', []), ('CollectGarbage', []))] + [
            (path_of('cam0'), SLOT, method, kinds) for method, kinds in (
                ('GetConsumers', []), ('GetStats', []),
                ('Remove', ['a{sv}']))] + [
                    (ROOT, harness.PROPERTIES, 'Get', ['s', 's']),
                    (path_of('cam0'), harness.PROPERTIES, 'Set',
                     ['s', 's', 'v'])]

    def test_whatever_is_called_with_whatever(self):
        """Each is answered with a value or a sentence."""
        seed = int(os.environ.get('FC_TEST_SEED',
                                  random.SystemRandom().randrange(1 << 32)))
        print(f'FC_TEST_SEED={seed}', flush=True)
        junk = Junk(seed)
        for _ in range(3000):
            path, interface, method, kinds = junk.random.choice(self.METHODS)
            if junk.random.random() < .1:
                kinds = junk.random.choices(['s', 'u', 'v', 'a{sv}', 'as'],
                                            k=junk.random.randrange(4))
            self.call(path, interface, method, GLib.Variant(
                f'({"".join(kinds)})', [junk.value(kind) for kind in kinds]))
        self.still_well()
        for name in os.listdir(self.directory):
            self.assertRegex(name, r'^\.?[A-Za-z0-9][A-Za-z0-9._-]*$')

    def call(self, path, interface, method, arguments):
        try:
            self.bus.call(path, interface, method, arguments)
            for descriptor in (self.bus.fds.steal_fds() if self.bus.fds
                               else []):
                os.close(descriptor)
        except GLib.Error as error:
            name = harness.error_name(error)
            self.assertIn(name.rpartition('.')[0],
                          ('org.framecache.Error',
                           'org.freedesktop.DBus.Error'), error.message)
            self.assertNotIn(name.rpartition('.')[2],
                             ('NoReply', 'ServiceUnknown', 'Disconnected'),
                             f'{method} {arguments.print_(True)[:2000]}')

    def test_huge_arguments(self):
        def all_of_them(size):
            huge = 'x' * size
            for call in (
                    lambda: self.bus.create(huge, frame_size=1),
                    lambda: self.bus.create('cam0', frame_size=1, format=huge),
                    lambda: self.bus.create('cam0', **{huge: 1}),
                    lambda: self.bus.plan(**{f'{i}': i
                                             for i in range(20000)})):
                with self.assertRaises(GLib.Error) as caught:
                    call()
                self.assertLess(len(caught.exception.message), 1000)

        # Up to 4 MiB they are looked at.
        sizes = 3 << 20, 10 << 20
        for size in sizes * 2:
            all_of_them(size)
        self.refused(LIMITS, self.bus.remove, 'x' * sizes[1])
        self.refused(ERROR + 'InvalidName', self.bus.remove, 'x' * sizes[0])
        memory = memory_of(self.registry.pid)
        for size in sizes * 4:
            all_of_them(size)
        self.still_well()
        # What the allocator keeps of one message the next one takes.
        self.grew_less(memory, 16 << 20)

    def test_files_that_are_no_rings(self):
        """Nor are they shown, nor do they stand in the way of those that
        are."""
        for name, content in (('junk.ring', b'x' * 10000), ('empty.ring', b''),
                              ('.cam0.tmp.0123456789abcdef', b'x'),
                              ('a b.ring', b'x'), ('.ring', b'x')):
            with open(f'{self.directory}/{name}', 'wb') as file:
                file.write(content)
        os.symlink('/etc/passwd', f'{self.directory}/link.ring')
        os.mkfifo(f'{self.directory}/fifo.ring')
        os.mkdir(f'{self.directory}/dir.ring')
        self.writer('cam0')
        wait_for(lambda: path_of('cam0') in self.bus.list(), 'the slot')
        self.assertEqual(self.bus.list(), [path_of('cam0')])
        for name in 'junk', 'empty', 'link', 'fifo', 'dir':
            self.refused(ERROR + 'NotFound', self.bus.open, name)


harness.main()
