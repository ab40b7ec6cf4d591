#!/usr/bin/env python3
# framecache: the registry, where whoever owns a slot's files means harm
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import signal

import harness
from harness import GLib, path_of, wait_for
from spoilt_ring import ODD, SpoiltRing


class Hostile(harness.Case):
    """Its warnings are fatal: harness.environment ()."""

    def setUp(self):
        super().setUp()
        self.process = self.start_registry()
        self.bus = self.client()
        writer = self.writer('cam0', rate=100, depth=4, size=5000,
                             access='all', consumers=3, format='numbers')
        reader = self.reader('cam0')
        wait_for(lambda: path_of('cam0') in self.bus.list(), 'cam0')
        for process in writer.pid, reader.pid:
            os.kill(process, signal.SIGSTOP)
            self.addCleanup(os.kill, process, signal.SIGCONT)

    def ask(self, call, *arguments, **keywords):
        """An answer or an error: of the registry, not of its end."""
        try:
            return call(*arguments, **keywords)
        except GLib.Error as error:
            self.assertNotIn(harness.error_name(error),
                             ('org.freedesktop.DBus.Error.NoReply',
                              'org.freedesktop.DBus.Error.ServiceUnknown'))
            return ()

    def ask_everything(self):
        # As when a writer begins or ends: it looks again.
        os.utime(f'{self.directory}/cam0.ring', follow_symlinks=False)
        self.ask(self.bus.objects)
        self.ask(self.bus.get_all, 'cam0')
        self.ask(self.bus.slot, 'cam0', 'GetConsumers')
        for observe in False, True:
            for descriptor in self.ask(self.bus.open, 'cam0', observe=observe):
                os.close(descriptor)
        self.assertIsNone(self.process.poll(), 'the registry ended')

    def check_it_lives(self):
        self.writer('another')
        wait_for(lambda: path_of('another') in self.bus.list(), 'another slot')

    def test_each_number_is_an_answer_or_an_error(self):
        ring = SpoiltRing(self.directory, 'cam0')
        for area, at, value in ring.each(*ODD):
            with ring.spoilt(area, at, value), self.subTest(at=at,
                                                            value=value):
                self.ask_everything()
        self.check_it_lives()

    def test_names_and_formats_of_anything(self):
        ring = SpoiltRing(self.directory, 'cam0')
        entries = int.from_bytes(ring.table[36:40], 'little')
        for text in b'\xff\xfe\x80cam0!', b'\x1b[2J\x1b[3J', b'\n"\\{\x01}\x00':
            at = ring.format
            ring.ring[at:at + 7] = text[:7]
            name = entries + 128 + 40
            ring.table[name:name + 32] = (text * 8)[:32]
            self.ask_everything()
        self.check_it_lives()

    def test_cut_and_replaced_files(self):
        path = f'{self.directory}/cam0.ring'
        table, = (f'{self.directory}/{name}'
                  for name in os.listdir(self.directory)
                  if name.endswith('.consumers'))
        for file, length in ((table, 100), (table, 0), (path, 3000),
                             (path, 208), (path, 0)):
            os.truncate(file, length)
            self.ask_everything()
        os.unlink(path)
        os.mkfifo(path)
        self.ask_everything()
        os.unlink(path)
        os.symlink('/dev/zero', path)
        self.ask_everything()
        self.check_it_lives()


harness.main()
