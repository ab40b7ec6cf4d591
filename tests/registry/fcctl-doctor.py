#!/usr/bin/env python3
# framecache: fcctl doctor finds each fault that a test makes
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import unittest

from fcctl_case import BOUND, FCCTL, OK, PROBLEMS, USAGE, Case, main, wait_for

HOSTILE = b'\x1b[2Jx\xff'


def can_unshare():
    return subprocess.run(['unshare', '--user', '--map-root-user', '--mount',
                           'true'], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


# What the machine is like that the tests run on: not theirs to judge, and made
# by some of them in namespaces of their own.
MACHINE = {'not-tmpfs', 'shm-small', 'shm-full', 'memory-limit', 'remove-ipc'}
# A system user: logind leaves what such ones have alone.
OTHER = 742
# Without what root may beyond others; to become another user would not do: it
# might not get to what was built.
PLAIN = ['setpriv', '--inh-caps=-all', '--bounding-set=-all'] if (
    os.geteuid() == 0) else []


class Base(Case):
    maxDiff = None

    def report(self, result, level):
        """What was found of LEVEL, by check."""
        self.assertEqual(result.stderr.decode(), '')
        report = json.loads(result.stdout)
        faults = [x for x in report['results'] if x['level'] == 'fault']
        self.assertEqual(report['faults'], len(faults))
        self.assertEqual(result.returncode, PROBLEMS if faults else OK)
        found = {}
        for x in report['results']:
            if x['level'] == level:
                found.setdefault(x['check'], []).append(x)
        return found

    def settings(self, **changes):
        # The state file is looked for where the user has such things.
        return {'XDG_STATE_HOME': self.directory + '-none', **changes}

    def doctor(self, level='fault', *, environment=None, prefix=()):
        result = self.run_fcctl('doctor', '--json', prefix=prefix,
                                environment=self.settings(
                                    **(environment or {})))
        found = self.report(result, level)
        return {key: found[key] for key in set(found) - MACHINE}

    def healthy(self, **keywords):
        self.assertEqual(self.doctor(**keywords), {})

    def path(self, name):
        return pathlib.Path(self.directory, name)


class Doctor(Base):
    def fault(self, check, subject, *words, **keywords):
        """CHECK, and no other one, has a fault of SUBJECT, which tells of
        WORDS and of what to do."""
        found = self.doctor(**keywords)
        self.assertEqual(set(found), {check})
        fault = found[check][0]
        self.assertEqual(fault['subject'], subject)
        for word in words:
            self.assertIn(word, fault['detail'])
        self.assertTrue(fault['remedy'])
        return found[check]

    def note(self, check, subject, *words, **keywords):
        self.assertEqual(self.doctor(**keywords), {})
        note, = self.doctor('note', **keywords)[check]
        self.assertEqual(note['subject'], subject)
        for word in words:
            self.assertIn(word, note['detail'])

    def ring(self, name='cam0'):
        """A ring that no writer has any more."""
        writer = self.writer(name, rate=50)
        data = self.path(f'{name}.ring').read_bytes()
        writer.end()
        self.path(f'{name}.ring').write_bytes(data)
        return self.path(f'{name}.ring')

    def edit(self, path, offset, data):
        with open(path, 'r+b') as file:
            file.seek(offset)
            file.write(data)

    # A healthy system -------------------------------------------------------

    def test_nothing_is_found_where_nothing_is_wrong(self):
        self.writer('cam0', 'cam1', rate=50)
        self.holder('cam0', 3, 1)
        ended = self.writer('ended', rate=50)
        self.fcctl('create', 'reserved', '4096')
        ended.tell('finish')
        self.healthy()
        self.assertLessEqual(set(self.doctor('note')),
                             {'registry', 'gstreamer'})

    def test_all_checks_are_told_of(self):
        text = self.run_fcctl('doctor', '--all').stdout.decode()
        self.assertNotIn('\x1b', text)
        self.assertRegex(text, r'(?m)^ok +dir-mode +\S')
        report = json.loads(self.run_fcctl('doctor', '--json').stdout)
        checks = {x['check'] for x in report['results']}
        for check in checks:
            self.assertRegex(text, rf'(?m)^[a-z]+ +{check}\b')
        self.assertRegex(text,
                         rf'\n\d faults?, \d notes?; {len(checks)} checks')

    def test_manual_page_has_the_checks(self):
        page = pathlib.Path(os.environ['FC_ROOT'],
                            'docs/man/fcctl-doctor.1.scd').read_text()
        told = [name for line in re.findall(r'(?m)^\*[a-z].*\*$', page)
                for name in re.findall(r'\*([a-z-]+)\*', line)]
        report = json.loads(self.run_fcctl('doctor', '--json').stdout)
        checks = dict.fromkeys(x['check'] for x in report['results'])
        self.assertEqual(told, list(checks))

    def test_lines_fit_a_terminal(self):
        self.path('bad.ring').write_bytes(b'x' * 5000)
        output, code = self.on_terminal('doctor', columns=60, NO_COLOR='1')
        self.assertEqual(code, PROBLEMS)
        lines = output.splitlines()
        self.assertLessEqual(max(map(len, lines[:-1])), 60)
        self.assertIn('fault    ring-damaged      bad', lines)
        self.assertNotIn('\x1b', output)
        colored, _ = self.on_terminal('doctor')
        self.assertIn('\x1b[31mfault', colored)

    def test_arguments_are_refused(self):
        self.fails(USAGE, 'doctor', 'cam0')

    # Directories ------------------------------------------------------------

    def test_dir_missing(self):
        shutil.rmtree(self.directory)
        self.fault('dir-missing', self.directory, self.directory)

    def test_dir_is_a_file(self):
        shutil.rmtree(self.directory)
        self.path('').parent.joinpath(self.directory).write_text('')
        self.addCleanup(os.unlink, self.directory)
        self.fault('dir-owner', self.directory, 'not a directory')

    def test_dir_mode(self):
        for mode in 0o777, 0o720:
            os.chmod(self.directory, mode)
            self.fault('dir-mode', self.directory, f'mode {mode:04o}')
        os.chmod(self.directory, 0o1777)
        self.healthy()

    @unittest.skipUnless(os.geteuid() == 0, 'only root gives slots away')
    def test_dir_owner(self):
        os.chown(self.directory, OTHER, -1)
        self.fault('dir-owner', self.directory, f'user {OTHER}')

    def test_dir_write(self):
        os.chmod(self.directory, 0o555)
        self.note('dir-write', self.directory, self.directory, prefix=PLAIN)

    # Slots ------------------------------------------------------------------

    def test_ring_damaged(self):
        self.path('text.ring').write_text('no ring at all')
        self.path('dir.ring').mkdir()
        ring = self.ring('cam0')
        self.edit(ring, 56, struct.pack('Q', 12345))  # the cells' stride
        subjects = [x['subject'] for x in self.fault(
            'ring-damaged', 'cam0', 'damaged')]
        self.assertEqual(subjects, ['cam0', 'dir', 'text'])

    def test_version_mismatch(self):
        self.edit(self.ring(), 8, struct.pack('I', 99))
        self.fault('version-mismatch', 'cam0', 'version 99')

    def test_names_that_are_no_slots_are_passed_over(self):
        self.path('.hidden.ring').write_bytes(HOSTILE)
        with open(os.fsencode(self.directory) + b'/' + HOSTILE + b'.ring',
                  'wb'):
            pass
        self.healthy()

    def test_writer_dead(self):
        writer = self.writer('cam0', rate=50)
        writer.kill()
        self.fault('writer-dead', 'cam0', f'pid {writer.pid}')
        self.fcctl('gc')
        self.healthy()

    def test_table_full(self):
        self.writer('cam0', rate=50, consumers=2)
        holder = self.holder('cam0', 2, 0)
        self.fault('table-full', 'cam0', '2 consumers')
        holder.end()
        self.healthy()

    def test_consumer_dead(self):
        self.fcctl('create', 'cam0', '4096')
        writer = self.writer('cam0', rate=50)
        holder = self.holder('cam0', 3, 0)
        writer.end()  # who would clear the dead away
        wait_for(lambda: self.show('cam0')['state'] != 'live', 'the end')
        self.assertEqual(self.show('cam0')['consumers'], 3)
        self.healthy()
        holder.kill()
        self.fault('consumer-dead', 'cam0', '3 consumers')
        self.fcctl('gc')
        self.healthy()

    def test_leftovers(self):
        for name in ('.cam0.tmp.0123456789abcdef',
                     '.cam1.0123456789abcdef.consumers'):
            self.path(name).write_bytes(b'')
            self.fault('leftovers', str(self.path(name)), name[1:5])
            self.fcctl('gc')
            self.healthy()

    def test_second_table_is_a_leftover(self):
        writer = self.writer('cam0', rate=50)
        self.path('.cam0.0123456789abcdef.consumers').write_bytes(b'')
        self.healthy()  # its writer may be making it
        writer.kill()
        self.assertEqual(set(self.doctor()), {'leftovers', 'writer-dead'})

    def test_access_blocked(self):
        os.chmod(self.directory, 0o755)
        self.writer('cam0', rate=50, access='all')
        self.healthy()
        os.chmod(self.directory, 0o700)
        self.fault('access-blocked', 'cam0', 'mode 0700')

    @unittest.skipUnless(os.geteuid() == 0, 'only root gives slots away')
    def test_ring_unreadable_and_owner_untrusted(self):
        os.chmod(self.directory, 0o755)
        self.writer('theirs', rate=50)
        self.writer('ours', rate=50, access='all')
        for name in 'theirs', 'ours':
            os.chown(self.path(f'{name}.ring'), OTHER, -1)
        self.note('ring-unreadable', 'theirs', 'theirs', prefix=PLAIN)
        self.note('owner-untrusted', 'ours', f'user {OTHER}', prefix=PLAIN)

    # The registry and GStreamer ---------------------------------------------

    def test_no_bus_is_a_note(self):
        self.note('registry', None, 'session bus', 'system bus')

    def test_state_file(self):
        home = self.scratch()
        home.joinpath('framecache').mkdir()
        file = home / 'framecache/registry.json'
        environment = {'XDG_STATE_HOME': str(home)}
        file.write_text('{"version": 1, "slots": []}')
        self.healthy(environment=environment)
        for text in '{"version": 1, "slo', '[]', '\x1b[2J', '', ' ':
            file.write_text(text)
            self.fault('state-file', str(file), environment=environment)
        file.unlink()
        file.mkdir()
        self.fault('state-file', str(file), environment=environment)

    def test_gstreamer(self):
        programs = self.scratch()
        inspect = programs / 'gst-inspect-1.0'
        environment = {'PATH': f'{programs}:{os.environ["PATH"]}'}
        inspect.write_text('#!/bin/sh\nexit 1\n')
        inspect.chmod(0o755)
        self.note('gstreamer', None, 'fcsrc', environment=environment)
        inspect.write_text('#!/bin/sh\nexit 0\n')
        self.assertNotIn('gstreamer',
                         self.doctor('note', environment=environment))

    @unittest.skipUnless(os.environ.get('FC_GST'), 'built without GStreamer')
    def test_gstreamer_itself(self):
        self.assertNotIn('gstreamer', self.doctor('note'))
        self.note('gstreamer', None, 'fcsrc',
                  environment={'GST_PLUGIN_PATH_1_0': '/nonexistent',
                               'GST_REGISTRY_1_0': str(self.scratch() / 'r')})


@unittest.skipUnless(can_unshare(), 'needs user and mount namespaces')
class Namespaces(Base):
    """Faults of the machine's, made in namespaces of their own."""

    def inside(self, script, level='fault', **changes):
        """What fcctl doctor finds, after SCRIPT, where it may mount."""
        result = subprocess.run(
            ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-ec',
             script + '\n"$FCCTL" doctor --json'],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=BOUND,
            check=False, env=self.environment(
                **self.settings(FCCTL=FCCTL, **changes)))
        return {check: found[0]
                for check, found in self.report(result, level).items()}

    def mount(self, size):
        return f'mount -t tmpfs -o size={size},mode=755 none "$FC_DIR"\n'

    def only(self, check, found, *words):
        self.assertEqual(set(found), {check})
        for word in words:
            self.assertIn(word, found[check]['detail'])

    def test_healthy(self):
        self.assertEqual(self.inside(self.mount('1g')), {})

    def test_shm_small(self):
        self.only('shm-small', self.inside(self.mount('64m')),
                  self.directory, '64.0 MiB')

    def test_shm_full(self):
        script = self.mount('200m') + 'fallocate -l 195M "$FC_DIR/x"\n'
        self.only('shm-full', self.inside(script), '5.00 MiB',
                  '200 MiB')

    def test_not_tmpfs(self):
        self.only('not-tmpfs', self.inside('', FC_DIR='/'), '/')

    def test_slot_twice(self):
        self.fcctl('create', 'cam0', '4096')
        script = (
            'mount -t tmpfs none /mnt; mount --bind "$FC_DIR" /mnt\n'
            'mount -t tmpfs -o size=1g,mode=1777 none /dev/shm\n'
            'mkdir -m 755 /dev/shm/framecache\n'
            'mkdir -m 700 /dev/shm/framecache-0\n'
            'cp -a /mnt/. /dev/shm/framecache/\n'
            'cp -a /mnt/. /dev/shm/framecache-0/\n'
            'unset FC_DIR\n')
        self.only('slot-twice', self.inside(script),
                  '/dev/shm/framecache ', '/dev/shm/framecache-0')

    def test_memory_limit(self):
        self.fcctl('create', 'cam0', '1000000')
        script = ('mount -t tmpfs none /sys/fs/cgroup\n'
                  'group=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)\n'
                  'mkdir -p "$group"\n'
                  'echo {} >"$group/memory.max"\n'
                  'echo 1000000 >"$group/memory.current"\n')
        self.assertEqual(self.inside(script.format('100000000000')), {})
        self.only('memory-limit', self.inside(script.format('20000000')),
                  'memory.max')

    def test_memory_short(self):
        """Room for the ring, and none for what its consumers hold."""
        script = self.mount('14m') + (
            'mkfifo "$SCRATCH/end" "$SCRATCH/said"; exec 3<>"$SCRATCH/end"\n'
            '"$SLOT_WRITER" --size=1000000 --rate=100 cam0 <&3 '
            '>"$SCRATCH/said" & writer=$!\n'
            'trap "kill $writer" EXIT\n'
            'read ready <"$SCRATCH/said"\n'
            '"$SLOT_HOLDER" cam0 3 3 <&3 >"$SCRATCH/said" & holder=$!\n'
            'trap "kill $writer $holder" EXIT\n'
            'read ready <"$SCRATCH/said"\n'
            'until "$FCCTL" show cam0 -j | '
            'grep -q "history_shortened. : [1-9]"; do :; done\n')
        note = self.inside(script, 'note',
                           SCRATCH=str(self.scratch()))['memory-short']
        self.assertRegex(note['detail'], r'[1-9]\d* places')

    def logind(self, *lines):
        """/dev/shm with a directory of a person's, and logind."""
        return ('mount -t tmpfs none /run; mkdir -p /run/systemd/users\n'
                'mount -t tmpfs none /etc/systemd\n'
                + '\n'.join(lines) + '\n')

    @unittest.skipUnless(os.geteuid() == 0, 'only root gives slots away')
    def test_remove_ipc(self):
        """As what it is that logind is told, in files of every rank."""
        self.fcctl('create', 'cam0', '4096')
        for path in (self.directory, *self.path('').iterdir()):
            os.chown(path, 4242, -1)
        os.chmod(self.directory, 0o755)
        yes, no = (f'echo "[Login]\nRemoveIPC={x}"' for x in ('yes', 'no'))
        drop_in = '/etc/systemd/logind.conf.d'
        cases = (
            (True, ''),  # the default
            (True, f'{yes} >/etc/systemd/logind.conf'),
            (False, f'{no} >/etc/systemd/logind.conf'),
            (True, 'echo "#RemoveIPC=no" >/etc/systemd/logind.conf'),
            (True, 'echo "[Other]\nRemoveIPC=no" >/etc/systemd/logind.conf'),
            (False, f'{yes} >/etc/systemd/logind.conf; mkdir {drop_in}; '
             f'{no} >{drop_in}/a.conf'),
            (True, f'mkdir {drop_in}; {no} >{drop_in}/a.conf; '
             f'{yes} >{drop_in}/b.conf'),
            (False, f'mkdir -p {drop_in} /run/systemd/logind.conf.d; '
             f'{no} >{drop_in}/a.conf; '
             f'{yes} >/run/systemd/logind.conf.d/a.conf'),
            (False, 'rmdir /run/systemd/users'),
        )
        for fault, lines in cases:
            with self.subTest(lines=lines):
                found = self.as_root(self.logind(lines))
                self.assertEqual('remove-ipc' in found, fault)
                if fault:
                    self.assertIn('4242', found['remove-ipc']['detail'])
                    self.assertIn('cam0', found['remove-ipc']['detail'])

    def as_root(self, script):
        """What fcctl doctor finds, after SCRIPT: in a user namespace of its
        own, nobody else has a number."""
        result = subprocess.run(
            ['unshare', '--mount', 'sh', '-ec',
             script + '\n"$FCCTL" doctor --json'],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=BOUND,
            check=False, env=self.environment(**self.settings(FCCTL=FCCTL)))
        return {check: found[0]
                for check, found in self.report(result, 'fault').items()}


if __name__ == '__main__':
    main()
