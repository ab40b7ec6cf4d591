#!/usr/bin/env python3
# framecache: the launch lines that the elements' descriptions print do run
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# launch-lines.py SOURCE..., the files whose doc blocks print them. A line runs
# as printed, but for an end that is set to it (num-buffers), and has the other
# half that it speaks of: fcsrc a writer of its slot, fcsink a reader. Where an
# automatic sink is asked for, there need not be a screen or a loudspeaker.
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

PATIENCE = 120  # s
FRAMES = 30
WRITERS = {
    'cam0': 'videotestsrc is-live=true ! fcsink slot=cam0',
    'mic0': 'audiotestsrc is-live=true ! audio/x-raw,rate=48000 ! '
            'fcsink slot=mic0',
}


def lines_of(path):
    with open(path, encoding='utf-8') as source:
        blocks = re.findall(r'^ \* \|\[\n(.*?)^ \* \]\|', source.read(),
                            re.S | re.M)
    for block in blocks:
        line = ' '.join(part.lstrip(' *') for part in block.splitlines())
        assert line.startswith('gst-launch-1.0 '), line
        yield line


def start(line):
    return subprocess.Popen(line.split(), stdout=subprocess.DEVNULL)


def ended(line):
    """LINE's words, with an end set to it, and whether it reads a slot."""
    if 'uri=fc:///' in line:
        uri = re.search(r'uri=\S+', line).group(0)
        end = f'{"&" if "?" in uri else "?"}num-buffers={FRAMES}'
        return line.replace(uri, uri + end).split(), True
    words = line.split()
    first = next(i for i, word in enumerate(words) if word.endswith('src'))
    words.insert(first + 1, f'num-buffers={FRAMES}')
    return words, words[first] == 'fcsrc'


def run(line):
    words, reads = ended(line)
    slot = re.search(r'(?:slot=|fc:///)(\w+)', line).group(1)
    if reads:
        other = start('gst-launch-1.0 -q ' + WRITERS[slot])
    else:
        other = start(f'gst-launch-1.0 -q fcsrc slot={slot} '
                      f'num-buffers={FRAMES // 2} ! fakesink')
    try:
        print(' '.join(words), flush=True)
        subprocess.run(words, check=True, timeout=PATIENCE)
        if not reads:
            assert other.wait(PATIENCE) == 0, 'its reader failed'
    finally:
        other.kill()
        other.wait()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))
    directory = tempfile.mkdtemp(prefix='fc-lines-', dir='/dev/shm')
    os.environ['FC_DIR'] = directory
    os.environ['GST_PLUGIN_FEATURE_RANK'] = \
        'fakevideosink:MAX,fakeaudiosink:MAX'
    ran = 0
    try:
        for path in sys.argv[1:]:
            lines = list(lines_of(path))
            assert lines, f'{path} prints no launch line'
            for line in lines:
                run(line)
                ran += 1
    finally:
        shutil.rmtree(directory)
    print(f'{ran} lines ran')


main()
