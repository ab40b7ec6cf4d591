#!/usr/bin/env python3
# framecache: who may do what on the system bus
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import grp
import os
import pathlib
import pwd
import subprocess
import unittest

import harness
from harness import NAME, PROPERTIES, REGISTRY, ROOT, SLOT, path_of, wait_for

POLICY = pathlib.Path(os.environ['FC_DATA']) / 'org.framecache.Registry1.conf'
# Users that the bus finds, and a group that stands in for the policy's, which
# need not be there.
STRANGER, MEMBER = [user.pw_uid for user in pwd.getpwall() if user.pw_uid][:2]
GROUP = [group for group in grp.getgrall()
         if group.gr_gid not in (0, STRANGER)][-1]
DENIED = 'org.freedesktop.DBus.Error.AccessDenied'
NOT_PERMITTED = 'org.framecache.Error.NotPermitted'

# What a system bus has of its own: nobody may own or call anything.
SYSTEM_BUS = '''\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
</busconfig>
'''


@unittest.skipUnless(os.geteuid() == 0, 'only root can call as another user')
class Policy(harness.Case):

    def bus_config(self, socket):
        policy = self.scratch / 'policy.conf'
        policy.write_text(POLICY.read_text().replace(
            'group="framecache"', f'group="{GROUP.gr_name}"'))
        os.chmod(self.scratch, 0o755)
        return SYSTEM_BUS.format(socket=socket, policy=policy)

    def setUp(self):
        super().setUp()
        os.chmod(self.directory, 0o1777)
        self.start_registry('--system')
        self.bus = self.client()
        self.bus.create('roots', frame_size=64)
        self.bus.create('shared', frame_size=64, access='all')

    def call(self, uid, gid, path, interface, method, *arguments):
        """What gdbus prints, or the error's name."""
        result = subprocess.run(
            ['setpriv', f'--reuid={uid}', f'--regid={gid}', '--clear-groups',
             'gdbus', 'call', f'--address={self.address}', '--dest', NAME,
             '--object-path', path, '--method', f'{interface}.{method}',
             *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=harness.BOUND, check=False)
        if result.returncode == 0:
            return result.stdout.strip()
        return result.stdout.split('GDBus.Error:')[-1].partition(': ')[0]

    def as_stranger(self, *words):
        return self.call(STRANGER, STRANGER, *words)

    def as_member(self, *words):
        return self.call(MEMBER, GROUP.gr_gid, *words)

    def test_everybody_may_look(self):
        self.assertIn(path_of('roots'),
                      self.as_stranger(ROOT, REGISTRY, 'ListSlots'))
        self.assertIn(path_of('roots'),
                      self.as_stranger(ROOT, REGISTRY, 'GetSlot', 'roots'))
        self.assertIn('fits', self.as_stranger(ROOT, REGISTRY, 'Plan',
                                               "{'frame-size': <64>}"))
        self.assertIn('reserved', self.as_stranger(
            ROOT, harness.MANAGER, 'GetManagedObjects'))
        self.assertIn('reserved', self.as_stranger(
            path_of('roots'), PROPERTIES, 'Get', SLOT, 'State'))
        self.assertIn('interface', self.as_stranger(
            ROOT, 'org.freedesktop.DBus.Introspectable', 'Introspect'))
        self.assertEqual('(@aa{sv} [],)', self.as_stranger(
            path_of('roots'), SLOT, 'GetConsumers'))
        self.assertIn('oldest', self.as_stranger(path_of('roots'), SLOT,
                                                 'GetStats'))

    def test_whose_frames_the_slot_says(self):
        self.assertIn('handle', self.as_stranger(ROOT, REGISTRY, 'OpenSlot',
                                                 'shared', '{}'))
        self.assertEqual(NOT_PERMITTED, self.as_stranger(
            ROOT, REGISTRY, 'OpenSlot', 'roots', '{}'))

    def test_strangers_may_change_nothing(self):
        for words in ((ROOT, REGISTRY, 'CreateSlot', 'x',
                       "{'frame-size': <64>}"),
                      (ROOT, REGISTRY, 'RemoveSlot', 'roots', '{}'),
                      (ROOT, REGISTRY, 'CollectGarbage'),
                      (path_of('roots'), SLOT, 'Remove', '{}')):
            self.assertEqual(self.as_stranger(*words), DENIED, words)
        self.assertEqual(len(self.bus.list()), 2)

    def test_strangers_may_not_be_the_registry(self):
        result = subprocess.run(
            ['setpriv', f'--reuid={STRANGER}', f'--regid={STRANGER}',
             '--clear-groups', harness.program('FC_REGISTRY'), '--system',
             '--no-state-file', f'--directory={self.directory}'],
            env=self.environment(), stderr=subprocess.PIPE, text=True,
            timeout=harness.BOUND, check=False)
        self.assertEqual(result.returncode, 3, result.stderr)

    def test_members_make_and_remove(self):
        self.assertIn(path_of('theirs'), self.as_member(
            ROOT, REGISTRY, 'CreateSlot', 'theirs', "{'frame-size': <64>}"))
        self.assertEqual(self.bus.slot('theirs', 'GetStats')['owner'], MEMBER)
        self.assertEqual(
            os.stat(f'{self.directory}/theirs.ring').st_uid, MEMBER)
        self.assertIn('handle', self.as_member(ROOT, REGISTRY, 'OpenSlot',
                                               'theirs', '{}'))
        self.assertEqual(self.as_member(path_of('theirs'), SLOT, 'Remove',
                                        '{}'), '()')
        wait_for(lambda: len(self.bus.list()) == 2, 'its removal')

    def test_members_make_no_slots_of_others(self):
        for owner in 0, STRANGER:
            self.assertEqual(NOT_PERMITTED, self.as_member(
                ROOT, REGISTRY, 'CreateSlot', 'x',
                f"{{'frame-size': <64>, 'owner': <{owner}>}}"))
        self.assertIn(path_of('x'), self.as_member(
            ROOT, REGISTRY, 'CreateSlot', 'x',
            f"{{'frame-size': <64>, 'owner': <{MEMBER}>}}"))


harness.main()
