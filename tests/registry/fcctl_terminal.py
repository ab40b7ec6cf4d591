# framecache: a terminal that a test looks at
#
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program on a pseudo-terminal, and what is on its screen.

Knows the sequences that fcctl top sends, and takes any other for a failure.
"""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from fcctl_case import BOUND

SEQUENCE = re.compile(r'\x1b\[(\?)?([0-9;]*)([A-Za-z])')


class Screen:
    """What a terminal of that size shows."""

    def __init__(self, columns, lines):
        self.resize(columns, lines)
        self.modes = {'1049': False, '25': True, '7': True, '2026': False}
        self.row = self.column = 0
        self.colors = set()
        self.color = '0'
        self.pending = ''

    def resize(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.clear()

    def clear(self):
        self.cells = [[' '] * self.columns for _ in range(self.lines)]
        self.painted = [['0'] * self.columns for _ in range(self.lines)]

    def _erase(self, row, column=0):
        self.cells[row][column:] = [' '] * (self.columns - column)
        self.painted[row][column:] = ['0'] * (self.columns - column)

    def text(self):
        return [''.join(row).rstrip() for row in self.cells]

    def _sequence(self, private, parameters, letter):
        if private:
            assert letter in 'hl', f'{parameters}{letter}'
            self.modes[parameters] = letter == 'h'
        elif letter == 'm':
            self.colors.add(parameters)
            self.color = parameters
        elif letter == 'H':
            assert parameters == ''
            self.row = self.column = 0
        elif letter == 'K':
            self._erase(self.row, self.column)
        elif letter == 'J' and parameters == '2':
            self.clear()
        elif letter == 'J':
            self._erase(self.row, self.column)
            for row in range(self.row + 1, self.lines):
                self._erase(row)
        else:
            raise AssertionError(f'ESC [ {parameters} {letter}')

    def _character(self, c):
        if c == '\r':
            self.column = 0
        elif c == '\n':
            assert self.row + 1 < self.lines, 'the screen scrolls'
            self.row += 1
        else:
            assert c >= ' ', f'{c!r} on the screen'
            assert self.column < self.columns, (
                f'wider than {self.columns}: {"".join(self.cells[self.row])}')
            self.cells[self.row][self.column] = c
            self.painted[self.row][self.column] = self.color
            self.column += 1

    def feed(self, text):
        text = self.pending + text
        self.pending = ''
        while text:
            if text[0] != '\x1b':
                self._character(text[0])
                text = text[1:]
                continue
            match = SEQUENCE.match(text)
            if match is None:
                assert len(text) < 20, f'no sequence: {text[:20]!r}'
                self.pending = text
                return
            self._sequence(*match.groups())
            text = text[match.end():]


class Terminal:
    """WORDS on a terminal, as the job of a shell that does nothing else."""

    def __init__(self, words, environment, columns=80, lines=24):
        self.screen = Screen(columns, lines)
        self.raw = b''
        self.decoder = codecs.getincrementaldecoder('utf-8')()
        self.ended = False
        self.status = None
        ours, theirs = os.pipe()
        self.shell, self.master = pty.fork()
        if self.shell == 0:
            os.close(ours)
            self._be_shell(words, environment, theirs)
        os.close(theirs)
        self.news = os.fdopen(ours)
        self.set_size(columns, lines)
        self.before = termios.tcgetattr(self.master)
        os.write(self.master, b'\n')  # the size is set: begin
        self.pid = int(self._next_news())

    @staticmethod
    def _be_shell(words, environment, news):
        """Tell of what becomes of the job; its group has the terminal. It has
        to be another process than the one that leads the session: such a one
        is not stopped by the terminal."""
        try:
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            os.read(0, 1)
            job = os.fork()
            if job == 0:
                os.close(news)
                os.setpgid(0, 0)
                os.tcsetpgrp(0, os.getpid())
                signal.signal(signal.SIGTTOU, signal.SIG_DFL)
                os.execve(words[0], words, environment)
            os.write(news, b'%d\n' % job)
            while True:
                status = os.waitpid(job, os.WUNTRACED)[1]
                os.write(news, b'%d\n' % status)
                if not os.WIFSTOPPED(status):
                    os._exit(0)
        finally:
            os._exit(127)

    def _next_news(self):
        ready, _, _ = select.select([self.news], [], [], BOUND)
        assert ready, 'nothing is heard of the job'
        return self.news.readline()

    def set_size(self, columns, lines):
        self.screen.resize(columns, lines)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack('HHHH', lines, columns, 0, 0))

    def resize(self, columns, lines):
        self.read(0)
        self.set_size(columns, lines)

    def read(self, seconds):
        """Feed the screen with what comes; False where nothing did."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            chunk = os.read(self.master, 65536)
        except OSError:  # nobody has the other end any more
            self.ended = True
            return False
        self.raw += chunk
        self.screen.feed(self.decoder.decode(chunk))
        return bool(chunk)

    def wait(self, condition, what):
        end = time.monotonic() + BOUND
        while not (self.screen.pending == '' and not self.screen.modes['2026']
                   and condition(self.screen.text())):
            assert not self.ended and time.monotonic() < end, (
                f'never came: {what}\n' + '\n'.join(self.screen.text()))
            self.read(0.1)

    def wait_line(self, pattern):
        self.wait(lambda lines: any(re.search(pattern, x) for x in lines),
                  pattern)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def kill(self, number):
        os.kill(self.pid, number)

    def wait_stop(self):
        status = int(self._next_news())
        assert os.WIFSTOPPED(status), status
        while self.read(0.05):
            pass

    def wait_end(self):
        """The exit code, or minus the signal."""
        status = int(self._next_news())
        self.status = os.waitstatus_to_exitcode(status)
        while self.read(0.05):
            pass
        return self.status

    def mode(self):
        return termios.tcgetattr(self.master)

    def close(self):
        if self.status is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.close(self.master)
        os.waitpid(self.shell, 0)
        self.news.close()
