#!/usr/bin/env python3
# framecache: bash completes fcctl's command lines
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import fcntl
import os
import pathlib
import pty
import re
import select
import shlex
import struct
import subprocess
import termios
import time
import unittest

from fcctl_case import BOUND, FCCTL, Case, main

BASH_COMPLETION = '/usr/share/bash-completion/bash_completion'
OWN = pathlib.Path(os.environ['FC_ROOT'], 'registry/fcctl/completion.bash')

# What bash does when Tab is pressed, but for what is seen of it.
PRESS_TAB = '''
. %s
. %s
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
compopt () { :; }
_fcctl "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
((${#COMPREPLY[@]})) && printf '%%s\\n' "${COMPREPLY[@]}"
''' % (BASH_COMPLETION, OWN)


@unittest.skipUnless(os.path.exists(BASH_COMPLETION),
                     'bash-completion is not installed')
class Completes(Case):
    def complete(self, line):
        """What Tab would offer behind LINE, which begins with fcctl."""
        line = line.replace('fcctl', FCCTL, 1)
        # bash takes a = for a word of its own.
        words = re.sub('=', ' = ', line).split(' ')
        result = subprocess.run(
            ['bash', '--norc', '--noprofile', '-c', PRESS_TAB, 'bash', line,
             *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=BOUND, check=False,
            env=self.environment())
        self.assertEqual(result.stderr, '')
        return result.stdout.split('\n')[:-1]

    def options(self, *command):
        return [option + ('=' if value else '') for option, value in
                re.findall(r'^  (?:-., )?(--[a-z-]+)(=?)',
                           self.fcctl(*command, '--help'), re.M)]

    def test_commands(self):
        commands = re.findall(r'^  ([a-z]+) +[A-Za-z]',
                              self.fcctl('--help'), re.M)
        self.assertEqual(self.complete('fcctl '), commands)
        self.assertEqual(self.complete('fcctl pl'), ['plan'])
        self.assertEqual(self.complete('fcctl --json pl'), ['plan'])
        self.assertEqual(self.complete('fcctl help pl'), ['plan'])
        self.assertEqual(self.complete('fcctl -d /tmp pl'), ['plan'])

    def test_options_of_every_command(self):
        self.assertEqual(self.complete('fcctl --'), self.options())
        for command in self.complete('fcctl '):
            self.assertEqual(self.complete(f'fcctl {command} --'),
                             self.options(command))
        self.assertEqual(self.complete('fcctl rm cam0 --fo'), ['--force'])
        self.assertEqual(self.complete('fcctl plan --max'),
                         ['--max-consumers='])

    def test_slots(self):
        self.writer('cam0', 'cam1', 'mic0')
        for command in ('show', 'rm', 'gc', 'health'):
            self.assertEqual(self.complete(f'fcctl {command} '),
                             ['cam0', 'cam1', 'mic0'])
            self.assertEqual(self.complete(f'fcctl {command} -j m'), ['mic0'])
        self.assertEqual(self.complete('fcctl rm cam0 c'), ['cam0', 'cam1'])
        self.assertEqual(self.complete('fcctl show cam0 '), [])
        self.assertEqual(self.complete('fcctl list '), [])
        self.assertEqual(self.complete('fcctl gc --age '), [])
        self.assertEqual(self.complete('fcctl gc -a 3 m'), ['mic0'])
        self.assertEqual(self.complete('fcctl gc --age=3 m'), ['mic0'])

    def test_slots_of_another_directory(self):
        self.writer('cam0')
        there = self.directory
        super().setUp()
        for option in ('-d ', '--directory ', '--directory='):
            self.assertEqual(self.complete(f'fcctl show {option}{there} '),
                             ['cam0'])
        self.assertEqual(self.complete('fcctl show '), [])

    def test_formats(self):
        formats = self.fcctl('plan', '--formats').split()
        self.assertEqual(self.complete('fcctl plan 64x32 '), formats)
        self.assertEqual(self.complete('fcctl create cam0 64x32 NV1'),
                         [f for f in formats if f.startswith('NV1')])
        self.assertEqual(self.complete('fcctl plan -l 3 NV2'),
                         [f for f in formats if f.startswith('NV2')])

    def test_values(self):
        self.assertEqual(self.complete('fcctl rm --bus '),
                         ['auto', 'session', 'system', 'none'])
        self.assertEqual(self.complete('fcctl rm --bus=s'),
                         ['session', 'system'])
        self.assertEqual(self.complete('fcctl create --access=g'), ['group'])
        self.assertEqual(self.complete('fcctl list --color=n'), ['never'])
        self.assertIn('root', self.complete('fcctl create --owner=ro'))
        self.assertEqual(self.complete('fcctl plan --leases='), [])
        folder = self.scratch()
        (folder / 'folder').mkdir()
        (folder / 'file').touch()
        self.assertEqual(self.complete(f'fcctl -d {folder}/f'),
                         [f'{folder}/folder'])
        self.assertEqual(sorted(self.complete(
            f'fcctl metrics --output={folder}/f')),
            [f'{folder}/file', f'{folder}/folder'])
        self.assertEqual(sorted(self.complete(f'fcctl metrics -o {folder}/f')),
                         [f'{folder}/file', f'{folder}/folder'])

    def test_in_a_real_shell(self):
        """bash itself, on a terminal: Tab fills the line in."""
        self.writer('camera')
        pid, terminal = pty.fork()
        if pid == 0:
            try:
                os.chdir('/')
                os.execvpe('bash', ['bash', '--norc', '--noprofile', '-i'],
                           self.environment(PS1='> '))
            finally:
                os._exit(127)
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.close, terminal)
        self.addCleanup(os.write, terminal, b'\x15\x04')
        fcntl.ioctl(terminal, termios.TIOCSWINSZ,
                    struct.pack('HHHH', 24, 200, 0, 0))
        folder = shlex.quote(os.path.dirname(FCCTL))
        self.type(terminal, f'. {BASH_COMPLETION}; . {shlex.quote(str(OWN))}; '
                  f'PATH={folder}:$PATH; echo do""ne\n', b'done')
        self.type(terminal, 'fcctl sh\t', b'fcctl show ')
        self.type(terminal, 'ca\t', b'camera ')
        self.type(terminal, '--js\t\n', b'"name" : "camera"')

    def type(self, terminal, keys, expected):
        os.write(terminal, keys.encode())
        seen, end = b'', time.monotonic() + BOUND
        while expected not in seen:
            ready, _, _ = select.select([terminal], [], [],
                                        end - time.monotonic())
            self.assertTrue(ready, f'{expected} never came: {seen}')
            seen += os.read(terminal, 4096)


main()
