#!/usr/bin/env python3
# framecache: a recorder behind fcsrc makes a whole file, whatever changes
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# recorder.py CLIP-FRAMES CHANGE-WRITER CASE: recorders with different encoders
# and containers run through CASE, a series of writers of one slot. Then each
# file is decoded from end to end: it has every frame that came out of fcsrc, at
# its time, and none of them was lost. CASE is one of
#
#   caps       resolution, format, in the middle of one writer's stream
#   framerate  that, too, with videorate in the recorder
#   eos        writers that end, and the next
#   killed     writers that are killed, and the next
#   others     a GStreamer pipeline, a program of libfc's, another pipeline
#   removed    the slot is removed under its writer, and made again
#   directory  so is the whole directory
#   history    a recorder that joins late, and a writer that is soon restarted
#   undecoded  H.264 through the slot, writers killed and ended
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FRAMES, WRITER, CASE = sys.argv[1:4]
PATIENCE = 20  # s, for any wait; none of them comes near it
TOLERANCE = 2000000  # ns; Matroska counts milliseconds
FRAME = 40000000  # ns, of the slowest rate
END = 3000000000  # ns without a new writer, and the recording is over

ENCODERS = {
    'h264.mp4': 'openh264enc ! h264parse ! mp4mux',
    'vp8.mkv': 'vp8enc deadline=1 ! matroskamux',
    'jpeg.mkv': 'jpegenc ! matroskamux',
}
# Muxers refuse any change of caps, and writers differ in fields that mean
# nothing: what goes into the encoder is made the same in all of them.
FIXED = ('videoconvert ! videoscale ! {rate}{caps}pixel-aspect-ratio=1/1 ! '
         'capssetter replace=true caps={caps}framerate={fps}/1 ! ')
FIXED_CAPS = 'video/x-raw,format=I420,width=64,height=48,colorimetry=bt601,'
PARSERS = {
    'parsed.mp4': 'h264parse ! mp4mux',
    'parsed.mkv': 'h264parse ! matroskamux',
}
# Caps as GStreamer prints them, and the bytes of a frame.
I420 = ('video/x-raw, format=(string)I420, width=(int)64, height=(int)48, '
        'framerate=(fraction)50/1', 4608)
SMALL = ('video/x-raw, format=(string)I420, width=(int)32, height=(int)24, '
         'framerate=(fraction)50/1', 1152)
RGB = ('video/x-raw, format=(string)RGB, width=(int)32, height=(int)24, '
       'framerate=(fraction)50/1', 2304)
SLOW = ('video/x-raw, format=(string)I420, width=(int)64, height=(int)48, '
        'framerate=(fraction)25/1', 4608)


def wait(condition, what, tell=lambda: ''):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f'never came: {what} {tell()}'
        time.sleep(0.01)


processes = []


def start(*args, **options):
    process = subprocess.Popen(args, **options)
    processes.append(process)
    return process


class Frames:
    """Running times that clip-frames printed, and what it said."""

    def __init__(self, text):
        self.times = []
        self.said = {}
        for line in text.splitlines():
            word, rest = line.split(' ', 1)
            if word == 'frame':
                self.times.append(int(rest.split()[0]))
            elif word != 'caps':
                self.said[word] = int(rest)


class Recorder:
    """From a slot to a file, with a list of what comes from fcsrc."""

    def __init__(self, name, line):
        self.path = os.path.join(directory, name)
        self.list = self.path + '.frames'
        self.output = open(self.list, 'w')
        self.process = start(
            FRAMES, f'fcsrc name=src slot=cam0 on-eos=wait wait-for-slot={END} '
            f'start=oldest ! identity name=out silent=true ! {line} ! '
            f'filesink location={self.path}', stdout=self.output)

    def lines(self, word):
        with open(self.list) as lines:
            return sum(line.startswith(word) for line in lines)

    def came(self):
        return self.lines('frame ')

    def finish(self):
        code = self.process.wait(timeout=PATIENCE)
        assert code == 0, f'{self.path}: the recorder ended with {code}'
        self.output.close()
        with open(self.list) as lines:
            return Frames(lines.read())

    def decode(self):
        out = subprocess.run(
            [FRAMES, f'filesrc location={self.path} ! decodebin ! '
             'fakesink name=out sync=false'],
            stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=True)
        return Frames(out.stdout)


def check(recorder, same):
    """SAME: no frame was made or left out on the way to the encoder."""
    put, got = recorder.finish(), recorder.decode()
    name = os.path.basename(recorder.path)
    assert len(put.times) > 30, f'{name}: {len(put.times)} frames'
    assert put.said['dropped'] == put.said['skipped'] == 0, (name, put.said)
    assert put.said['delivered'] == len(put.times), (name, put.said)
    # Frames that came within a millisecond may have one time in Matroska; each
    # is compared with its own below.
    for what, times, least in (('out of fcsrc', put.times, 1),
                               ('decoded', got.times, 0 if same else 1)):
        falls = [(a, b) for a, b in zip(times, times[1:]) if b - a < least]
        assert not falls, f'{name}: times {what} do not rise: {falls}'
    if same:
        assert len(got.times) == len(put.times), \
            f'{name}: {len(got.times)} of {len(put.times)} frames'
        for a, b in zip(put.times, got.times):
            late = (b - got.times[0]) - (a - put.times[0])
            assert abs(late) <= TOLERANCE, f'{name}: {late} ns beside {a}'
    gap = max(b - a for a, b in zip(put.times, put.times[1:]))
    there = max(b - a for a, b in zip(got.times, got.times[1:]))
    assert there <= gap + (TOLERANCE if same else FRAME), \
        f'{name}: a gap of {there}, not {gap} ns'
    length = got.times[-1] - got.times[0]
    put_length = put.times[-1] - put.times[0]
    assert abs(length - put_length) <= 2 * (gap + FRAME), \
        f'{name}: {length} ns long, not {put_length} ns, gap {gap}'
    print(f'{name}: {len(got.times)} frames in {length / 1e9:.2f} s, the '
          f'longest gap {there / 1e6:.0f} ms')


class Writers:
    """One after another, each until every recorder has frames of it."""

    def __init__(self, recorders):
        self.recorders = recorders
        self.number = 0

    def come(self):
        return [r.came() for r in self.recorders]

    def await_more(self, had):
        """20 frames more than they had each."""
        wait(lambda: all(now >= h + 20 for now, h in zip(self.come(), had)),
             'frames', lambda: (had, self.come()))

    def launch(self, line, n=-1):
        return start('gst-launch-1.0', '-q', '-e', *(
            f'videotestsrc is-live=true num-buffers={n} ! {line} ! '
            'fcsink slot=cam0').split(), stderr=subprocess.DEVNULL)

    def ends(self, line, n=30):
        code = self.launch(line, n).wait(timeout=PATIENCE)
        assert code == 0, f'{line}: {code}'

    def killed(self, line):
        had = self.come()
        writer = self.launch(line)
        self.await_more(had)
        writer.kill()
        writer.wait()

    def program(self, end, *lots):
        """20 frames of each of LOTS."""
        line = []
        for caps, size in lots:
            line += [caps, str(size), '20']
        had = self.come()
        writer = start(WRITER, end, '20000', str(self.number), *line)
        self.number += 20 * len(lots)
        if end == 'hang':
            self.await_more(had)
            writer.kill()
            writer.wait()
        else:
            assert writer.wait(timeout=PATIENCE) == 0

    def removed(self, line, remove):
        had = self.come()
        writer = self.launch(line)
        self.await_more(had)
        remove()
        assert writer.wait(timeout=PATIENCE) != 0, 'the writer noticed nothing'


def launch_caps(lot):
    return lot[0].replace(' ', '')


def recorders_of(encoders, head=''):
    """They run before the first writer does."""
    recorders = [Recorder(name, head + line)
                 for name, line in encoders.items()]
    for recorder in recorders:
        wait(lambda: recorder.lines('playing '), 'PLAYING')
    return recorders


def with_encoders(rate='', fps=50):
    return recorders_of(
        ENCODERS, FIXED.format(rate=rate, caps=FIXED_CAPS, fps=fps))


def caps():
    recorders = with_encoders()
    Writers(recorders).program('3', I420, SMALL, RGB, I420, RGB)
    return recorders


def framerate():
    recorders = with_encoders('videorate max-rate=25 skip-to-first=true ! ', 25)
    Writers(recorders).program('3', I420, SLOW, RGB, SLOW)
    return recorders


def eos():
    recorders = with_encoders()
    writers = Writers(recorders)
    for lot in I420, I420, RGB, SMALL:
        writers.ends(launch_caps(lot))
    return recorders


def killed():
    recorders = with_encoders()
    writers = Writers(recorders)
    for lot in I420, I420, RGB:
        writers.killed(launch_caps(lot))
    writers.ends(launch_caps(RGB))
    return recorders


def others():
    recorders = with_encoders()
    writers = Writers(recorders)
    writers.ends(launch_caps(I420))
    writers.program('hang', I420)
    writers.killed(launch_caps(RGB))
    writers.program('3', SMALL)
    return recorders


def removed():
    recorders = with_encoders()
    writers = Writers(recorders)
    ring = os.path.join(os.environ['FC_DIR'], 'cam0.ring')
    writers.removed(launch_caps(I420), lambda: os.remove(ring))
    writers.removed(launch_caps(RGB), lambda: os.remove(ring))
    writers.ends(launch_caps(I420))
    return recorders


def remove_directory():
    shutil.rmtree(os.environ['FC_DIR'])


def directory_removed():
    recorders = with_encoders()
    writers = Writers(recorders)
    for lot in I420, RGB:
        writers.removed(launch_caps(lot), remove_directory)
        os.mkdir(os.environ['FC_DIR'], 0o700)
    writers.ends(launch_caps(I420))
    return recorders


def history():
    """What the history was moved by does not go at a restart."""
    early = Recorder('early.mkv', 'jpegenc ! matroskamux')
    writer = Writers([early]).launch(launch_caps(I420))
    wait(lambda: early.came() >= 80, 'frames')
    late = Recorder('late.mkv', 'jpegenc ! matroskamux')
    wait(lambda: late.came() >= 60, 'frames')
    writer.send_signal(signal.SIGINT)
    assert writer.wait(timeout=PATIENCE) == 0
    Writers([early, late]).ends(launch_caps(I420))
    return [early, late]


def undecoded():
    recorders = recorders_of(PARSERS)
    writers = Writers(recorders)
    line = (launch_caps(I420) + ' ! openh264enc gop-size=10 ! h264parse ! '
            'video/x-h264,stream-format=byte-stream,alignment=au')
    writers.killed(line)
    writers.ends(line)
    writers.killed(line)
    writers.ends(line)
    return recorders


CASES = {'caps': caps, 'framerate': framerate, 'eos': eos, 'killed': killed,
         'others': others, 'removed': removed, 'directory': directory_removed,
         'history': history, 'undecoded': undecoded}


def main():
    global directory
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))
    directory = tempfile.mkdtemp(prefix='fc-recorder-', dir='/dev/shm')
    os.environ['FC_DIR'] = os.path.join(directory, 'slots')
    os.mkdir(os.environ['FC_DIR'], 0o700)
    try:
        for recorder in CASES[CASE]():
            check(recorder, CASE != 'framerate')
    finally:
        for process in processes:
            process.kill()
            process.wait()
        shutil.rmtree(directory)


main()
