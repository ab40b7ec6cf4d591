# SPDX-License-Identifier: LGPL-2.1-or-later
"""One page of the documents: its blocks, and what runs them.

The blocks of a page are run in their order in a copy of the tree, as a
reader would: what one block exports, the next ones see, and what one starts
in the background ends at the next heading. A block is fenced as sh, text or
code (c, cpp, python, make, meson, cmake), and the line above it may say how
it is to be run:

  <!-- docs-test: background -->       runs until the next heading; then it is
                                       interrupted and has to end
  <!-- docs-test: background page -->  the same, until the page ends
  <!-- docs-test: fails WORDS -->      has to end with another number than 0,
                                       and to say these words
  <!-- docs-test: interrupt FILE -->   interrupted once FILE has grown to
                                       20,000 bytes; has to end with 0
  <!-- docs-test: save FILE -->        code: written into FILE for what follows
  <!-- docs-test: same-as FILE -->     code: FILE of the tree is the same
  <!-- docs-test: lines-of FILE -->    c: each line is, or ends, one of FILE's
  <!-- docs-test: output -->           text: what the last sh block printed
  <!-- docs-test: gate -->             scripts/test, test-debian or bench: its
                                       options and what it is to run are
                                       looked at
  <!-- docs-test: by FILE NAME -->     FILE, a test, takes the block from this
                                       page by "shown PAGE NAME" and runs it
  <!-- docs-test: installed -->        a line of its own: what is installed by
                                       now is what the other pages run with

An sh block without a word runs to its end and has to end with 0. A line of
its own of the form <!-- docs-test: check COMMAND --> runs a command that is
not shown. Commands anywhere else (in text blocks, indented) are refused. The
file "substitutions" beside this one says what replaces a camera, a display
and the like."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOUND = 240  # seconds that one block may take
GROWN = 20000  # bytes
CODE = ("c", "cpp", "python", "make", "meson", "cmake")
MARK = re.compile(r"<!-- docs-test: (\S+) ?(.*?) ?-->$")
# What runs for long, and what lists what it can be told to run.
GATES = {"scripts/test": "scripts/test",
         "scripts/test-debian": "scripts/test",
         "scripts/bench": "scripts/bench"}
FENCE = re.compile(r"^ {0,3}```(.*)$")


class Failure(Exception):
    pass


class Block:
    """A fenced block, a heading, a hidden check, or the place where something
    is installed (kind says which)."""

    def __init__(self, kind, where, mark=("", ""), lines=()):
        self.kind, self.where = kind, where
        self.how, self.argument = mark
        self.text = "\n".join(lines)


def is_command(line):
    word = line.split()[0] if line.split() else ""
    word = word.removeprefix("$") or (line.split() + [""])[1]
    return bool(word.startswith("scripts/")
                or re.match(r"^[a-z][\w.-]+$", word) and shutil.which(word))


def parse(path):
    name = path.relative_to(ROOT)
    blocks, mark, fence, previous = [], ("", ""), None, ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{name}:{number}"
        opening = FENCE.match(line)
        marked = MARK.match(line)
        if fence is not None:
            if opening:
                blocks.append(Block(*fence))
                fence = None
            else:
                fence[3].append(line)
        elif opening:
            fence = (opening.group(1).strip(), where, mark, [])
        elif marked and marked.group(1) == "check":
            if marked.group(2).startswith("!"):
                raise Failure(f"{where}: the shell lets pass what follows !")
            blocks.append(Block("check", where, ("", ""), [marked.group(2)]))
        elif marked and marked.group(1) == "installed":
            blocks.append(Block("installed", where))
        elif line.startswith("#"):
            blocks.append(Block("heading", where))
        elif line.startswith("    ") and not previous and is_command(line):
            raise Failure(f"{where}: a command in an indented block")
        mark = marked.groups() if marked else ("", "")
        previous = line
    if fence is not None:
        raise Failure(f"{name}: a block without an end")
    return blocks


class Runner:
    """Runs pages in the folder SCRATCH; with INSTALLED, which is a root folder
    that an earlier runner filled by its commands, what is in there is in the
    system's places for these."""

    def __init__(self, scratch, installed=None):
        self.scratch = scratch
        self.tree = scratch / "tree"
        self.root = installed or scratch / "root"
        self.installed = scratch / "installed"
        self.env = dict(os.environ)
        self.background = []
        self.output = ""
        self.passed = self.failed = 0
        self.slots = tempfile.mkdtemp(prefix="framecache-docs.",
                                      dir="/dev/shm")
        # What is installed goes to a folder of ours, and is found there.
        libdirs = self.libdirs(self.root)
        joined = ":".join(map(str, libdirs))
        self.env.update(
            FC_DIR=self.slots, DESTDIR=str(self.root), LD_LIBRARY_PATH=joined,
            LIBRARY_PATH=joined, CPATH=str(self.root / "usr/local/include"),
            PKG_CONFIG_PATH=":".join(f"{d}/pkgconfig" for d in libdirs),
            PATH=f"{self.root}/usr/local/bin:{os.environ['PATH']}",
            GST_REGISTRY=str(scratch / "gst-registry.bin"),
            XDG_STATE_HOME=str(scratch / "state"),
            DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent")
        self.env.pop("GST_PLUGIN_PATH", None)
        if installed:
            self.env["GST_PLUGIN_PATH"] = ":".join(
                f"{d}/gstreamer-1.0" for d in libdirs)
        self.substitutions = self.read_substitutions()
        self.copy_tree()
        self.bus = self.start_bus()

    @staticmethod
    def libdirs(destdir):
        arch = subprocess.run(["gcc", "-print-multiarch"], check=True,
                              capture_output=True, text=True).stdout.strip()
        return [destdir / "usr/local/lib" / arch, destdir / "usr/local/lib"]

    def start_bus(self):
        """A session bus that nobody else is on."""
        bus = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--nopidfile",
             "--print-address"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        return bus

    @staticmethod
    def read_substitutions():
        pairs = []
        path = ROOT / "tests/docs/substitutions"
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                word, _, replacement = line.partition(" -> ")
                pairs.append((re.compile(
                    rf"(?<![\w/.-]){re.escape(word)}(?![\w.-])"),
                    replacement))
        return pairs

    def copy_tree(self):
        shutil.rmtree(self.tree, ignore_errors=True)
        listing = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-z", "-co",
             "--exclude-standard"], capture_output=True)
        if listing.returncode != 0:
            shutil.copytree(ROOT, self.tree,
                            ignore=shutil.ignore_patterns("build*"))
            return
        for name in listing.stdout.decode().split("\0"):
            if name and (ROOT / name).is_file():
                target = self.tree / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)

    def substituted(self, text):
        for pattern, replacement in self.substitutions:
            for name in ("DESTDIR", "FC_DIR"):
                replacement = replacement.replace("$" + name, self.env[name])
            text = pattern.sub(lambda _: replacement, text)
        return text

    def start(self, text, log, signalled=False):
        """Start a shell with TEXT; it tells its exports at its end. What is to
        be SIGNALLED takes the shell's place where it is one command."""
        exports = self.scratch / "exports"
        exports.unlink(missing_ok=True)
        commands = text.replace("\\\n", " ").strip()
        if (signalled and "\n" not in commands
                and commands.startswith(("gst-launch-1.0", "fc-registry"))):
            script = f"exec {text}\n"
        else:
            script = f"set -eu -o pipefail\n{text}\nenv -0 >'{exports}'\n"
        return subprocess.Popen(
            ["bash", "-c", script], cwd=self.tree, env=self.env,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True)

    def finish(self, process, log, bound=BOUND, fails=False):
        """Wait for PROCESS, that FAILS or not; the output, or a Failure."""
        try:
            status = process.wait(bound)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise Failure(f"did not end within {bound} s:\n"
                          + self.tail(log)) from None
        if (status != 0) != fails:
            raise Failure(f"ended with {status}:\n" + self.tail(log))
        exports = self.scratch / "exports"
        if exports.exists():
            for pair in exports.read_text().split("\0"):
                name, separator, value = pair.partition("=")
                if separator and name not in ("_", "SHLVL", "PWD", "OLDPWD"):
                    self.env[name] = value
        log.seek(0)
        return log.read()

    @staticmethod
    def tail(log):
        log.seek(0)
        return "".join(f"    {line}\n"
                       for line in log.read().splitlines()[-25:])

    @staticmethod
    def log():
        return tempfile.TemporaryFile("w+", errors="replace")

    def run_interrupted(self, text, name):
        log = self.log()
        target = self.tree / name
        target.unlink(missing_ok=True)
        process = self.start(text, log, signalled=True)
        end = time.monotonic() + 60
        while not (target.exists() and target.stat().st_size > GROWN):
            if process.poll() is not None:
                raise Failure("ended by itself:\n" + self.tail(log))
            if time.monotonic() > end:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise Failure(f"{name} did not grow:\n" + self.tail(log))
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        self.finish(process, log, 20)

    def run_failing(self, text, words):
        log = self.log()
        self.output = self.finish(self.start(text, log), log, fails=True)
        if words not in self.output:
            raise Failure(f"did not say '{words}':\n" + self.tail(log))

    def end_background(self, page=True):
        """End what runs until a heading and, with PAGE, until the end."""
        problem = None
        ending = [b for b in self.background if page or b[0].argument != "page"]
        for block, process, log in reversed(ending):
            where = block.where
            gone = process.poll() is not None
            if not gone:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                problem = Failure(f"{where} did not end when interrupted")
            if gone:
                problem = Failure(f"{where} ended by itself:\n"
                                  + self.tail(log))
            self.background.remove((block, process, log))
        if problem:
            raise problem

    def run_block(self, block):
        text = self.substituted(block.text)
        if block.kind in ("sh", "check") and block.how not in ("gate", "by"):
            print("\n".join("  $ " + line for line in text.splitlines()),
                  flush=True)
        if block.kind == "heading":
            self.end_background(page=block.how == "end")
        elif block.kind == "installed":
            shutil.copytree(self.root, self.installed, symlinks=True)
        elif block.kind == "check" or block.kind == "sh" and not block.how:
            log = self.log()
            self.output = self.finish(self.start(text, log), log)
        elif block.kind == "sh" and block.how == "background":
            log = self.log()
            process = self.start(text, log, signalled=True)
            self.background.append((block, process, log))
        elif block.kind == "sh" and block.how == "fails":
            self.run_failing(text, block.argument)
        elif block.kind == "sh" and block.how == "interrupt":
            self.run_interrupted(text, block.argument)
        elif block.kind == "sh" and block.how == "gate":
            self.look_at_gate(block.text)
        elif block.kind in CODE and block.how == "save":
            path = self.tree / block.argument
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text + "\n")
        elif block.kind in CODE and block.how == "same-as":
            if (ROOT / block.argument).read_text().strip() != block.text:
                raise Failure(f"differs from {block.argument}")
        elif block.kind == "c" and block.how == "lines-of":
            lines = (ROOT / block.argument).read_text().split("\n")
            for line in map(str.strip, block.text.splitlines()):
                if not any(other.endswith(line) for other in lines):
                    raise Failure(f"not in {block.argument}: {line}")
        elif block.kind == "sh" and block.how == "by":
            self.look_for_its_test(block)
        elif block.kind == "text" and block.how == "output":
            if self.output.strip() != block.text.strip():
                raise Failure("the last block printed:\n" + self.output)
        elif block.kind == "text" and not block.how:
            for line in block.text.splitlines():
                if is_command(line):
                    raise Failure(f"a command in a text block: {line}")
        else:
            raise Failure(f"nothing covers a block of kind '{block.kind}' "
                          f"marked '{block.how}'")

    @staticmethod
    def look_for_its_test(block):
        test, name = block.argument.split()
        page = block.where.rpartition(":")[0]
        if f"shown {page} {name}" not in (ROOT / test).read_text():
            raise Failure(f"{test} does not run it")

    def look_at_gate(self, text):
        def told(command, option):
            return subprocess.run([ROOT / command, option], check=True,
                                  capture_output=True, text=True).stdout

        for line in text.splitlines():
            command, *words = line.partition("#")[0].split()
            lister = GATES.get(command)
            if lister is None:
                raise Failure(f"not a call of scripts/test: {line}")
            options = re.findall(r"(--[a-z0-9-]+)( [A-Z]+)?",
                                 told(command, "--help"))
            valued = {option for option, value in options if value}
            known = {option for option, _ in options} | {
                row.split()[0] for row in told(lister, "--list").splitlines()}
            for before, word in zip([None, *words], words):
                if before not in valued and word not in known:
                    raise Failure(f"{command} takes no {word}: {line}")

    def run_page(self, path):
        name = path.relative_to(ROOT)
        try:
            blocks = parse(path)
        except Failure as failure:
            print(f"FAILED {failure}", flush=True)
            self.failed += 1
            return
        blocks.append(Block("heading", f"{name}: end", ("end", "")))
        for block in blocks:
            try:
                self.run_block(block)
                result = "ok"
                self.passed += block.kind != "heading"
            except Failure as failure:
                result = f"FAILED: {failure}"
                self.failed += 1
            if block.kind != "heading" or result != "ok":
                print(f"{block.where}: {block.kind} {block.how}: {result}",
                      flush=True)

    def close(self):
        try:
            self.end_background()
        except Failure:
            pass
        self.bus.terminate()
        self.bus.wait()
        shutil.rmtree(self.slots, ignore_errors=True)
        shutil.rmtree(self.tree, ignore_errors=True)
