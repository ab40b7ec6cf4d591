#!/usr/bin/env python3
# framecache: fcctl snapshot
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import unittest
import zlib

from fcctl_case import (BOUND, FAILED, FCCTL, NO_SLOT, USAGE, Case, Program,
                        main, wait_for)

RED, BLUE = 'pattern=solid-color foreground-color=0xffff0000', (
    'pattern=solid-color foreground-color=0xff0000ff')


def png_pixels(data):
    """Width, height and the first pixel of each row, of 8-bit RGB or RGBA."""
    assert data[:8] == b'\x89PNG\r\n\x1a\n'
    at, packed, header = 8, b'', None
    while at < len(data):
        size, name = struct.unpack('>I4s', data[at:at + 8])
        chunk = data[at + 8:at + 8 + size]
        crc, = struct.unpack('>I', data[at + 8 + size:at + 12 + size])
        assert crc == zlib.crc32(name + chunk), name
        if name == b'IHDR':
            header = struct.unpack('>IIBBBBB', chunk)
        elif name == b'IDAT':
            packed += chunk
        at += 12 + size
    assert name == b'IEND'
    width, height, depth, kind, *_ = header
    assert depth == 8 and kind in (2, 6), header
    size = 3 if kind == 2 else 4
    raw = zlib.decompress(packed)
    above, rows = bytes(size), []
    for y in range(height):
        row = raw[y * (width * size + 1):(y + 1) * (width * size + 1)]
        pixel = row[1:1 + size]
        # Left of the first pixel is nothing: of the filters, these matter.
        if row[0] in (2, 4):
            pixel = bytes((a + b) & 255 for a, b in zip(pixel, above))
        elif row[0] == 3:
            pixel = bytes((a + b // 2) & 255 for a, b in zip(pixel, above))
        rows.append(pixel[:3])
        above = pixel
    return width, height, rows


def tell(writer, line):
    writer.process.stdin.write(line + '\n')
    writer.process.stdin.flush()
    writer.expect(line.split()[0])


def has_element(name):
    return shutil.which('gst-inspect-1.0') and subprocess.run(
        ['gst-inspect-1.0', '--exists', name], check=False).returncode == 0


@unittest.skipIf(pathlib.Path(FCCTL).with_name('fcctl-snapshot').exists(),
                 'built with GStreamer')
class Without(Case):
    def test_what_is_missing_is_said(self):
        writer = Program('FRAME_WRITER', self.directory, 'cam0', '64',
                         'image/jpeg')
        self.addCleanup(writer.end)
        tell(writer, 'frame flags=1')
        self.assertIn('without GStreamer', self.fails(
            FAILED, 'snapshot', 'cam0', '/dev/null', '--type=png'))


@unittest.skipUnless(os.environ.get('FC_GST'), 'no GStreamer to try it with')
class Snapshot(Case):
    def setUp(self):
        super().setUp()
        self.folder = self.scratch()
        self.temporary = self.scratch()
        self.png = self.folder / 'picture.png'

    def environment(self, **changes):
        return super().environment(TMPDIR=str(self.temporary), **changes)

    def tearDown(self):
        self.assertEqual(os.listdir(self.temporary), [])

    def pipeline(self, text, slot='cam0'):
        """A pipeline that writes SLOT, which has frames by then."""
        process = subprocess.Popen(
            ['gst-launch-1.0', '-q', *text.split(), '!', 'fcsink',
             f'slot={slot}', f'directory={self.directory}'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def has_frames():
            self.assertIsNone(process.poll())
            return (pathlib.Path(self.directory, f'{slot}.ring').exists()
                    and self.show(slot)['head'] > 0)

        wait_for(has_frames, 'a frame')
        return process

    def source(self, color=RED, caps='video/x-raw,format=NV12'):
        return (f'videotestsrc is-live=true {color} ! '
                f'{caps},width=64,height=48,framerate=30/1')

    def frames(self, *frames, text='video/x-raw'):
        """A slot of whatever bytes, that says it is TEXT."""
        writer = Program('FRAME_WRITER', self.directory, 'cam0', '6912', text)
        self.addCleanup(writer.end)
        for fields in frames:
            tell(writer, f'frame {fields}')
        return writer

    def assert_is(self, color, tolerance=12):
        width, height, rows = png_pixels(self.png.read_bytes())
        self.assertEqual((width, height), (64, 48))
        for row in rows:
            for is_there, wanted in zip(row, color):
                self.assertAlmostEqual(is_there, wanted, delta=tolerance)

    # Pictures ---------------------------------------------------------------

    def test_raw_video(self):
        self.pipeline(self.source())
        self.assertEqual(self.fcctl('snapshot', 'cam0', self.png), '')
        self.assert_is((255, 0, 0))
        self.assertEqual(os.listdir(self.folder), ['picture.png'])

    def test_exact_pixels(self):
        self.pipeline(self.source(BLUE, 'video/x-raw,format=RGB'))
        self.fcctl('snapshot', 'cam0', self.png)
        self.assert_is((0, 0, 255), 0)

    def test_lines_that_are_padded(self):
        """The planes lie as the buffer's meta says, which travels with it."""
        self.pipeline('videotestsrc is-live=true pattern=solid-color '
                      'foreground-color=0xff00ff00 ! video/x-raw,format=I420,'
                      'width=100,height=64,framerate=30/1 ! '
                      'videocrop right=36 bottom=16')
        self.fcctl('snapshot', 'cam0', self.png)
        self.assert_is((0, 255, 0))

    def test_jpeg_by_the_suffix(self):
        self.pipeline(self.source())
        for name in 'a.jpg', 'a.JPEG':
            file = self.folder / name
            self.fcctl('snapshot', 'cam0', file)
            self.assertEqual(file.read_bytes()[:3], b'\xff\xd8\xff')
            self.assertEqual(file.read_bytes()[-2:], b'\xff\xd9')

    def test_to_a_pipe(self):
        self.pipeline(self.source())
        result = self.run_fcctl('snapshot', 'cam0', '-', '--type=png')
        self.assertEqual((result.returncode, result.stderr), (0, b''))
        self.png.write_bytes(result.stdout)
        self.assert_is((255, 0, 0))

    def test_coded_pictures(self):
        self.pipeline(self.source(caps='video/x-raw') + ' ! jpegenc')
        self.fcctl('snapshot', 'cam0', self.png)
        self.assert_is((255, 0, 0), 30)  # whose range is another one

    @unittest.skipUnless(has_element('openh264enc') and has_element(
        'h264parse') and has_element('avdec_h264'), 'needs H.264')
    def test_coded_video(self):
        """Of which the newest frame alone can not be decoded."""
        self.pipeline(self.source(BLUE, 'video/x-raw,format=I420')
                      + ' ! openh264enc gop-size=1000 ! h264parse')
        wait_for(lambda: self.show('cam0')['head'] > 3, 'delta frames')
        self.fcctl('snapshot', 'cam0', self.png)
        self.assert_is((0, 0, 255))

    def test_of_a_dead_writer(self):
        writer = self.pipeline(self.source())
        writer.kill()
        writer.wait()
        self.assertEqual(self.show('cam0')['state'], 'lost')
        self.fcctl('snapshot', 'cam0', self.png)
        self.assert_is((255, 0, 0))

    def test_the_slot_never_knows(self):
        """It sees a frame that nobody else was given, and leaves no trace."""
        self.frames('flags=2')
        snapshot = subprocess.Popen(
            [FCCTL, 'snapshot', 'cam0', self.png, '-w', str(BOUND)],
            env=self.environment(), stderr=subprocess.DEVNULL)
        self.addCleanup(snapshot.wait)
        self.addCleanup(snapshot.kill)
        wait_for(lambda: os.listdir(self.temporary), 'attached')
        self.assertEqual(self.show('cam0')['consumers'], 0)
        snapshot.send_signal(signal.SIGTERM)
        self.assertEqual(snapshot.wait(BOUND), -signal.SIGTERM)

    # What goes wrong --------------------------------------------------------

    def test_audio_has_no_pictures(self):
        self.pipeline('audiotestsrc is-live=true')
        self.assertRegex(self.fails(FAILED, 'snapshot', 'cam0', self.png),
                         'no pictures.*audio/x-raw')
        self.assertFalse(self.png.exists())

    def test_format_of_ones_own_has_no_pictures(self):
        self.writer('cam0', rate=50, format='\x1b[2Jmine')
        self.assertRegex(self.fails(FAILED, 'snapshot', 'cam0', self.png),
                         r'no pictures.*\\x1b\[2Jmine')

    def test_no_slot_and_no_frame(self):
        self.png.write_text('before')
        self.assertIn('nothere', self.fails(
            NO_SLOT, 'snapshot', 'nothere', self.png, '-w', '0.1'))
        self.fcctl('create', 'empty', '4096')
        self.assertIn('no frame', self.fails(
            FAILED, 'snapshot', 'empty', self.png, '-w', '0.1'))
        self.frames('flags=2', 'flags=2', text='video/x-h264')  # no key frame
        self.assertIn('no frame', self.fails(
            FAILED, 'snapshot', 'cam0', self.png, '-w', '0.1'))
        self.assertEqual(self.png.read_text(), 'before')
        self.assertEqual(os.listdir(self.folder), ['picture.png'])

    def test_missing_decoder_is_named(self):
        self.frames('flags=1', text='video/x-of-the-future, width=(int)64, '
                    'height=(int)48')
        self.assertRegex(self.fails(FAILED, 'snapshot', 'cam0', self.png),
                         'lacks a plug-in: .*of-the-future')

    def test_missing_element_is_named(self):
        self.pipeline(self.source())
        self.assertRegex(self.fails(
            FAILED, 'snapshot', 'cam0', self.png, environment={
                'GST_PLUGIN_PATH_1_0': '', 'GST_PLUGIN_PATH': '',
                'GST_REGISTRY_1_0': str(self.folder / 'registry.bin')}),
            'no element fcsrc.*GST_PLUGIN_PATH')

    def test_frame_that_is_no_picture(self):
        self.frames('flags=1 fill=7', text='image/jpeg')
        # The decoder's own words, or its base class's from 1.24 on.
        self.assertRegex(self.fails(FAILED, 'snapshot', 'cam0', self.png),
                         'decoded|No valid frames')
        self.assertEqual(os.listdir(self.folder), [])

    def test_file_that_can_not_be(self):
        self.pipeline(self.source())
        self.assertIn('/nowhere/a.png', self.fails(
            FAILED, 'snapshot', 'cam0', '/nowhere/a.png'))

    def test_wrong_arguments(self):
        for words, say in ((['a'], 'SLOT FILE'), (['a', 'b.gif'], 'b.gif'),
                           (['a', '-'], '--type'), (['a', 'b.png', '-t', 'x'],
                                                    '"x"'),
                           (['a', 'b.png', '-w', '-1'], 'wait'),
                           (['a/b', 'c.png'], 'a/b')):
            self.assertIn(say, self.fails(USAGE, 'snapshot', *words))


if __name__ == '__main__':
    main()
