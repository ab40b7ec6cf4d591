#!/usr/bin/env python3
# framecache: fcctl dump
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import signal
import stat
import subprocess

from fcctl_case import (BOUND, FAILED, FCCTL, NO_SLOT, USAGE, Case, Program,
                        main, wait_for)

SIZE = 5000


class Dump(Case):
    def setUp(self):
        super().setUp()
        self.folder = self.scratch()
        self.file = self.folder / 'frame'

    def frames(self, *fills, slot='cam0', **fields):
        """A writer that has written a frame of each of FILLS."""
        writer = Program('FRAME_WRITER', self.directory, slot, str(SIZE),
                         'test/frames')
        self.addCleanup(writer.end)
        for fill in fills:
            self.frame(writer, fill=fill, **fields)
        return writer

    def tell(self, writer, line):
        writer.process.stdin.write(line + '\n')
        writer.process.stdin.flush()
        writer.expect(line.split()[0])

    def frame(self, writer, **fields):
        self.tell(writer, 'frame ' + ' '.join(
            f'{key}={value}' for key, value in fields.items()))

    def start(self, *words, **keywords):
        process = subprocess.Popen(
            [FCCTL, 'dump', *map(str, words)], stdin=subprocess.DEVNULL,
            env=self.environment(), stderr=subprocess.PIPE, **keywords)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def assert_only(self, *names):
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(names))

    # Which frames -----------------------------------------------------------

    def test_newest_frame(self):
        self.frames(1, 2, 3)
        self.assertEqual(self.fcctl('dump', 'cam0', self.file), '')
        self.assertEqual(self.file.read_bytes(), b'\3' * SIZE)
        self.assert_only('frame')

    def test_to_a_pipe(self):
        self.frames(65)
        self.assertEqual(self.fcctl('dump', 'cam0'), 'A' * SIZE)
        self.assertEqual(self.fcctl('dump', 'cam0', '-'), 'A' * SIZE)

    def test_oldest_and_so_many(self):
        self.frames(1, 2, 3, 4)
        self.fcctl('dump', 'cam0', self.file, '-n', '3', '--start', 'oldest')
        self.assertEqual(self.file.read_bytes(),
                         b'\1' * SIZE + b'\2' * SIZE + b'\3' * SIZE)

    def test_newest_key_frame(self):
        writer = self.frames()
        for fill, flags in ((1, 1), (2, 2), (3, 1), (4, 2), (5, 2)):
            self.frame(writer, fill=fill, flags=flags)
        self.fcctl('dump', 'cam0', self.file, '--start', 'key')
        self.assertEqual(self.file.read_bytes(), b'\3' * SIZE)

    def test_next_frame(self):
        writer = self.frames(1)
        dump = self.start('cam0', self.file, '--start', 'live', '-a')
        wait_for(lambda: self.show('cam0')['consumers'] == 1, 'attached')
        self.frame(writer, fill=2)
        self.assertEqual(dump.wait(BOUND), 0)
        self.assertEqual(self.file.read_bytes(), b'\2' * SIZE)

    def test_gaps_have_no_bytes(self):
        writer = self.frames(1)
        self.frame(writer, flags=8, size=0)
        self.frame(writer, fill=2)
        self.fcctl('dump', 'cam0', self.file, '-n', '2', '-s', 'oldest')
        self.assertEqual(self.file.read_bytes(), b'\1' * SIZE + b'\2' * SIZE)

    def test_the_slot_never_knows(self):
        writer = self.frames(1)
        dump = self.start('cam0', self.file, '-n', '2')
        wait_for(lambda: len(os.listdir(self.folder)) == 1, 'the first frame')
        self.assertEqual(self.show('cam0')['consumers'], 0)
        self.frame(writer, fill=2)
        self.assertEqual(dump.wait(BOUND), 0)

    def test_of_a_dead_writer(self):
        self.frames(1, 2).kill()
        self.assertEqual(self.show('cam0')['state'], 'lost')
        self.fcctl('dump', 'cam0', self.file)
        self.assertEqual(self.file.read_bytes(), b'\2' * SIZE)

    # What goes with them ----------------------------------------------------

    def test_meta(self):
        self.frames(1, 2, flags=1, pts=40, dts=30, duration=20, age=1000)
        meta = self.folder / 'meta'
        self.fcctl('dump', 'cam0', self.file, '-n', '2', '-s', 'oldest',
                   '--meta', meta)
        lines = [json.loads(x) for x in meta.read_text().splitlines()]
        self.assertEqual([x['seq'] for x in lines], [0, 1])
        for line in lines:
            self.assertLess(line['capture_ns'], line['commit_ns'])
            self.assertEqual(
                {key: line[key] for key in (
                    'slot', 'format', 'generation', 'epoch', 'size', 'dropped',
                    'pts_ns', 'dts_ns', 'duration_ns', 'offset')},
                {'slot': 'cam0', 'format': 'test/frames', 'generation': 1,
                 'epoch': 1, 'size': SIZE, 'dropped': 0, 'pts_ns': 40,
                 'dts_ns': 30, 'duration_ns': 20, 'offset': None})
            self.assertIn('key', line['flags'])

    def test_meta_on_standard_error(self):
        self.frames(65)
        result = self.run_fcctl('dump', 'cam0', '-m', '-')
        self.assertEqual(result.stdout, b'A' * SIZE)
        self.assertEqual(json.loads(result.stderr)['size'], SIZE)

    def test_json_on_standard_output(self):
        self.frames(1, 2)
        lines = self.fcctl('dump', 'cam0', self.file, '--json', '-n', '2',
                           '-s', 'oldest').splitlines()
        self.assertEqual([json.loads(x)['seq'] for x in lines], [0, 1])
        self.assertIn('FILE', self.fails(USAGE, 'dump', 'cam0', '--json'))

    # Following --------------------------------------------------------------

    def test_follows_until_the_end(self):
        writer = self.frames(1)
        dump = self.start('cam0', self.file, '--follow')
        for fill in range(2, 10):
            wait_for(lambda: self.file.exists() and self.file.stat().st_size
                     == SIZE * (fill - 1), 'the frame before')
            self.frame(writer, fill=fill)
        self.tell(writer, 'finish')
        self.assertEqual(dump.wait(BOUND), 0)
        self.assertEqual(self.file.read_bytes(), b''.join(
            bytes([fill]) * SIZE for fill in range(1, 10)))

    def test_interrupt_ends_following(self):
        self.frames(1)
        dump = self.start('cam0', self.file, '--follow')
        wait_for(lambda: self.file.exists() and self.file.stat().st_size
                 == SIZE, 'the frame')
        dump.send_signal(signal.SIGINT)
        self.assertEqual(dump.wait(BOUND), 0)
        self.assertEqual(self.file.read_bytes(), b'\1' * SIZE)

    def test_lost_frames_are_told(self):
        writer = self.frames(1)
        ours, theirs = os.pipe()
        dump = self.start('cam0', '-', '-f', stdout=theirs)
        os.close(theirs)
        self.assertEqual(os.read(ours, 1), b'\1')
        for _ in range(60):  # the pipe has 64 KiB, the ring 16 frames
            self.frame(writer, fill=2)
        self.tell(writer, 'finish')
        taken = 1
        while chunk := os.read(ours, 65536):
            taken += len(chunk)
        os.close(ours)
        self.assertEqual(dump.wait(BOUND), 0)
        self.assertEqual(taken % SIZE, 0)
        self.assertIn(f'{61 - taken // SIZE} frames', dump.stderr.read()
                      .decode())
        self.assertLess(taken // SIZE, 61)

    def test_another_format_is_not_mixed_in(self):
        writer = self.frames(1)
        dump = self.start('cam0', self.file, '--follow')
        wait_for(lambda: self.file.exists() and self.file.stat().st_size
                 == SIZE, 'the frame')
        self.tell(writer, 'format test/others')
        self.frame(writer, fill=2)
        self.assertEqual(dump.wait(BOUND), FAILED)
        self.assertIn(b'another format', dump.stderr.read())
        self.assertEqual(self.file.read_bytes(), b'\1' * SIZE)

    # What goes wrong --------------------------------------------------------

    def test_nothing_is_half_done(self):
        """The file that is there stays until there is a whole new one."""
        self.file.write_text('before')
        self.fails(NO_SLOT, 'dump', 'nothere', self.file, '-w', '0.1')
        writer = self.frames(1)
        self.assertIn('no frame', self.fails(
            FAILED, 'dump', 'cam0', self.file, '-n', '2', '-w', '0.1'))
        self.tell(writer, 'finish')
        self.assertIn('1 of 2 frames', self.fails(
            FAILED, 'dump', 'cam0', self.file, '-n', '2'))
        dump = self.start('cam0', self.file, '-s', 'live')
        dump.send_signal(signal.SIGINT)
        self.assertNotEqual(dump.wait(BOUND), 0)
        self.assertEqual(self.file.read_text(), 'before')
        self.assert_only('frame')

    def test_interrupt_leaves_nothing(self):
        self.frames(1)
        dump = self.start('cam0', self.file, '-n', '2', '-w', str(BOUND))
        wait_for(lambda: len(os.listdir(self.folder)) == 1, 'the first frame')
        dump.send_signal(signal.SIGTERM)
        self.assertEqual(dump.wait(BOUND), -signal.SIGTERM)
        self.assert_only()

    def test_reserved_slot_has_no_frame(self):
        self.fcctl('create', 'cam0', '4096')
        self.assertIn('no frame', self.fails(FAILED, 'dump', 'cam0', self.file,
                                             '-w', '0.1'))

    def test_not_on_a_terminal(self):
        self.frames(65)
        output, code = self.on_terminal('dump', 'cam0')
        self.assertEqual(code, FAILED)
        self.assertNotIn('AAA', output)
        self.assertIn('not for a terminal', output)

    def test_full_disk_is_said(self):
        self.frames(1)
        self.assertIn('No space left', self.fails(FAILED, 'dump', 'cam0',
                                                  '/dev/full'))
        self.assertTrue(stat.S_ISCHR(os.stat('/dev/full').st_mode))
        self.assertIn('/nowhere/frame', self.fails(
            FAILED, 'dump', 'cam0', '/nowhere/frame'))

    def test_file_keeps_its_mode(self):
        self.frames(1)
        self.file.write_text('before')
        self.file.chmod(0o640)
        self.fcctl('dump', 'cam0', self.file)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o640)

    def test_wrong_options(self):
        for words in ([], ['a', 'b', 'c'], ['a', '-n', '0'], ['a', '-w', '-1'],
                      ['a', '-s', 'middle'], ['a', '--json'], ['a/b']):
            self.fails(USAGE, 'dump', *words)


if __name__ == '__main__':
    main()
