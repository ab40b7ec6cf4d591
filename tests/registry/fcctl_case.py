# framecache: a slot directory, and fcctl in it, for a test
#
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of fcctl share.

Each test has a slot directory of its own in shared memory, no bus, and
programs that it started; all of it goes when the test ends, however that is.
Every wait has a bound, and reaching it fails the test.
"""
import fcntl
import json
import os
import pathlib
import pty
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

BOUND = 60  # s; only ever reached by what hangs
FCCTL = os.environ['FCCTL']
OK, FAILED, USAGE, NO_SLOT, PROBLEMS = range(5)


def wait_for(condition, what):
    """What CONDITION returns, once that is true."""
    end = time.monotonic() + BOUND
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f'never came: {what}')
        time.sleep(0.01)


class Program:
    """One that prints "ready", and ends when its standard input does."""

    def __init__(self, variable, *words):
        self.process = subprocess.Popen(
            [os.environ[variable], *words], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.expect('ready')

    @property
    def pid(self):
        return self.process.pid

    def expect(self, word):
        line = self.process.stdout.readline().strip()
        assert line == word, f'{self.process.args[0]} said "{line}"'

    def tell(self, word):
        self.process.stdin.write(word + '\n')
        self.process.stdin.flush()
        self.expect(word)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            self.process.wait(BOUND)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix='fc-test-', dir='/dev/shm')
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def scratch(self):
        path = tempfile.mkdtemp(prefix='fc-test-')
        self.addCleanup(shutil.rmtree, path)
        return pathlib.Path(path)

    def environment(self, **changes):
        environment = {key: value for key, value in os.environ.items()
                       if key not in ('FC_DIR', 'NO_COLOR', 'XDG_RUNTIME_DIR')
                       and not key.startswith('DBUS_')}
        environment.update(
            FC_DIR=self.directory, LC_ALL='C.UTF-8', TERM='xterm',
            G_DEBUG='fatal-warnings',
            DBUS_SYSTEM_BUS_ADDRESS='unix:path=/nonexistent')
        environment.update(changes)
        return environment

    def writer(self, *slots, **options):
        words = [f'--{key}={value}' for key, value in options.items()]
        writer = Program('SLOT_WRITER', f'--directory={self.directory}',
                         *words, *slots)
        self.addCleanup(writer.end)
        return writer

    def holder(self, slot, consumers, leases, *options):
        """Consumers that hold leases, all in one process."""
        holder = Program('SLOT_HOLDER', f'--directory={self.directory}',
                         *options, slot, str(consumers), str(leases))
        self.addCleanup(holder.end)
        return holder

    # fcctl ------------------------------------------------------------------

    def run_fcctl(self, *words, prefix=(), environment=None, **keywords):
        return subprocess.run(
            [*prefix, FCCTL, *words], stdin=subprocess.DEVNULL,
            stdout=keywords.pop('stdout', subprocess.PIPE),
            stderr=subprocess.PIPE, timeout=BOUND, check=False,
            env=self.environment(**(environment or {})), **keywords)

    def fcctl(self, *words, code=OK, **keywords):
        """What it printed, where it ended as it should."""
        result = self.run_fcctl(*words, **keywords)
        self.assertEqual(result.returncode, code, result)
        if code == OK:
            self.assertEqual(result.stderr, b'')
        return result.stdout.decode()

    def fails(self, code, *words, **keywords):
        """The sentence, where it ended as it should."""
        result = self.run_fcctl(*words, **keywords)
        self.assertEqual(result.returncode, code, result)
        text = result.stderr.decode()
        self.assertRegex(text, r'\Afcctl: .+\n\Z')
        return text

    def json(self, *words, **keywords):
        return json.loads(self.fcctl(*words, '--json', **keywords))

    def show(self, slot):
        return self.json('show', slot)

    def on_terminal(self, *words, columns=80, **environment):
        """What it wrote to a terminal of that width, and its exit code."""
        pid, terminal = pty.fork()
        if pid == 0:
            try:
                fcntl.ioctl(1, termios.TIOCSWINSZ,
                            struct.pack('HHHH', 24, columns, 0, 0))
                os.execve(FCCTL, [FCCTL, *words],
                          self.environment(**environment))
            finally:
                os._exit(127)
        signal.alarm(BOUND)
        output = b''
        try:
            while chunk := os.read(terminal, 4096):
                output += chunk
        except OSError:  # nobody has the other end any more
            pass
        os.close(terminal)
        status = os.waitpid(pid, 0)[1]
        signal.alarm(0)
        return (output.decode().replace('\r\n', '\n'),
                os.waitstatus_to_exitcode(status))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    unittest.main(verbosity=2)
