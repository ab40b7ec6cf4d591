#!/usr/bin/env python3
# framecache: a real clip through a slot, held against its direct decode
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# real-clip.py CLIP-FRAMES CASE, where that is the program, and CASE is one of
#
#   whole      the decoded pictures, all of them, in two other processes
#   throttled  a consumer that is too slow: what is missing is what it tells
#   undecoded  the H.264 and the AAC as they are in the file
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CLIP = ('/usr/share/forensics-samples/original-files/movie1/'
        'VID_20191220_170832.mp4')
FILE = f'filesrc location={CLIP} ! qtdemux name=d '
VIDEO = FILE + 'd.video_0 ! queue ! h264parse ! '
AUDIO = FILE + 'd.audio_0 ! queue ! aacparse ! '
PICTURE = 1920 * 1080 * 3 // 2
PATIENCE = 240  # s, for any process; none of them comes near it


class Frames:
    """What clip-frames printed."""

    def __init__(self, text):
        self.frames = []
        self.said = {}
        for line in text.splitlines():
            word, rest = line.split(' ', 1)
            if word == 'frame':
                self.frames.append(rest)
            elif word == 'caps':
                self.caps = rest
            else:
                self.said[word] = int(rest)


class Process:
    def __init__(self, *args):
        self.process = subprocess.Popen(
            args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=dict(os.environ, G_DEBUG='fatal-warnings'))

    def finish(self):
        out, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, \
            f'{self.process.args}: exit {self.process.returncode}'
        return out


processes = []


def start(*args):
    processes.append(Process(*args))
    return processes[-1]


def watch(line):
    return start(sys.argv[1], line)


def waits_for_slot(process):
    fds = f'/proc/{process.process.pid}/fd'
    for fd in os.listdir(fds):
        try:
            if os.readlink(f'{fds}/{fd}') == 'anon_inode:inotify':
                return True
        except FileNotFoundError:
            pass  # closed meanwhile
    return False


def write(readers, line):
    """LINE into the slot, once all READERS wait for it to be made; the slot is
    there until it is finished."""
    end = time.monotonic() + PATIENCE
    while not all(waits_for_slot(reader) for reader in readers):
        assert time.monotonic() < end, 'not every reader waits for the slot'
        time.sleep(0.01)
    return watch(line)


def consumer(options, end='fakesink'):
    return watch(f'fcsrc name=src slot=clip timestamps=stream {options} ! '
                 f'{end} name=out sync=false')


def check_memory(frames):
    have = shutil.disk_usage(os.environ['FC_DIR']).free
    need = (frames + 16) * (PICTURE + 4096)
    if have < need:
        sys.exit(f'{os.environ["FC_DIR"]} has {have} bytes free and the clip '
                 f'takes {need}: mount a larger /dev/shm '
                 f'(mount -o remount,size=512m /dev/shm)')


def direct(line):
    frames = Frames(watch(line + 'fakesink name=out sync=false').finish())
    assert len(frames.frames) > 40, f'the clip has {len(frames.frames)} frames'
    return frames


def no_losses(got):
    assert got.said['dropped'] == got.said['told'] == 0, got.said
    assert got.said['delivered'] == len(got.frames), got.said


def whole():
    expected = direct(VIDEO + 'avdec_h264 ! ')
    depth = len(expected.frames) * 3 // 2
    check_memory(depth)
    readers = [consumer('start=oldest'), consumer('start=oldest memory=copy')]
    writer = write(readers, VIDEO + 'avdec_h264 ! fcsink slot=clip '
                   f'ring-depth={depth} sync=false')
    for reader in readers:
        got = Frames(reader.finish())
        assert got.frames == expected.frames, \
            f'{len(got.frames)} of {len(expected.frames)} frames, or others'
        assert got.caps == expected.caps, (got.caps, expected.caps)
        no_losses(got)
    writer.finish()
    print(f'{len(expected.frames)} frames in 2 processes, none missing')


def throttled():
    expected = direct(VIDEO + 'avdec_h264 ! ')
    check_memory(8)
    slow = watch('fcsrc name=src slot=clip timestamps=stream start=oldest ! '
                 'identity sleep-time=120000 ! fakesink name=out sync=false')
    writer = write([slow], VIDEO + 'avdec_h264 ! fcsink slot=clip '
                   'ring-depth=8')
    got = Frames(slow.finish())
    writer.finish()
    missing = len(expected.frames) - len(got.frames)
    assert 0 < missing < len(expected.frames), missing
    assert missing == got.said['dropped'] == got.said['told'], \
        (missing, got.said)
    assert got.said['total'] == missing, got.said
    by_time = {frame.split()[0]: frame for frame in expected.frames}
    for frame in got.frames:
        assert by_time.get(frame.split()[0]) == frame, frame
    assert got.frames == [f for f in expected.frames if f in set(got.frames)]
    print(f'{len(got.frames)} frames, {missing} missing, as told')


def undecoded():
    for line in VIDEO, AUDIO:
        expected = direct(line)
        reader = consumer('start=oldest')
        writer = write([reader], line + 'fcsink slot=clip sync=false')
        got = Frames(reader.finish())
        writer.finish()
        assert got.frames == expected.frames, line
        assert got.caps == expected.caps, (got.caps, expected.caps)
        no_losses(got)
        print(f'{len(got.frames)} frames of {got.caps.split(",")[0]}')


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))
    directory = tempfile.mkdtemp(prefix='fc-clip-', dir='/dev/shm')
    os.environ['FC_DIR'] = directory
    try:
        if not os.path.exists(CLIP):
            sys.exit(f'{CLIP} is missing: install forensics-samples-files')
        {'whole': whole, 'throttled': throttled,
         'undecoded': undecoded}[sys.argv[2]]()
    finally:
        for process in processes:
            process.process.kill()
        shutil.rmtree(directory)


main()
