#!/usr/bin/env python3
# framecache: GStreamer's own tools find slots, and open them by their URI
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tools.py play | discover | list | follow | usual
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

PATIENCE = 60  # s
CAMERA = ('videotestsrc is-live=true ! video/x-raw,width=64,height=64 '
          '! fcsink slot=cam0')
CODED = ('videotestsrc is-live=true ! video/x-raw,format=I420,width=64,'
         'height=64 ! openh264enc gop-size=5 ! h264parse config-interval=-1 '
         '! fcsink slot=Coded')
MICROPHONE = ('audiotestsrc is-live=true ! audio/x-raw,rate=48000 '
              '! fcsink slot=mic0')
started = []


def launch(line):
    process = subprocess.Popen(['gst-launch-1.0', '-q'] + line.split())
    started.append(process)
    return process


def run(*command):
    print(' '.join(command), flush=True)
    result = subprocess.run(command, timeout=PATIENCE, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, check=False)
    print(result.stdout, flush=True)
    assert result.returncode == 0, f'ended with {result.returncode}'
    return result.stdout


def has(text, *parts):
    for part in parts:
        assert part in text, f'no "{part}"'


def lacks(text, *parts):
    for part in parts:
        assert part not in text, f'"{part}" is there'


def play():
    """What is live, compressed, not allowed, and not there."""
    launch(CAMERA)
    launch(CODED)
    for uri in ('fc:///cam0?num-buffers=20', 'fc://cam0?preset=snapshot',
                'fc:///Coded?num-buffers=40'):
        text = run('gst-play-1.0', '--no-interactive',
                   '--videosink=fakevideosink', uri)
        has(text, 'Now playing ' + uri, 'Reached end of play list')
        lacks(text, 'ERROR')
    text = run('gst-play-1.0', '--no-interactive',
               '--videosink=fakevideosink', 'fc:///cam0?directory=/tmp')
    has(text, 'can not set "directory"', 'preset, start')
    text = run('gst-play-1.0', '--no-interactive',
               '--videosink=fakevideosink', 'fc:///none?wait-for-slot=1')
    has(text, 'there is no slot none')


def discover():
    launch(CODED)
    has(run('gst-discoverer-1.0', 'fc:///Coded'), 'H.264', 'Width: 64',
        'Live: yes', 'Seekable: no')


class Follower:
    """gst-device-monitor-1.0 -f, and waiting for what it prints."""

    def __init__(self, *classes):
        self.process = subprocess.Popen(
            ['stdbuf', '-oL', 'gst-device-monitor-1.0', '-f', *classes],
            stdout=subprocess.PIPE, text=True)
        started.append(self.process)
        self.lines = []
        self.changed = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.strip())
                self.changed.notify_all()

    def wait(self, *parts):
        """Until lines with these parts have come, in this order."""
        def there():
            left = list(parts)
            for line in self.lines:
                if left and left[0] in line:
                    left.pop(0)
            return not left

        with self.changed:
            if not self.changed.wait_for(there, PATIENCE):
                raise AssertionError(f'no {parts} in {self.lines}')
            self.lines.clear()


def list_slots():
    follower = Follower('Source/Framecache')
    for line, slot in ((CAMERA, 'cam0'), (CODED, 'Coded'),
                       (MICROPHONE, 'mic0')):
        launch(line)
        follower.wait('Device found', f'fcsrc slot={slot}')
    text = run('gst-device-monitor-1.0', 'Source/Framecache')
    has(text, 'cam0', 'Coded', 'mic0', 'uri = fc:///Coded', 'state = live',
        f'gst-launch-1.0 fcsrc slot=cam0 directory={os.environ["FC_DIR"]}')
    text = run('gst-device-monitor-1.0', 'Audio/Source/Framecache')
    has(text, 'mic0')
    lacks(text, 'cam0', 'Coded')
    text = run('gst-device-monitor-1.0', 'Video/Source:video/x-raw')
    has(text, 'cam0')
    lacks(text, 'mic0', 'Coded')


def follow():
    follower = Follower('Source/Framecache')
    camera = launch(CAMERA)
    follower.wait('Device found', 'cam0', 'state = live')
    camera.kill()
    follower.wait('Device modified', 'cam0', 'state = writer-lost')
    camera = launch(CAMERA)
    follower.wait('Device modified', 'cam0', 'state = live')
    camera.send_signal(signal.SIGINT)
    follower.wait('Device removed', 'cam0')


def usual():
    """Two directories where nothing names one; the first goes before."""
    own = f'/dev/shm/framecache-{os.geteuid()}'
    del os.environ['FC_DIR']
    follower = Follower('Source/Framecache')
    os.mkdir('/dev/shm/noise')
    os.mkdir(own, 0o700)
    os.environ['FC_DIR'] = own
    second = launch(CAMERA)
    follower.wait('Device found', f'slot=cam0 directory={own}')
    del os.environ['FC_DIR']
    first = launch(CAMERA)
    follower.wait('Device modified', 'slot=cam0 directory=/dev/shm/framecache')
    first.send_signal(signal.SIGINT)
    follower.wait('Device modified', f'slot=cam0 directory={own}')
    second.send_signal(signal.SIGINT)
    follower.wait('Device removed', 'cam0')


def enter_private_shm():
    """Go on where nobody else's slots are."""
    if 'FC_TEST_PRIVATE' not in os.environ:
        os.environ['FC_TEST_PRIVATE'] = '1'
        os.execvp('unshare', ['unshare', '-rm', sys.executable, *sys.argv])
    run('mount', '-t', 'tmpfs', '-o', 'mode=1777', 'none', '/dev/shm')


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))
    if sys.argv[1] == 'usual':
        enter_private_shm()
    directory = tempfile.mkdtemp(prefix='fc-tools-', dir='/dev/shm')
    os.environ['FC_DIR'] = directory
    try:
        {'play': play, 'discover': discover, 'list': list_slots,
         'follow': follow, 'usual': usual}[sys.argv[1]]()
    finally:
        for process in started:
            process.kill()
            process.wait()
        shutil.rmtree(directory)


main()
