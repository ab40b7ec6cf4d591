#!/usr/bin/env python3
# framecache: fcctl create and rm go through a registry, if it is the right one
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import fcctl_case
import harness
from fcctl_case import FAILED, NO_SLOT, USAGE
from harness import wait_for

NOWHERE = 'unix:path=/nonexistent'

# A registry that says of each of these what it is told to, on standard input
# as "Directory=...", and answers every other call with an error.
STAND_IN = '''
import sys
from gi.repository import Gio, GLib
address, directory = sys.argv[1:]
XML = """<node><interface name='org.framecache.Registry1'>
<method name='CreateSlot'><arg type='s'/><arg type='a{sv}'/>
<arg type='o' direction='out'/></method>
<method name='RemoveSlot'><arg type='s'/><arg type='a{sv}'/></method>
<property name='Directory' type='%s' access='read'/></interface></node>"""
connection = Gio.DBusConnection.new_for_address_sync(
    address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
    | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
kind = 's' if directory.startswith('/') else 'u'
value = GLib.Variant(kind, directory if kind == 's' else 7)
def call(connection, sender, path, interface, method, arguments, invocation):
    name = arguments.unpack()[0]
    if name.startswith('denied'):
        invocation.return_dbus_error('org.framecache.Error.NotPermitted',
                                     'not \\x1b[2J you')
    elif method == 'CreateSlot':
        invocation.return_value(GLib.Variant('(o)', ('/made/elsewhere',)))
    else:
        invocation.return_value(None)
node = Gio.DBusNodeInfo.new_for_xml(XML % kind)
connection.register_object('/org/framecache/Registry1', node.interfaces[0],
                           call, lambda *_: value, None)
Gio.bus_own_name_on_connection(
    connection, 'org.framecache.Registry1', 0,
    lambda *_: print('ready', flush=True), None)
GLib.MainLoop().run()
'''


class Case(harness.Case, fcctl_case.Case):
    def environment(self, **changes):
        environment = harness.Case.environment(self)
        environment.pop('XDG_RUNTIME_DIR', None)
        environment.update(FC_DIR=self.directory, **changes)
        return environment

    def kept(self):
        """The names in the state file."""
        try:
            state = json.loads(self.state_file.read_text())
        except FileNotFoundError:
            return []
        return [slot['name'] for slot in state['slots']]

    def stand_in(self, directory):
        process = subprocess.Popen(
            [sys.executable, '-c', STAND_IN, self.address, directory],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(self.end, process)
        self.assertEqual(process.stdout.readline(), 'ready\n')

    def stop(self, process):
        os.kill(process.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, process.pid, signal.SIGCONT)


class Registry(Case):
    def test_slot_is_kept(self):
        registry = self.start_registry()
        text = self.fcctl('create', 'cam0', '64x32@50', 'NV12', '2s')
        self.assertNotIn('reboot', text)
        self.assertEqual(self.kept(), ['cam0'])
        self.assertTrue(self.json('create', 'cam1', '4096')['kept'])
        self.end(registry)
        for path in pathlib.Path(self.directory).iterdir():
            path.unlink()
        self.start_registry()
        wait_for(lambda: self.fcctl('list', '-n') == 'cam0\ncam1\n',
                 'the slots after a reboot')
        self.assertEqual(self.show('cam0')['ring_depth'], 100)

    def test_slot_is_the_one_that_is_made_without_it(self):
        os.chmod(self.directory, 0o755)
        words = ['64x32@50', 'NV12', '2s', '--access=all', '--trust=group',
                 '-c', '3', '-l', '5', '-w', '6', '--format=video/x-raw, a=b']
        self.start_registry()
        self.fcctl('create', 'cam0', *words)
        self.fcctl('create', 'cam1', *words, '--bus=none')
        one, other = self.show('cam0'), self.show('cam1')
        for key in ('name', 'created_wall_ns'):
            del one[key], other[key]
        self.assertEqual(one, other)
        self.assertEqual(one['trust'], 'group')

    def test_removed_slot_is_not_kept(self):
        self.start_registry()
        self.fcctl('create', 'cam0', '4096')
        self.fcctl('create', 'cam1', '4096')
        self.writer('cam1', rate=0)
        self.fcctl('rm', 'cam0')
        self.assertEqual(self.kept(), ['cam1'])
        self.assertIn('live writer', self.fails(FAILED, 'rm', 'cam1'))
        self.assertEqual(self.kept(), ['cam1'])
        self.fcctl('rm', '--force', 'cam1')
        self.assertEqual(self.kept(), [])
        self.assertEqual(self.fcctl('list', '-n'), '')
        self.fails(NO_SLOT, 'rm', 'cam1')

    def test_what_it_refuses_is_said(self):
        self.start_registry('--budget=10000000')
        self.fcctl('create', 'cam0', '4096')
        self.assertIn('exists', self.fails(FAILED, 'create', 'cam0', '4096'))
        self.assertIn('budget', self.fails(FAILED, 'create', 'cam1', '1MB'))
        self.fails(USAGE, 'create', '../cam1', '4096')
        self.assertIn('--bus=none', self.fails(
            USAGE, 'create', 'cam1', '4096', '--format=\udcff'))
        self.assertEqual(self.kept(), ['cam0'])

    def test_damaged_slot_is_removed_all_the_same(self):
        self.start_registry()
        pathlib.Path(self.directory, 'cam0.ring').write_bytes(b'junk')
        self.fcctl('rm', 'cam0')
        self.assertFalse(os.path.exists(self.directory + '/cam0.ring'))


class Buses(Case):
    def test_system_bus_where_the_session_has_none(self):
        self.start_registry()
        for session in (NOWHERE, ''):
            environment = {'DBUS_SESSION_BUS_ADDRESS': session}
            self.fcctl('create', 'cam0', '4096', environment=environment)
            self.assertEqual(self.kept(), ['cam0'])
            self.fails(FAILED, 'create', 'cam1', '4096', '--bus=session',
                       environment=environment)
            self.fcctl('rm', 'cam0', environment=environment)

    def test_one_bus_alone(self):
        self.start_registry()
        for bus, other in (('session', 'system'), ('system', 'session')):
            environment = {f'DBUS_{other.upper()}_BUS_ADDRESS': NOWHERE}
            self.fcctl('create', bus, '4096', f'--bus={bus}',
                       environment=environment)
            self.assertIn(f'of the {other} bus', self.fails(
                FAILED, 'create', 'x', '4096', f'--bus={other}',
                environment=environment))
        self.fcctl('create', 'none', '4096', '--bus=none')
        self.assertIn('session', self.kept())
        self.assertIn('system', self.kept())

    def test_no_registry(self):
        self.assertIn('gone after a reboot',
                      self.fcctl('create', 'cam0', '4096'))
        self.assertIn('start fc-registry', self.fails(
            FAILED, 'create', 'cam1', '4096', '--bus=session'))
        self.assertIn('start fc-registry', self.fails(
            FAILED, 'rm', 'cam0', '--bus=session'))
        self.fcctl('rm', 'cam0')

    def test_registry_is_not_started_for_it(self):
        mark = self.scratch / 'started'
        (self.scratch / 'services' / 'registry.service').write_text(
            '[D-BUS Service]\n'
            f'Name={harness.NAME}\nExec=/usr/bin/touch {mark}\n')
        self.run_tool('gdbus', 'call', '--address', self.address, '--dest',
                      'org.freedesktop.DBus', '--object-path', '/',
                      '--method', 'org.freedesktop.DBus.ReloadConfig')
        self.assertIn('gone after a reboot',
                      self.fcctl('create', 'cam0', '4096'))
        self.fails(FAILED, 'rm', 'cam0', '--bus=session')
        self.assertFalse(mark.exists())

    def test_registry_of_another_directory(self):
        self.start_registry()
        self.directory = tempfile.mkdtemp(prefix='fc-test-', dir='/dev/shm')
        self.addCleanup(shutil.rmtree, self.directory)
        self.assertIn('gone after a reboot',
                      self.fcctl('create', 'cam0', '4096'))
        self.assertIn(f'another directory, not of {self.directory}',
                      self.fails(FAILED, 'rm', 'cam0', '--bus=session'))
        self.fcctl('rm', 'cam0')
        self.assertEqual(self.kept(), [])

    def test_directory_by_another_path(self):
        self.start_registry()
        link = self.scratch / 'link'
        link.symlink_to(self.directory)
        self.directory = str(link)
        self.assertTrue(self.json('create', 'cam0', '4096')['kept'])

    def test_registry_that_does_not_answer(self):
        self.stop(self.start_registry())
        self.assertIn('gone after a reboot',
                      self.fcctl('create', 'cam0', '4096'))

    def test_bus_that_does_not_answer(self):
        self.stop(self.daemon)
        self.assertIn('gone after a reboot',
                      self.fcctl('create', 'cam0', '4096'))


class StandIns(Case):
    def test_directory_of_another_namespace(self):
        self.stand_in(self.directory)
        self.assertIn('another one than this process sees', self.fails(
            FAILED, 'create', 'cam0', '4096'))

    def test_registry_that_lies(self):
        self.stand_in('no path')
        self.assertIn('gone after a reboot',
                      self.fcctl('create', 'cam0', '4096'))

    def test_what_it_does_not_permit(self):
        self.stand_in(self.directory)
        self.assertIn(r'not \x1b[2J you', self.fails(
            FAILED, 'create', 'denied', '4096'))
        self.fcctl('create', 'denied', '4096', '--bus=none')
        # Whose files they are may remove them without it.
        self.fails(FAILED, 'rm', 'denied', '--bus=session')
        self.fcctl('rm', 'denied')
        self.assertEqual(self.fcctl('list', '-n'), '')


fcctl_case.main()
