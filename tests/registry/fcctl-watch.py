#!/usr/bin/env python3
# framecache: fcctl watch
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import signal
import subprocess
import time

from fcctl_case import (BOUND, FCCTL, NO_SLOT, USAGE, Case, Program, main)

MS = 1000000


class Watcher:
    """fcctl watch --json, line by line."""

    def __init__(self, case, *words):
        self.process = subprocess.Popen(
            [FCCTL, 'watch', '--json', *words], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=case.environment())
        case.addCleanup(self.end)
        self.seen = []

    def next(self):
        line = self.process.stdout.readline()
        if line == '':
            raise AssertionError(f'ended: {self.process.stderr.read()}')
        self.seen.append(json.loads(line))
        return self.seen[-1]

    def wait(self, condition, what):
        """The first object that is so; they come once a second."""
        end = time.monotonic() + BOUND
        while not condition(found := self.next()):
            assert time.monotonic() < end, f'never came: {what}'
        return found

    def event(self, name):
        return self.wait(lambda x: x.get('event') == name, name)

    def second(self):
        return self.wait(lambda x: x['type'] == 'second', 'a second')

    def summary(self, frames=0):
        """The last object, once FRAMES came or were lost."""
        while sum(x['frames'] + x['dropped'] for x in self.seen
                  if x['type'] == 'second') < frames:
            self.second()
        self.process.send_signal(signal.SIGINT)
        summary = self.wait(lambda x: x['type'] == 'summary', 'summary')
        assert self.process.wait(BOUND) == 0
        return summary

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class Watch(Case):
    def frames(self, slot='cam0', size=4096, text='test/frames'):
        writer = Program('FRAME_WRITER', self.directory, slot, str(size), text)
        self.addCleanup(writer.end)
        return writer

    def frame(self, writer, **fields):
        words = ' '.join(f'{key}={value}' for key, value in fields.items())
        writer.process.stdin.write(f'frame {words}\n')
        writer.process.stdin.flush()
        writer.expect('frame')

    # What it counts ---------------------------------------------------------

    def test_every_frame_is_counted(self):
        writer = self.frames()
        watch = Watcher(self, 'cam0')
        watch.event('attached')
        for i in range(7):
            self.frame(writer, flags=1 if i % 3 == 0 else 2, size=1000)
        total = watch.summary(7)
        self.assertEqual(
            {key: total[key] for key in (
                'frames', 'key_frames', 'bytes', 'dropped', 'laps', 'gaps')},
            {'frames': 7, 'key_frames': 3, 'bytes': 7000, 'dropped': 0,
             'laps': 0, 'gaps': 0})

    def test_seconds_add_up_to_the_summary(self):
        self.writer('cam0', rate=100)
        watch = Watcher(self, 'cam0')
        for _ in range(2):
            second = watch.second()
            self.assertGreater(second['frames'], 0)
            self.assertAlmostEqual(
                second['frame_rate'],
                second['frames'] * 1e9 / second['elapsed_ns'], places=3)
        total = watch.summary()
        seconds = [x for x in watch.seen if x['type'] == 'second']
        self.assertGreaterEqual(total['frames'],
                                sum(x['frames'] for x in seconds))
        self.assertGreaterEqual(total['elapsed_ns'],
                                sum(x['elapsed_ns'] for x in seconds))

    def test_gaps_in_the_streams_time(self):
        writer = self.frames()
        watch = Watcher(self, 'cam0')
        watch.event('attached')
        for i in (0, 1, 2, 5, 6, 8):  # two holes: of two frames, and of one
            self.frame(writer, pts=i * 20 * MS, duration=20 * MS)
        total = watch.summary(6)
        self.assertEqual((total['gaps'], total['gap_ns']), (2, 60 * MS))

    def test_reordered_frames_are_no_gaps(self):
        writer = self.frames()
        watch = Watcher(self, 'cam0')
        watch.event('attached')
        for i, shown in enumerate((0, 3, 1, 2, 6, 4, 5)):
            self.frame(writer, dts=i * 20 * MS, pts=shown * 20 * MS,
                       duration=20 * MS)
        self.assertEqual(watch.summary(7)['gaps'], 0)

    def test_latencies(self):
        writer = self.frames()
        watch = Watcher(self, 'cam0')
        watch.event('attached')
        for age in (30, 40, 50, 60):
            self.frame(writer, age=age * MS)
        total = watch.summary(4)
        commit = total['capture_to_commit_ns']
        for key, age in (('min', 30), ('p50', 40), ('p99', 60), ('max', 60)):
            # Buckets are 3 % wide; what the writer took comes on top.
            self.assertGreaterEqual(commit[key], age * MS)
        self.assertLess(commit['min'], commit['max'])
        here, hand_over = total['capture_to_here_ns'], total[
            'commit_to_here_ns']
        self.assertGreaterEqual(here['min'], commit['min'])
        self.assertGreater(hand_over['min'], 0)
        self.assertGreaterEqual(here['max'], hand_over['min'] + 60 * MS)

    def test_lost_frames_are_counted(self):
        writer = self.frames()
        watch = Watcher(self, 'cam0')
        watch.event('attached')
        self.frame(writer)
        watch.wait(lambda x: x['type'] == 'second' and x['frames'] == 1,
                   'the first frame')
        watch.process.send_signal(signal.SIGSTOP)
        for _ in range(50):  # the ring has 16
            self.frame(writer)
        watch.process.send_signal(signal.SIGCONT)
        total = watch.summary(51)
        self.assertEqual(total['frames'] + total['dropped'], 51)
        self.assertGreaterEqual(total['dropped'], 50 - 16 - 1)
        self.assertEqual(total['laps'], 1)

    # How it attaches --------------------------------------------------------

    def test_as_a_consumer_or_an_observer(self):
        self.writer('cam0', rate=50)
        watch = Watcher(self, 'cam0')
        self.assertFalse(watch.second()['observing'])
        consumer, = self.show('cam0')['consumer_list']
        self.assertEqual((consumer['pid'], consumer['name'],
                          consumer['leases']),
                         (watch.process.pid, 'fcctl watch', 0))
        watch.summary()
        self.assertEqual(self.show('cam0')['consumer_list'], [])
        watch = Watcher(self, '--observe', 'cam0')
        second = watch.second()
        self.assertTrue(second['observing'])
        self.assertGreater(second['frames'], 0)
        self.assertEqual(self.show('cam0')['consumer_list'], [])

    def test_full_table_is_an_error(self):
        self.writer('cam0', rate=50, consumers=1)
        self.holder('cam0', 1, 0)
        self.assertIn('1', self.fails(1, 'watch', 'cam0'))
        self.fcctl('watch', 'cam0', '--observe', '-c', '1')

    def test_no_such_slot(self):
        self.assertIn('nothere', self.fails(NO_SLOT, 'watch', 'nothere'))
        self.assertIn('nothere', self.fails(NO_SLOT, 'watch', 'nothere',
                                            '--wait', '0.2'))

    def test_waits_for_a_slot(self):
        watch = Watcher(self, 'cam0', '--wait', str(BOUND))
        self.writer('cam0', rate=50)
        watch.event('attached')
        self.assertGreater(watch.second()['frames'], 0)

    def test_count_ends_it(self):
        self.writer('cam0', rate=50)
        lines = self.fcctl('watch', 'cam0', '-j', '-c', '2').splitlines()
        self.assertEqual([json.loads(x)['type'] for x in lines],
                         ['event', 'second', 'second', 'summary'])

    def test_wrong_options(self):
        for words in ([], ['a', 'b'], ['a', '-w', '-1'], ['a', '-c', '-1'],
                      ['a/b']):
            self.fails(USAGE, 'watch', *words)

    # What it follows --------------------------------------------------------

    def test_new_format(self):
        writer = self.frames(text='first')
        watch = Watcher(self, 'cam0')
        self.assertIn('first', watch.event('attached')['text'])
        self.frame(writer)
        writer.process.stdin.write('format second\n')
        writer.process.stdin.flush()
        writer.expect('format')
        self.assertIn('second', watch.event('generation')['text'])
        self.frame(writer)
        total = watch.summary(2)
        self.assertEqual((total['frames'], total['dropped'],
                          total['generation']), (2, 0, 2))

    def test_writer_dies_and_another_goes_on(self):
        writer = self.writer('cam0', rate=50)
        watch = Watcher(self, 'cam0')
        watch.second()
        writer.kill()
        watch.event('writer-lost')
        self.writer('cam0', rate=50)
        self.assertIn('epoch 2', watch.event('writer-back')['text'])
        self.assertGreater(watch.wait(
            lambda x: x['type'] == 'second' and x['epoch'] == 2,
            'frames of the next writer')['frames'], 0)

    def test_end_of_stream_and_the_next(self):
        writer = self.frames()
        watch = Watcher(self, 'cam0')
        watch.event('attached')
        self.frame(writer)
        writer.process.stdin.write('finish\n')
        writer.process.stdin.flush()
        writer.expect('finish')
        watch.event('eos')
        writer.end()
        writer = self.frames()
        self.frame(writer)
        watch.event('attached')
        self.assertEqual(watch.summary(2)['frames'], 2)

    # What it looks like -----------------------------------------------------

    def test_text(self):
        self.writer('cam0', rate=50)
        text = self.fcctl('watch', 'cam0', '-c', '2')
        self.assertNotIn('\x1b', text)
        lines = text.splitlines()
        self.assertRegex(lines[0], r'cam0: attached to generation 1: test/')
        self.assertEqual(lines[1].split(), [
            'TIME', 'RATE', 'BIT', 'RATE', 'DROPS', 'GAPS', 'HAND-OVER',
            'LATENCY'])
        number = r'[0-9.]+/[0-9.]+/[0-9.]+/[0-9.]+ [um]s'
        for line in lines[2:4]:
            self.assertRegex(
                line, r'^\d\d:\d\d:\d\d +[0-9.]+/s +[0-9.]+ .bit/s +0 +0 +'
                rf'{number} +{number}$')
        self.assertRegex(text, r'\ncam0: \d+ frames in ')
        self.assertRegex(text, r'\n  dropped +0 in 0 laps\n')

    def test_narrow_terminal(self):
        self.writer('cam0', rate=50, format='x' * 300)
        for columns in 80, 40, 10:
            output, code = self.on_terminal('watch', 'cam0', '-c', '1',
                                            columns=columns, NO_COLOR='1')
            self.assertEqual(code, 0)
            lines = output.split('\n\n')[0].splitlines()
            self.assertEqual(len(lines), 3)
            self.assertLessEqual(max(map(len, lines)), columns)
            if columns >= 40:
                self.assertRegex(lines[2], r'/s .*\d/[0-9.]+ [um]s')

    def test_hostile_format(self):
        self.writer('cam0', rate=50, format='a\x1b[2J\x07')
        text = self.fcctl('watch', 'cam0', '-c', '1')
        self.assertNotIn('\x1b', text)
        self.assertIn(r'a\x1b[2J\x07', text)


if __name__ == '__main__':
    main()
