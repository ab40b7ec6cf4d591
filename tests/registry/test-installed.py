#!/usr/bin/env python3
# framecache: the files that D-Bus, systemd and their like find
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import configparser
import os
import pathlib
import shutil
import stat
import unittest
import xml.etree.ElementTree as ElementTree

import harness

BUILT = pathlib.Path(os.environ['FC_DATA_BUILT'])
SOURCE = pathlib.Path(os.environ['FC_DATA'])
PASSED_OVER = '/bin/true'


def needs(tool):
    return unittest.skipUnless(shutil.which(tool), f'there is no {tool}')


class Installed(harness.Case):

    def unit(self, bus):
        """A unit as it is built, of a program that there is."""
        text = (BUILT / f'fc-registry.{bus}.service').read_text()
        words = next(line for line in text.split('\n')
                     if line.startswith('ExecStart='))
        command = words.removeprefix('ExecStart=').split()[0]
        self.assertTrue(command.endswith('/bin/fc-registry'), command)
        path = self.scratch / bus / 'fc-registry.service'
        path.parent.mkdir()
        path.write_text(text.replace(command, PASSED_OVER))
        # What it asks for as a D-Bus service may not be installed here.
        (path.parent / 'dbus.socket').write_text(
            '[Socket]\nListenStream=/run/bus\n')
        return path

    def analyze(self, *command):
        runtime = self.scratch / 'runtime'
        runtime.mkdir(mode=0o700, exist_ok=True)
        return self.run_tool('env', f'XDG_RUNTIME_DIR={runtime}',
                             'systemd-analyze', *command)

    @needs('systemd-analyze')
    def test_the_units_have_no_fault(self):
        for bus, manager in (('system', '--system'), ('session', '--user')):
            printed = self.analyze('verify', manager, '--man=no',
                                   str(self.unit(bus)))
            self.assertNotIn('fc-registry', printed)

    @needs('systemd-analyze')
    def test_the_system_unit_is_hardened(self):
        # "OK" ends at 4.9; what stands open is what the registry needs.
        self.analyze('security', '--offline=true', '--threshold=25',
                     str(self.unit('system')))

    @needs('systemd-sysusers')
    @needs('systemd-tmpfiles')
    @unittest.skipUnless(os.geteuid() == 0, 'only root may give it away')
    def test_the_directory_is_the_groups(self):
        root = self.scratch / 'root'
        (root / 'etc').mkdir(parents=True)
        (root / 'dev/shm').mkdir(parents=True)
        (root / 'etc/passwd').write_text('root:x:0:0::/root:/bin/sh\n')
        self.run_tool('systemd-sysusers', f'--root={root}',
                      str(SOURCE / 'framecache.sysusers'))
        group = next(line.split(':')
                     for line in (root / 'etc/group').read_text().split()
                     if line.startswith('framecache:'))
        self.run_tool('systemd-tmpfiles', '--create', f'--root={root}',
                      str(SOURCE / 'framecache.tmpfiles'))
        made = os.stat(root / 'dev/shm/framecache')
        self.assertEqual(stat.S_IMODE(made.st_mode), 0o3775)
        self.assertEqual((made.st_uid, made.st_gid), (0, int(group[2])))

    def test_a_call_starts_the_registry(self):
        for bus in 'session', 'system':
            file = configparser.ConfigParser()
            file.optionxform = str
            file.read(BUILT / f'org.framecache.Registry1.{bus}.service')
            section = file['D-BUS Service']
            self.assertEqual(section['Name'], harness.NAME)
            self.assertEqual(section['SystemdService'], 'fc-registry.service')
            command = section['Exec'].split()
            self.assertEqual(command[1:], [f'--{bus}'])
        self.activate(command[0])

    def activate(self, installed):
        text = (BUILT / 'org.framecache.Registry1.session.service').read_text()
        command = (f'{harness.program("FC_REGISTRY")} --no-state-file '
                   f'--directory={self.directory}')
        (self.scratch / 'services/registry.service').write_text(
            text.replace('SystemdService', '#')
            .replace(installed, command))
        client = self.client()
        self.assertEqual(client.list(), [])
        process = client.connection.call_sync(
            'org.freedesktop.DBus', '/org/freedesktop/DBus',
            'org.freedesktop.DBus', 'GetConnectionUnixProcessID',
            harness.GLib.Variant('(s)', (harness.NAME,)), None, 0, -1,
            None).unpack()[0]
        os.kill(process, 15)
        harness.wait_for(lambda: self.owner(client) is None, 'its end')

    def test_the_policy_names_what_there_is(self):
        """A member that the policy misspells would be closed to everybody."""
        members = set()
        for name in 'Registry1', 'Slot1':
            path = SOURCE.parent / f'org.framecache.{name}.xml'
            members |= {(f'org.framecache.{name}', method.get('name'))
                        for method in ElementTree.parse(path).iter('method')}
        policy = ElementTree.parse(SOURCE / 'org.framecache.Registry1.conf')
        named = {(allow.get('send_interface'), allow.get('send_member'))
                 for allow in policy.iter('allow') if allow.get('send_member')}
        self.assertEqual(
            members - named,
            {('org.framecache.Registry1', 'CreateSlot'),
             ('org.framecache.Registry1', 'RemoveSlot'),
             ('org.framecache.Registry1', 'CollectGarbage'),
             ('org.framecache.Slot1', 'Remove')})
        self.assertLessEqual(named, members)


harness.main()
