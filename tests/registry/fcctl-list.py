#!/usr/bin/env python3
# framecache: fcctl list, and what all commands of fcctl have in common
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import base64
import json
import os
import pathlib
import re
import unicodedata

from fcctl_case import FAILED, FCCTL, USAGE, Case, main, wait_for

# Moves a cursor, sets a title, rings, goes back over the line, turns round.
HOSTILE = 'x\x1b[2J\x1b]0;t\x07\r\n\x08\x7f\x9b31m\u202e\u2028\\"'
ESCAPE = re.compile(r'\x1b\[[0-9]*m')


def is_plain(text):
    return not any(unicodedata.category(c) in ('Cc', 'Cf', 'Cn', 'Zl', 'Zp')
                   for c in text.replace('\n', ''))


class Lists(Case):
    def test_no_slots_are_no_failure(self):
        self.assertEqual(self.fcctl('list'), '')
        self.assertEqual(self.fcctl('list', '--names'), '')
        self.assertEqual(self.json('list'), [])
        output, code = self.on_terminal('list')
        self.assertEqual(output, f'fcctl: no slots in {self.directory}\n')
        self.assertEqual(code, 0)

    def test_directory_that_is_not_there_has_no_slots(self):
        self.assertEqual(self.fcctl('list', '-d', '/dev/shm/fc-test-none'), '')

    def test_a_line_for_each_slot(self):
        caps = ('video/x-raw, format=(string)NV12, width=(int)64, '
                'height=(int)32, framerate=(fraction)50/1')
        self.writer('cam1', size=4096, depth=8, rate=50, format=caps,
                    consumers=7)
        self.writer('mic0', size=512, format='audio/x-raw, rate=48000, '
                    'channels=2, format=S16LE')
        self.writer('dat0', size=5000, rate=0, format='numbers')
        self.writer('h264', rate=0, format='video/x-h264, width=64, height=32')
        self.holder('cam1', 2, 0)
        lines = self.fcctl('list').splitlines()
        self.assertEqual(
            lines[0].split(), ['NAME', 'STATE', 'SIZE@RATE', 'CONSUMERS',
                               'DEPTH', 'BYTES', 'FORMAT'])
        rows = {line.split()[0]: line for line in lines[1:]}
        self.assertEqual(list(rows), ['cam1', 'dat0', 'h264', 'mic0'])
        self.assertRegex(rows['cam1'],
                         r'^cam1 +live +64x32@\S+ +2/7 +8 +\d+ KiB  NV12$')
        self.assertRegex(rows['dat0'], r'4\.88 KiB +0/64 +8 .*  numbers$')
        self.assertRegex(rows['h264'], r' 64x32 .*  h264$')
        self.assertRegex(rows['mic0'], r' 48000Hzx2@\S+ .*  S16LE$')

    def test_rate_is_measured_while_it_is_live(self):
        told = 'video/x-raw, width=64, height=32, framerate=10/1'
        writer = self.writer('cam0', rate=200, format=told)
        wait_for(lambda: self.show('cam0')['head'] > 2, 'frames')
        self.assertRegex(self.fcctl('list'), r' 64x32@[1-9]\d\d?')
        self.assertNotIn('64x32@10 ', self.fcctl('list'))
        writer.tell('finish')
        self.assertIn(' 64x32@10 ', self.fcctl('list'))

    def test_caps_are_read_as_gstreamer_writes_them(self):
        for i, (caps, size, short) in enumerate((
                ('video/x-raw, a=(string)"b, width=(int)7", c=(int){ 1, '
                 'width=8 }, d=[ 1, width=9 ], e=(string)f\\,width=6, '
                 'width=(int)64, height=32, format=(string)NV12', '64x32',
                 'NV12'),
                ('video/x-raw(memory:SystemMemory), format=Y42B, width=64,'
                 'height=32', '64x32', 'Y42B'),
                ('video/x-raw, width=(int){ 64, 128 }, height=32', None,
                 'raw'),
                ('video/x-raw, format={ NV12, I420 }', None, 'raw'),
                ('video/x-h264; video/x-raw, width=64, height=32', None,
                 'h264'),
                ('image/jpeg, width=64, height=-32', None, 'image/jpeg'),
                ('video/x-raw, width=99999999999, height=32', None, 'raw'),
                ('a story, with width=64, height=32', None,
                 'a story, with width=64, height=32'))):
            self.writer(f'cam{i}', rate=0, format=caps)
            row = self.fcctl('list').splitlines()[-1]
            self.assertRegex(row, rf'^cam{i} +live +{size or "4.00 KiB"} ')
            self.assertTrue(row.endswith('  ' + short), row)

    def test_states(self):
        live = self.writer('live', rate=50)
        ended = self.writer('ended')
        ended.tell('finish')
        lost = self.writer('lost')
        lost.kill()
        stalled = self.writer('stalled')
        stalled.tell('pause')
        self.fcctl('create', 'reserved', '4096')

        def states():
            return {slot['name']: slot['state'] for slot in self.json('list')}

        wait_for(lambda: states()['stalled'] == 'stalled', 'stalled')
        self.assertEqual(states(), {
            'ended': 'eos', 'live': 'live', 'lost': 'lost',
            'reserved': 'reserved', 'stalled': 'stalled'})
        self.assertEqual(live.process.poll(), None)
        stalled.tell('go')
        wait_for(lambda: states()['stalled'] == 'live', 'live again')

    def test_names(self):
        self.writer('b', 'a.1', 'a')
        self.assertEqual(self.fcctl('list', '--names'), 'a\na.1\nb\n')
        self.assertEqual(self.json('list', '--names'), ['a', 'a.1', 'b'])

    def test_what_is_no_ring_is_passed_over(self):
        self.writer('cam0')
        pathlib.Path(self.directory, 'junk.ring').write_bytes(b'junk')
        os.mkfifo(pathlib.Path(self.directory, 'pipe.ring'))
        pathlib.Path(self.directory, 'link.ring').symlink_to('cam0.ring')
        self.assertEqual(self.fcctl('list', '--names'), 'cam0\n')

    def test_unsafe_directory_is_a_failure(self):
        os.chmod(self.directory, 0o777)
        self.assertIn('others may write', self.fails(FAILED, 'list'))


class Texts(Case):
    def test_hostile_format_is_escaped(self):
        self.writer('cam0', format=HOSTILE)
        for words in (['list'], ['show', 'cam0'], ['list', '--json'],
                      ['metrics']):
            output = self.fcctl(*words)
            self.assertTrue(is_plain(output), output)
        self.assertIn(r'x\x1b[2J\x1b]0;t\x07\x0d\x0a\x08\x7f\u009b31m\u202e'
                      r'\u2028\"', self.fcctl('list'))
        self.assertEqual(self.show('cam0')['format'], HOSTILE)

    def test_hostile_consumer_is_escaped(self):
        self.writer('cam0')
        self.holder('cam0', 1, 0, '--name=a\x1b[2J\n\u202eb')
        for words in (['show', 'cam0'], ['show', 'cam0', '--json'],
                      ['metrics']):
            output = self.fcctl(*words)
            self.assertTrue(is_plain(output), output)
        self.assertIn(r'a\x1b[2J\x0a\u202eb', self.fcctl('show', 'cam0'))

    def test_format_that_is_no_utf8(self):
        data = b'\xff\xfe\x80raw'
        self.writer('cam0', format=os.fsdecode(data))
        self.assertIn(r'\xff\xfe\x80raw', self.fcctl('list'))
        slot = self.json('list')[0]
        self.assertIsNone(slot['format'])
        self.assertEqual(base64.b64decode(slot['format_base64']), data)

    def test_hostile_arguments_are_escaped(self):
        for words in (['\x1b[2J'], ['show', '\x1b[2J'],
                      ['list', '--\x1b[2J'], ['plan', '\x1b[2J'],
                      ['show', 'a', '-d', '/\x1b[2J']):
            result = self.run_fcctl(*words)
            self.assertNotEqual(result.returncode, 0)
            self.assertTrue(is_plain(result.stderr.decode()), result)


class Terminals(Case):
    def setUp(self):
        super().setUp()
        self.writer('n' * 63, 'cam0', format='\u4e16\u754c' * 40)

    def test_no_line_is_wider_than_the_terminal(self):
        for columns in (20, 40, 80, 300):
            for words in (['list'], ['show', 'cam0']):
                output, code = self.on_terminal(*words, columns=columns)
                self.assertEqual(code, 0)
                for line in ESCAPE.sub('', output).splitlines():
                    width = sum(1 + (unicodedata.east_asian_width(c) in 'WF')
                                for c in line)
                    if words[0] == 'list' or columns >= 40:
                        self.assertLessEqual(width, columns, line)

    def test_lines_go_on_below_at_their_spaces(self):
        words = [f'word{i}' + 'x' * i for i in range(15)]
        self.writer('cam1', format=' '.join(words))
        output, _ = self.on_terminal('show', 'cam1', '--color=never',
                                     columns=50)
        self.assertLessEqual(set(words), set(output.split()))
        self.assertIn('4.00 KiB', output)
        for line in output.splitlines():
            self.assertEqual(line, line.rstrip())

    def test_long_name_leaves_room_for_the_rest(self):
        output, _ = self.on_terminal('list', columns=80)
        for line in ESCAPE.sub('', output).splitlines()[1:]:
            self.assertRegex(line, r'^(cam0|n+\u2026) +live .* KiB  ')

    def test_nothing_is_cut_in_a_pipe(self):
        self.assertIn('n' * 63, self.fcctl('list'))
        self.assertIn('\u4e16\u754c' * 40, self.fcctl('list'))
        self.assertNotIn('\u2026', self.fcctl('list'))

    def test_colours_only_on_a_terminal(self):
        self.assertRegex(self.on_terminal('list')[0], ESCAPE)
        self.assertNotRegex(self.on_terminal('list', NO_COLOR='1')[0], ESCAPE)
        self.assertNotRegex(self.on_terminal('list', TERM='dumb')[0], ESCAPE)
        self.assertNotRegex(self.on_terminal('list', '--color=never')[0],
                            ESCAPE)
        self.assertNotRegex(self.fcctl('list'), ESCAPE)
        self.assertRegex(self.fcctl('list', '--color=always'), ESCAPE)
        self.assertRegex(self.fcctl('list', '--color=always',
                                    environment={'NO_COLOR': '1'}), ESCAPE)
        self.fails(USAGE, 'list', '--color=sometimes')

    def test_without_a_locale(self):
        environment = {'LC_ALL': 'C'}
        self.assertIn('n' * 63, self.fcctl('list', environment=environment))
        self.assertIn('[OPTION...]',
                      self.fcctl('list', '--help', environment=environment))
        self.assertEqual(
            json.loads(self.fcctl('show', 'cam0', '--json',
                                  environment=environment))['name'], 'cam0')


class CommandLines(Case):
    def test_options_before_and_behind_the_command(self):
        self.writer('cam0')
        environment = {'FC_DIR': '/dev/shm/fc-test-none'}
        for words in (['-d', self.directory, 'list', '-n'],
                      ['list', f'--directory={self.directory}', '--names']):
            self.assertEqual(self.fcctl(*words, environment=environment),
                             'cam0\n')
        self.assertEqual(json.loads(self.fcctl('--json', 'list'))[0]['name'],
                         'cam0')

    def test_unknown_command_is_guessed_at(self):
        for typed, meant in (('lsit', 'list'), ('shw', 'show'),
                             ('heath', 'health'), ('plann', 'plan')):
            self.assertIn(f'did you mean "{meant}"?',
                          self.fails(USAGE, typed))
        self.assertNotIn('did you mean', self.fails(USAGE, 'frobnicate'))

    def test_command_line_that_will_not_do(self):
        self.fails(USAGE)
        self.assertIn('--frob', self.fails(USAGE, 'list', '--frob'))
        self.assertIn('"cam0"', self.fails(USAGE, 'list', 'cam0'))
        self.assertIn('fcctl show SLOT', self.fails(USAGE, 'show'))
        self.assertIn('"b"', self.fails(USAGE, 'show', 'a', 'b'))

    def test_help_and_version(self):
        commands = re.findall(r'^  ([a-z]+) +\w', self.fcctl('--help'), re.M)
        self.assertIn('list', commands)
        for command in commands:
            self.assertIn(f'fcctl {command}', self.fcctl(command, '--help'))
            self.assertEqual(self.fcctl('help', command),
                             self.fcctl(command, '--help'))
        self.assertEqual(self.fcctl('help'), self.fcctl('--help'))
        self.assertIn('frob', self.fails(USAGE, 'help', 'frob'))
        self.assertRegex(self.fcctl('--version'), r'^fcctl \d+\.\d+\.\d+\n$')

    def test_output_that_can_not_be_written_is_a_failure(self):
        with open('/dev/full', 'wb') as full:
            for words in (['list', '--json'], ['metrics'], ['--version'],
                          ['plan', '4096']):
                self.assertIn('No space left',
                              self.fails(FAILED, *words, stdout=full))


assert os.access(FCCTL, os.X_OK)
main()
