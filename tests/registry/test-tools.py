#!/usr/bin/env python3
# framecache: the registry by the tools that people have
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import shutil
import subprocess
import unittest

import harness
from harness import NAME, REGISTRY, ROOT, SLOT, path_of, wait_for

CAM0 = path_of('cam0')


class Tools(harness.Case):

    def setUp(self):
        super().setUp()
        self.start_registry()

    def background(self, *command):
        """A tool that goes on; what it has printed so far, to be called."""
        output = self.scratch / 'printed'
        with output.open('w') as file:
            process = subprocess.Popen(command, stdout=file,
                                       env=self.environment())
        self.addCleanup(self.end, process)
        return output.read_text

    def check_printed(self, printed, *words):
        """The tool prints each of WORDS, in their order."""
        def seen():
            text, at = printed(), 0
            for word in words:
                at = text.find(word, at)
                if at < 0:
                    return False
            return True

        wait_for(seen, f'{words} of {printed()}')


@unittest.skipUnless(shutil.which('busctl'), 'there is no busctl')
class Busctl(Tools):

    def busctl(self, *words):
        return self.run_tool('busctl', f'--address={self.address}',
                             '--no-pager', *words)

    def test_tree_and_list(self):
        self.writer('cam0', 'cam-1')
        wait_for(lambda: len(self.client().list()) == 2, 'the slots')
        tree = self.busctl('tree', '--list', NAME).split()
        for path in ROOT, CAM0, path_of('cam-1'):
            self.assertIn(path, tree)

    def test_introspect(self):
        self.writer('cam0', size=8192)
        wait_for(lambda: self.client().list(), 'the slot')
        text = self.busctl('introspect', NAME, ROOT)
        for member in ('.CreateSlot', '.OpenSlot', '.BytesFree',
                       '.GetManagedObjects', '.InterfacesAdded'):
            self.assertRegex(text, rf'(?m)^{member} ')
        text = self.busctl('introspect', NAME, CAM0)
        self.assertRegex(text, r'(?m)^\.FrameSize +property +t +8192 ')
        self.assertRegex(text, r'(?m)^\.State +property +s +"live" +emits')
        self.assertRegex(text, r'(?m)^\.WriteCursor +property +t +\d+ +-')

    def test_call(self):
        answer = self.busctl('call', NAME, ROOT, REGISTRY, 'CreateSlot',
                             'sa{sv}', 'cam0', '3', 'frame-size', 't', '4096',
                             'ring-depth', 'u', '5', 'format', 's', 'test')
        self.assertEqual(answer, f'o "{CAM0}"\n')
        self.assertEqual(self.busctl('get-property', NAME, CAM0, SLOT,
                                     'RingDepth', 'Format'),
                         'u 5\ns "test"\n')
        self.assertRegex(self.busctl('call', NAME, ROOT, REGISTRY, 'OpenSlot',
                                     'sa{sv}', 'cam0', '0'), '^ah 2 ')
        self.busctl('call', NAME, CAM0, SLOT, 'Remove', 'a{sv}', '0')
        self.assertEqual(self.busctl('call', NAME, ROOT, REGISTRY,
                                     'ListSlots'), 'ao 0\n')

    def test_monitor(self):
        printed = self.background('busctl', f'--address={self.address}',
                                  'monitor', NAME)
        client = self.client()
        # When it is ready it does not say: it sees what comes then.
        wait_for(lambda: client.list() or printed(), 'the monitor')
        client.create('cam0', frame_size=10)
        self.check_printed(printed, 'Member=CreateSlot',
                           'Member=InterfacesAdded', CAM0)


class Gdbus(Tools):

    def gdbus(self, command, *words):
        return self.run_tool('gdbus', command, f'--address={self.address}',
                             '--dest', NAME, *words)

    def call(self, path, method, *arguments):
        return self.gdbus('call', '--object-path', path, '--method', method,
                          *arguments).strip()

    def test_introspect(self):
        text = self.gdbus('introspect', '--object-path', ROOT, '--recurse')
        self.assertIn(f'interface {REGISTRY}', text)
        self.assertIn('OpenSlot(in  s name,', text)

    def test_call(self):
        self.assertEqual(
            self.call(ROOT, f'{REGISTRY}.CreateSlot', 'cam0',
                      "{'width': <640>, 'height': <480>, "
                      "'pixel-format': <'I420'>, 'framerate': <29.97>, "
                      "'seconds': <2>}"), f"(objectpath '{CAM0}',)")
        self.assertEqual(
            self.call(CAM0, f'{harness.PROPERTIES}.Get', SLOT, 'RingDepth'),
            '(<uint32 60>,)')
        self.assertEqual(self.call(ROOT, f'{REGISTRY}.RemoveSlot', 'cam0',
                                   '{}'), '()')

    def test_monitor(self):
        printed = self.background('gdbus', 'monitor', '--address',
                                  self.address, '--dest', NAME)
        self.check_printed(printed, f'{NAME} is owned by')
        client = self.client()
        client.create('cam0', frame_size=10)
        client.remove('cam0')
        self.check_printed(printed, 'InterfacesAdded', CAM0,
                           'InterfacesRemoved', CAM0)


harness.main()
