#!/usr/bin/env python3
# framecache: slots as file descriptors, from the registry to who asks
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import ctypes
import errno
import fcntl
import mmap
import os
import re
import struct
import subprocess
import unittest

import harness
from harness import OWN_MOUNTS, can_unshare, path_of, wait_for

OTHER = 65534
GROUP = 4242


class Handing(harness.Case):

    PREFIX = ()  # what the registry is started by

    def setUp(self):
        super().setUp()
        self.log = open(self.scratch / 'log', 'w+')
        self.addCleanup(self.log.close)
        self.start_registry(prefix=self.PREFIX, stderr=self.log)
        self.bus = self.client()

    def open(self, name, **options):
        descriptors = self.bus.open(name, **options)
        for descriptor in descriptors:
            self.addCleanup(os.close, descriptor)
        return descriptors

    def live(self, name, **options):
        writer = self.writer(name, **options)
        wait_for(lambda: path_of(name) in self.bus.list(), name)
        return writer


class Descriptors(Handing):

    def test_a_consumer_gets_ring_and_table(self):
        self.live('cam0')
        ring, table = self.open('cam0')
        self.assertEqual(os.fstat(ring).st_ino,
                         os.stat(f'{self.directory}/cam0.ring').st_ino)
        self.assertTrue(os.readlink(f'/proc/self/fd/{table}')
                        .endswith('.consumers'))
        self.assertEqual(len(self.open('cam0', observe=True)), 1)

    def test_each_is_an_open_file_of_its_own(self):
        self.live('cam0')
        ring, table = self.open('cam0')
        other_ring, other_table = self.open('cam0')
        for one, other in ((ring, other_ring), (table, other_table)):
            os.lseek(one, 5, os.SEEK_SET)
            self.assertEqual(os.lseek(other, 0, os.SEEK_CUR), 0)

    def test_the_ring_can_not_be_made_writable(self):
        self.live('cam0')
        ring, _ = self.open('cam0')
        size = os.fstat(ring).st_size

        def fails(error, call, *arguments):
            with self.assertRaises(OSError) as caught:
                call(*arguments)
            self.assertIn(caught.exception.errno, error)

        fails([errno.EBADF], os.write, ring, b'x')
        fails([errno.EBADF], os.pwrite, ring, b'x', 0)
        fails([errno.EINVAL, errno.EBADF], os.ftruncate, ring, 0)
        fails([errno.EACCES], mmap.mmap, ring, size, mmap.MAP_SHARED,
              mmap.PROT_READ | mmap.PROT_WRITE)
        self.assertEqual(os.fstat(ring).st_size, size)
        self.assertEqual(self.mapping_made_writable(ring), errno.EACCES)

    def test_the_ring_can_not_be_kept_from_its_writer(self):
        """Nor sealed, locked for writing, named anew or cut from within."""
        libc = ctypes.CDLL(None, use_errno=True)
        lock = struct.pack('hhqqi4x', fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
        empty_path, punch_hole, keep_size = 0x1000, 2, 1
        self.live('cam0', rate=100)
        ring, table = self.open('cam0')

        def says(result):
            return ctypes.get_errno() if result < 0 else 0

        # linux/fcntl.h: F_ADD_SEALS, F_SEAL_WRITE; F_OFD_SETLK
        for descriptor, error in (ring, errno.EPERM), (table, errno.EPERM):
            with self.assertRaises(OSError) as caught:
                fcntl.fcntl(descriptor, 1033, 8)
            self.assertEqual(caught.exception.errno, error)
        with self.assertRaises(OSError) as caught:
            fcntl.fcntl(ring, 37, lock)
        self.assertEqual(caught.exception.errno, errno.EBADF)
        self.assertEqual(says(libc.fallocate(
            ring, punch_hole | keep_size, ctypes.c_long(0),
            ctypes.c_long(4096))), errno.EBADF)
        name = f'{self.directory}/cam1.ring'.encode()
        self.assertNotEqual(says(libc.linkat(ring, b'', -100, name,
                                             empty_path)), 0)
        self.assertFalse(os.path.exists(name))
        # and its writer goes on
        head = self.bus.get('cam0', 'WriteCursor')
        wait_for(lambda: self.bus.get('cam0', 'WriteCursor') > head, 'frames')

    @unittest.skipUnless(os.geteuid() == 0, 'only root can be another user')
    def test_whom_it_is_passed_to_can_open_no_more_of_it(self):
        """Nothing where the slot is its user's, or the ring to read."""
        for name, access, opened in (('cam0', 'user', 0), ('cam1', 'all', 1)):
            with self.subTest(access=access):
                self.live(name, access=access)
                descriptors = self.open(name)
                child = os.fork()
                if child == 0:
                    os._exit(self.open_again_as_other(descriptors))
                status = os.waitpid(child, 0)[1]
                self.assertEqual(os.waitstatus_to_exitcode(status), opened)

    @staticmethod
    def open_again_as_other(descriptors):
        """How often that can be done, in one way or the other."""
        opened = 0
        os.setgroups([])
        os.setresgid(OTHER, OTHER, OTHER)
        os.setresuid(OTHER, OTHER, OTHER)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # or /proc/self is root's
        for descriptor in descriptors:
            for mode in os.O_RDONLY, os.O_RDWR:
                try:
                    os.open(f'/proc/self/fd/{descriptor}', mode)
                    opened += 1
                except OSError:
                    pass
        return opened

    def mapping_made_writable(self, ring):
        """The errno of mprotect () of one that was for reading."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        page = ctypes.c_size_t(mmap.PAGESIZE)
        address = libc.mmap(None, page, mmap.PROT_READ, mmap.MAP_SHARED, ring,
                            ctypes.c_long(0))
        self.assertNotEqual(address, ctypes.c_void_p(-1).value)
        result = libc.mprotect(ctypes.c_void_p(address), page,
                               mmap.PROT_READ | mmap.PROT_WRITE)
        error = ctypes.get_errno() if result < 0 else 0
        libc.munmap(ctypes.c_void_p(address), page)
        return error

    def test_a_directory_that_is_made_anew(self):
        """What the registry remembers of the old one is of no use."""
        self.live('cam0').end()
        wait_for(lambda: not self.bus.list(), 'no slot')
        os.rename(self.directory, self.directory + '-old')
        self.addCleanup(self.run_tool, 'rm', '-r', self.directory + '-old')
        os.mkdir(self.directory)
        self.live('cam0')
        ring, _ = self.open('cam0')
        self.assertEqual(os.fstat(ring).st_ino,
                         os.stat(f'{self.directory}/cam0.ring').st_ino)

    def test_no_descriptor_stays_behind(self):
        self.live('cam0')
        process = self.registry_pid()

        def opened():
            return len(os.listdir(f'/proc/{process}/fd'))

        for descriptor in self.bus.open('cam0'):
            os.close(descriptor)
        before = opened()
        for _ in range(50):
            for descriptor in self.bus.open('cam0'):
                os.close(descriptor)
        wait_for(lambda: opened() <= before, 'all of them closed')

    def registry_pid(self):
        return self.bus.connection.call_sync(
            'org.freedesktop.DBus', '/org/freedesktop/DBus',
            'org.freedesktop.DBus', 'GetConnectionUnixProcessID',
            harness.GLib.Variant('(s)', (harness.NAME,)), None, 0, -1,
            None).unpack()[0]


class Reopening(Handing):

    def reopened(self):
        """What each way to change a ring by its name comes to; harmless ones."""
        self.live('cam0')
        ring, _ = self.open('cam0')
        self.open('cam0')
        size = os.fstat(ring).st_size
        path = f'/proc/self/fd/{ring}'
        results = []
        for call in (lambda: os.close(os.open(path, os.O_RDWR)),
                     lambda: os.fchmod(ring, 0o600),
                     lambda: os.truncate(path, size)):
            try:
                call()
                results.append(0)
            except OSError as error:
                results.append(error.errno)
        return results

    def warnings(self):
        self.log.seek(0)
        return self.log.read().count('no read-only mount')


class WithAMount(Reopening):

    @unittest.skipUnless(os.geteuid() == 0, 'only root makes mounts')
    def test_not_even_by_opening_it_again(self):
        self.assertEqual(self.reopened(), [errno.EROFS] * 3)
        self.assertEqual(self.warnings(), 0)


class WithANamespace(Reopening):
    """A mount in a user namespace alone, as in the system's unit."""

    PREFIX = (['setpriv', '--bounding-set=-sys_admin']
              if os.geteuid() == 0 else [])

    @unittest.skipUnless(can_unshare('-rm'), 'there are none for this user')
    def test_not_even_by_opening_it_again(self):
        self.assertEqual(self.reopened(), [errno.EROFS] * 3)
        self.assertEqual(self.warnings(), 0)


class WithNeither(Reopening):
    """The ring is handed out, and the log says once what that means."""

    PREFIX = ['unshare', '-r', 'sh', '-c',
              'echo 0 > /proc/sys/user/max_user_namespaces && '
              'exec setpriv --bounding-set=-sys_admin "$@"', 'sh']

    @unittest.skipUnless(os.geteuid() == 0 and can_unshare('-r'),
                         'only root can take the right away')
    def test_it_is_said_that_it_can_be_opened_again(self):
        self.assertEqual(self.reopened(), [0] * 3)
        self.assertEqual(self.warnings(), 1)


class Container(Handing):
    """A consumer that does not see the directory."""

    def hidden_reader(self, *options):
        hide = (f'mount -t tmpfs none {self.directory} && '
                f'test -z "$(ls {self.directory})" && exec "$@"')
        return self.start_program(
            *OWN_MOUNTS, 'sh', '-c', hide, 'sh',
            harness.program('SLOT_READER'), '--bus', *options, 'cam0',
            env=self.environment())

    def check_reading(self, reader, attached_as):
        self.assertEqual(reader.answer(), attached_as)
        self.assertEqual(reader.tell('100'), '100 0')

    @unittest.skipUnless(can_unshare(*OWN_MOUNTS[1:]),
                         'no mounts of its own for this user')
    def test_reads_with_nothing_but_the_bus(self):
        self.live('cam0', rate=100, depth=200)
        reader = self.hidden_reader()
        self.check_reading(reader, 'consumer')
        self.assertEqual(len(self.bus.slot('cam0', 'GetConsumers')), 1)
        reader.kill()
        wait_for(lambda: not self.bus.slot('cam0', 'GetConsumers'),
                 'the dead consumer gone')

    @unittest.skipUnless(can_unshare(*OWN_MOUNTS[1:]),
                         'no mounts of its own for this user')
    def test_observes_with_nothing_but_the_bus(self):
        self.live('cam0', rate=100, depth=200)
        self.check_reading(self.hidden_reader('--observe'), 'observer')
        self.assertEqual(self.bus.slot('cam0', 'GetConsumers'), [])


@unittest.skipUnless(os.geteuid() == 0, 'only root can call as another user')
class Strangers(Handing):
    """A caller who is another user, by the bus's word."""

    def setUp(self):
        super().setUp()
        os.chmod(self.scratch, 0o755)

    def as_other(self, name, group=OTHER):
        """How many descriptors the other user gets, or what it is told."""
        result = subprocess.run(
            ['setpriv', f'--reuid={OTHER}', f'--regid={group}',
             '--clear-groups', 'gdbus', 'call', f'--address={self.address}',
             '--dest', harness.NAME, '--object-path', harness.ROOT,
             '--method', 'org.framecache.Registry1.OpenSlot', name, '{}'],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=harness.BOUND, check=False)
        if result.returncode != 0:
            return result.stdout
        return len(re.findall(r'\d+', result.stdout))

    def test_access_and_trust_are_kept(self):
        os.chown(self.directory, 0, GROUP)
        os.chmod(self.directory, 0o3777)
        for access, trust, other, member in (
                ('user', 'user', 0, 0), ('group', 'user', 0, 1),
                ('group', 'group', 0, 2), ('all', 'user', 1, 1),
                ('all', 'group', 1, 2), ('all', 'all', 2, 2)):
            name = f'{access}-{trust}'
            self.bus.create(name, frame_size=10, access=access, trust=trust)
            for group, expected in ((OTHER, other), (GROUP, member)):
                with self.subTest(name=name, group=group):
                    got = self.as_other(name, group)
                    if expected:
                        self.assertEqual(got, expected)
                    else:
                        self.assertIn('org.framecache.Error.NotPermitted', got)

    def test_the_owner_may(self):
        self.bus.create('theirs', frame_size=10, owner=OTHER)
        self.assertEqual(self.as_other('theirs'), 2)


harness.main()
