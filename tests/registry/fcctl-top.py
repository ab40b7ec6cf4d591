#!/usr/bin/env python3
# framecache: fcctl top
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import re
import signal
import unittest

from fcctl_case import FCCTL, OK, USAGE, Case, Program, main, wait_for
from fcctl_terminal import Terminal

HOSTILE = 'x\x1b[2J\x1b]0;t\x07\x9b31m\u202e'


class Top(Case):
    def top(self, *words, columns=80, lines=24, **environment):
        terminal = Terminal([FCCTL, 'top', '-n', '0.2', *words],
                            self.environment(**environment), columns, lines)
        self.addCleanup(terminal.close)
        return terminal

    # The screen -------------------------------------------------------------

    def test_slots_and_their_consumers(self):
        self.writer('cam0', rate=50, format='video/x-raw, format=(string)NV12,'
                    ' width=(int)64, height=(int)32')
        self.writer('aux', rate=0)
        holder = self.holder('cam0', 2, 1)
        top = self.top(columns=120)
        top.wait_line(r'^cam0 +live +[0-9.]+/s +\S+ .bit/s')
        text = top.screen.text()
        self.assertRegex(text[0], r'^\d\d:\d\d:\d\d  2 slots, 2 consumers, ')
        self.assertRegex(text[1], r'^SLOT +STATE +RATE +BIT RATE +LAG ')
        self.assertRegex(text[2], r'^aux +')
        self.assertRegex(text[3], r'^cam0 .*  NV12 64x32$')
        for line in text[4:6]:
            self.assertRegex(line, rf'^  {holder.pid} slot-holder +busy ')
        self.assertRegex(text[23], r'^q quit  h help  s sort: name ')

    def test_lag_grows(self):
        self.writer('cam0', rate=50, depth=4000)
        self.holder('cam0', 1, 1)
        top = self.top(columns=100)
        top.wait_line(r'^cam0 .* \d\d+ +\S+ m?s +0')

    def test_slots_come_and_go(self):
        top = self.top()
        top.wait_line('no slots$')
        writer = self.writer('cam0', rate=50)
        top.wait_line(r'^cam0 +live')
        writer.kill()
        top.wait_line(r'^cam0 +lost')
        self.fcctl('gc')
        top.wait_line('no slots$')

    def test_new_generation_is_followed(self):
        writer = self.writer('cam0', rate=50, format='first')
        top = self.top(columns=120)
        top.wait_line(r'^cam0 .* first$')
        writer.kill()
        self.writer('cam0', rate=50, format='second')
        top.wait_line(r'^cam0 +live .* second$')

    def test_directory_that_will_not_do_is_said(self):
        os.chmod(self.directory, 0o777)
        top = self.top()
        top.wait_line(r'is not safe')
        os.chmod(self.directory, 0o700)
        top.wait_line('no slots$')

    def test_hostile_text_moves_nothing(self):
        self.writer('cam0', rate=50, format=HOSTILE)
        self.holder('cam0', 1, 0, f'--name={HOSTILE}')
        top = self.top(columns=150)
        top.wait_line(r'^cam0 .*\\x1b\[2J')
        top.wait_line(r'^  \d+ x\\x1b\[2J')

    # Keys -------------------------------------------------------------------

    def test_keys(self):
        self.writer('slow', 'slow2', rate=10)
        self.writer('fast', rate=50)
        self.holder('fast', 1, 0)
        top = self.top()
        top.wait_line('slot-holder')
        top.press('c')
        top.wait(lambda lines: not any('slot-holder' in x for x in lines),
                 'consumers hidden')
        top.press('c')
        top.wait_line('slot-holder')
        top.press('h')
        top.wait_line(r'^HAND-OVER  ')
        top.press('h')
        top.wait_line(r'^fast +live')
        top.press('S')  # means nothing
        for order in 'rate', 'bits', 'lag', 'drops', 'memory', 'name':
            top.press('s')
            top.wait_line(rf'sort: {order} ')
        top.press('l')
        top.wait_line(r'^SLOT .*  HAND-OVER$')
        top.wait_line(r'^fast .*\d/[0-9.]+ [um]s$')
        top.press('q')
        self.assertEqual(top.wait_end(), 0)

    def test_order(self):
        self.writer('a', rate=5, size=40000)
        self.writer('b', rate=50, size=1000)

        def first(order):
            top = self.json('top', '-c', '1', '--sort', order)
            return top['slots'][0]['name']

        # Rates are steady only after some frames.
        for order, slot in (('rate', 'b'), ('bits', 'a'), ('memory', 'a'),
                            ('name', 'a')):
            wait_for(lambda: first(order) == slot, f'{slot} first by {order}')

    def test_scrolling(self):
        self.writer(*[f's{i:02}' for i in range(40)], rate=10)
        top = self.top(lines=10)
        top.wait_line('^s00 ')

        def shows(first, last):
            top.wait(lambda x: x[2].startswith(first)
                     and x[8].startswith(last), f'{first} to {last}')

        shows('s00', 's06')
        for keys, first, last in (
                ('j', 's01', 's07'), ('\x1b[B', 's02', 's08'),
                ('\x1bOA', 's01', 's07'), ('k', 's00', 's06'),
                ('k', 's00', 's06'), ('\x1b[6~', 's07', 's13'),
                ('b', 's00', 's06'), ('\x1b[F', 's33', 's39'),
                ('j', 's33', 's39'), ('g', 's00', 's06'),
                ('G', 's33', 's39'), ('\x1b[5~', 's26', 's32')):
            top.press(keys)
            shows(first, last)
        top.resize(80, 60)
        shows('s00', 's06')

    # The terminal -----------------------------------------------------------

    def test_fits_and_is_drawn_anew_on_resize(self):
        self.writer('a-camera-with-a-long-name-that-goes-on-and-on', rate=50,
                    size=100000)
        self.holder('a-camera-with-a-long-name-that-goes-on-and-on', 3, 1)
        top = self.top('--latency', columns=200)
        for columns, lines in ((200, 24), (80, 24), (40, 10), (120, 40),
                               (20, 5), (7, 3), (1, 1), (80, 24)):
            top.resize(columns, lines)
            # Whatever is too wide, or scrolls, is an error of the screen's.
            top.wait(lambda x: x[0] != '' and (lines < 3 or x[1] != ''),
                     f'{columns} x {lines}')
        top.wait_line(r'^a-camera-\S+… +live +\S+/s ')

    def test_narrow_keeps_what_matters(self):
        self.writer('cam0', rate=50)
        top = self.top(columns=40)
        top.wait_line(r'^SLOT +STATE +RATE +DROPS$')
        top.wait_line(r'^cam0 +live +\S+/s +0$')

    def assert_given_back(self, top):
        self.assertEqual(top.screen.modes, {'1049': False, '25': True,
                                            '7': True, '2026': False})
        self.assertEqual(top.mode(), top.before)

    def test_terminal_is_given_back(self):
        for number, code in ((signal.SIGINT, 0),
                             (signal.SIGTERM, -signal.SIGTERM),
                             (signal.SIGHUP, -signal.SIGHUP)):
            top = self.top('-l')
            top.wait_line('no slots')
            self.assertTrue(top.screen.modes['1049'])
            self.assertFalse(top.screen.modes['25'])
            self.assertNotEqual(top.mode(), top.before)
            top.kill(number)
            self.assertEqual(top.wait_end(), code)
            self.assert_given_back(top)

    def test_stop_key_stops_nothing(self):
        top = self.top()
        top.wait_line('no slots')
        top.press('\x13h')
        top.wait_line('^LAG  ')
        top.kill(signal.SIGTERM)
        self.assertEqual(top.wait_end(), -signal.SIGTERM)
        self.assert_given_back(top)

    def test_interrupt_key(self):
        top = self.top()
        top.wait_line('no slots')
        top.press('\x03')
        self.assertEqual(top.wait_end(), 0)
        self.assert_given_back(top)

    def test_ends_by_itself(self):
        top = self.top('-c', '2')
        self.assertEqual(top.wait_end(), 0)
        self.assert_given_back(top)

    def test_stopped_and_continued(self):
        self.writer('cam0', rate=50)
        top = self.top()
        top.wait_line('^cam0 ')
        for _ in range(2):
            top.press('\x1a')
            top.wait_stop()
            self.assert_given_back(top)
            top.screen.clear()
            top.kill(signal.SIGCONT)
            top.wait_line('^cam0 ')
            self.assertTrue(top.screen.modes['1049'])
            self.assertNotEqual(top.mode(), top.before)
        top.kill(signal.SIGSTOP)
        top.wait_stop()
        top.screen.clear()
        top.kill(signal.SIGCONT)
        top.wait_line('^cam0 ')
        top.press('q')
        self.assertEqual(top.wait_end(), 0)
        self.assert_given_back(top)

    def test_no_colors(self):
        self.writer('cam0', rate=50)
        top = self.top(NO_COLOR='1')
        top.wait_line('^cam0 +live')
        self.assertEqual(top.screen.colors, {'7', '0'})  # the titles
        colored = self.top()
        colored.wait_line('^cam0 +live')
        self.assertIn('32', colored.screen.colors)

    # In a file --------------------------------------------------------------

    def test_piped_has_no_escapes(self):
        self.writer('cam0', rate=50)
        self.holder('cam0', 1, 1)
        text = self.fcctl('top', '-c', '2', '-n', '0.1')
        self.assertNotIn('\x1b', text)
        rounds = text.split('\n\n')
        self.assertEqual(len(rounds), 2)
        for part in rounds:
            lines = part.splitlines()
            self.assertRegex(lines[0], r'^\d\d:\d\d:\d\d  1 slot, 1 consumer')
            self.assertRegex(lines[1], r'^SLOT .* CONS +MEMORY +FORMAT$')
            self.assertRegex(lines[2], r'^cam0 +live ')
            self.assertRegex(lines[3], r'^  \d+ slot-holder')

    def test_batch_on_a_terminal(self):
        self.writer('cam0', rate=50)
        output, code = self.on_terminal('top', '--batch', '-c', '1',
                                        columns=60, NO_COLOR='1')
        self.assertEqual(code, OK)
        self.assertNotIn('\x1b', output)
        self.assertLessEqual(max(map(len, output.splitlines())), 60)

    def test_dumb_terminal_gets_tables(self):
        self.writer('cam0', rate=50)
        output, code = self.on_terminal('top', '-c', '1', TERM='dumb')
        self.assertEqual(code, OK)
        self.assertNotIn('\x1b', output)
        self.assertIn('cam0', output)

    def test_json_is_an_object_a_line(self):
        self.writer('cam0', rate=50, depth=100)
        holder = self.holder('cam0', 1, 1)
        text = self.fcctl('top', '--json', '-c', '3', '-n', '0.3')
        rounds = [json.loads(line) for line in text.splitlines()]
        self.assertEqual(len(rounds), 3)
        heads = [x['slots'][0]['head'] for x in rounds]
        self.assertEqual(heads, sorted(set(heads)))
        slot = rounds[2]['slots'][0]
        self.assertGreater(slot['frame_rate'], 0)
        self.assertAlmostEqual(slot['bit_rate'] / slot['frame_rate'],
                               4096 * 8, delta=1)
        consumer, = slot['consumer_list']
        self.assertEqual(consumer['pid'], holder.pid)
        self.assertGreater(consumer['lag'], 0)
        self.assertEqual(set(self.show('cam0')) - set(slot), set())

    def test_latency_is_seen_without_attaching(self):
        writer = Program('FRAME_WRITER', self.directory, 'cam0', '4096', 'x')
        self.addCleanup(writer.end)
        for age in 40, 70, 20:
            writer.process.stdin.write(f'frame age={age * 1000000}\n')
            writer.process.stdin.flush()
            writer.expect('frame')
        slot = json.loads(self.fcctl('top', '-j', '-c', '1'))['slots'][0]
        self.assertGreaterEqual(slot['observed_latency_ns'], 70000000)
        self.assertEqual(slot['consumers'], 0)
        text = self.fcctl('top', '-c', '1')
        self.assertRegex(text, r'LATENCY')
        self.assertRegex(text, r'(?m)^cam0 .* [\d.]+ m?s ')

    def test_latency_is_measured_as_a_consumer(self):
        self.writer('cam0', rate=50)
        top = json.loads(self.fcctl('top', '-j', '-l', '-c', '1', '-n', '0.5'))
        slot = top['slots'][0]
        delay = slot['commit_to_here_ns']
        self.assertLessEqual(delay['min'], delay['p50'])
        self.assertLessEqual(delay['p50'], delay['p99'])
        self.assertLessEqual(delay['p99'], delay['max'])
        self.assertGreater(delay['min'], 0)
        # fcctl itself is not among those that are shown.
        self.assertEqual(slot['consumer_list'], [])
        without = json.loads(self.fcctl('top', '-j', '-c', '1'))['slots'][0]
        self.assertNotIn('commit_to_here_ns', without)

    @unittest.skipUnless(os.geteuid() == 0, 'only root gives slots away')
    def test_consumers_that_may_not_be_seen(self):
        os.chmod(self.directory, 0o755)
        self.fcctl('create', 'cam0', '4096', '--access=all', '--owner=nobody')
        # A user like any other, and one who may run what was built.
        who = ('setpriv', '--inh-caps=-all', '--bounding-set=-all')
        self.assertRegex(self.fcctl('top', '-c', '1', prefix=who),
                         r'(?m)^cam0 +reserved .* - +0 +- +- +\S+ .iB  -$')
        top = json.loads(self.fcctl('top', '-j', '-c', '1', prefix=who))
        self.assertIsNone(top['slots'][0]['consumer_list'])

    def test_more_slots_than_files_may_be_open_at_first(self):
        self.writer(*[f's{i:02}' for i in range(40)], rate=10)
        text = self.fcctl('top', '-c', '2', '-n', '0.1',
                          prefix=['prlimit', '--nofile=40:4096'])
        self.assertEqual(len(re.findall(r'(?m)^s\d\d +live', text)), 80)

    def test_reader_that_leaves_ends_it(self):
        self.writer('cam0', rate=50)
        ours, theirs = os.pipe()
        os.close(ours)
        result = self.run_fcctl('top', '-n', '0.1', stdout=theirs)
        os.close(theirs)
        self.assertEqual(result.returncode, -signal.SIGPIPE)

    def test_wrong_options(self):
        for words in (['-n', '0'], ['-n', 'nan'], ['-n', '1e9'], ['-c', '-1'],
                      ['--sort', 'beauty'], ['cam0']):
            self.assertRegex(self.fails(USAGE, 'top', *words), re.escape(
                words[-1] if words[0] != '-n' else 'interval')[:3])


if __name__ == '__main__':
    main()
