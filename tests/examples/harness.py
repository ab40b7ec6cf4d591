# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the examples share: programs that are run in a slot
directory of their own, and what they print, waited for with a bound.

A test is a function of its file, called with a Place: the test
"motion-begins-and-rests" is motion_begins_and_rests (place).
"""

import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

BOUND = 120  # s, for any wait; none of them comes near it
EXAMPLES = pathlib.Path(os.environ["EXAMPLES"])
PROGRAMS = pathlib.Path(os.environ["PROGRAMS"])


def links(folder):
    """Where those in FOLDER point to; they come and go meanwhile."""
    for name in os.listdir(folder):
        try:
            yield os.readlink(f"{folder}/{name}")
        except FileNotFoundError:
            continue


class Program:
    """A process, with the lines that it prints as they come."""

    def __init__(self, command, env):
        self.name = pathlib.Path(command[0]).name
        self.process = subprocess.Popen(
            [str(word) for word in command], env=env, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.lines, self.said = queue.Queue(), []
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        for line in self.process.stdout:
            print(f"{self.name}: {line}", end="", flush=True)
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def expect(self, text):
        """The next line that has TEXT in it."""
        end = time.monotonic() + BOUND
        while True:
            try:
                line = self.lines.get(timeout=max(end - time.monotonic(), 0))
            except queue.Empty:
                raise AssertionError(
                    f"{self.name} did not say '{text}'") from None
            assert line is not None, f"{self.name} ended without '{text}'"
            self.said.append(line)
            if text in line:
                return line

    def watches_for_a_slot(self):
        """Comes back once it waits for a slot that is not there."""
        end = time.monotonic() + BOUND
        folder = f"/proc/{self.process.pid}/fd"
        while "anon_inode:inotify" not in links(folder):
            assert time.monotonic() < end, f"{self.name} does not wait"
            time.sleep(0.01)

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def kill(self):
        self.process.kill()
        self.process.wait(BOUND)

    def end(self, status=0):
        """All that it had yet to say, once it has ended with STATUS."""
        code = self.process.wait(BOUND)
        self.thread.join(BOUND)
        rest = []
        while (line := self.lines.get(timeout=BOUND)) is not None:
            rest.append(line)
        self.said += rest
        assert code == status, f"{self.name} ended with {code}"
        return rest


class Place:
    """A slot directory, the programs that run in it, and files beside it."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fc-example-",
                                                    dir="/dev/shm"))
        self.slots = self.folder / "slots"
        self.slots.mkdir(mode=0o700)
        os.environ["FC_DIR"] = str(self.slots)
        os.environ["XDG_STATE_HOME"] = str(self.folder / "state")
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        os.environ["PYTHONUNBUFFERED"] = "1"
        self.programs = []

    def start(self, *command):
        self.programs.append(Program(command, dict(os.environ)))
        return self.programs[-1]

    def example(self, name, *arguments):
        """One of docs/examples, in C or in Python."""
        if name.endswith(".py"):
            return self.start(sys.executable, EXAMPLES / name, *arguments)
        return self.start(PROGRAMS / f"example-{name}", *arguments)

    def launch(self, line):
        return self.start("gst-launch-1.0", "-q", *line.split())

    def close(self):
        for program in self.programs:
            program.process.kill()
            program.process.wait()
            program.thread.join()
        shutil.rmtree(self.folder)


def main(tests):
    """Run the test that the command line names, out of TESTS."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    place = Place()
    try:
        tests[sys.argv[1].replace("-", "_")](place)
    finally:
        place.close()
