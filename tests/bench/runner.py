#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run the benches of a table, in turns, and write what they measured.

Each row of the table is a call of a bench program. The rows are gone through
in rounds, so that whatever disturbs the machine for a while disturbs all of
them alike; each call is one repetition. A call that others disturbed is made
once more. Before the rounds each program is run once and its figures are left
out. Ends with 1 where a program failed, and still writes what the others
measured.
"""

import argparse
import contextlib
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import machine
from results import Result, Results, Unusable, parse_line

HERE = pathlib.Path(__file__).resolve().parent
PLACES = ("here", "either", "debian13")
QUICK_ROUNDS = 3
PATIENCE = 10  # a call may take that much longer than its row says, and 60 s


class Row:
    """A line of the table: what to call, how often, how long that takes."""

    def __init__(self, line):
        words = line.split(None, 5)
        try:
            self.name, self.where, rounds, quick, seconds, self.command = words
            self.seconds = float(seconds)
            self.every = {"all": 1, "half": 2, "third": 3}[rounds]
            self.quick = {"quick": True, "-": False}[quick]
            if self.where not in PLACES:
                raise KeyError(self.where)
        except (ValueError, KeyError):
            raise Unusable(f"no row of the table: {line!r}: NAME "
                           "here|either|debian13 all|half|third quick|- "
                           "SECONDS COMMAND"
                           ) from None

        self.in_debian13 = False

    def __str__(self):
        return self.command + (" (Debian 13)" if self.in_debian13 else "")

    @property
    def program(self):
        """With its place; a script that runs another is none."""
        words = self.command.split()
        return self.in_debian13, next((word for word in words
                                  if word.startswith("fc-bench-")), words[0])

    def calls(self, rounds):
        return -(-rounds // self.every)


def read_table(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Row(line) for line in lines
            if line.strip() and not line.startswith("#")]


def choose(rows, names, quick, debian13):
    """Those of these NAMES, or all; in Debian 13 where that is and they
    may."""
    unknown = set(names) - {row.name for row in rows}
    if unknown:
        raise Unusable(f"no measure is called {' or '.join(sorted(unknown))}"
                       "; --list names them")
    chosen = [row for row in rows
              if (row.name in names or not names)
              and (row.quick or not quick)
              and (row.where != "debian13" or debian13)]
    for row in chosen:
        row.in_debian13 = debian13 and row.where != "here"
    return chosen


def warm_up_of(rows):
    """The first row of each program."""
    return list({row.program: row for row in reversed(rows)}.values())[::-1]


def order_of(rows, number):
    """No row always comes first, or always after the same other."""
    at = number * len(rows) // 3 % max(len(rows), 1)
    turned = rows[at:] + rows[:at]
    return turned[::-1] if number % 2 else turned


def plan(rows, rounds):
    """What to call, in this order: (round, row), round -1 to warm up."""
    calls = [(-1, row) for row in warm_up_of(rows)]
    for number in range(rounds):
        calls += [(number, row) for row in order_of(rows, number)
                  if number % row.every == 0]
    return calls


def minutes(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Failed(Exception):
    """A bench program did not do as it should."""


def call(command, bound, folder, path):
    """Run one, found in PATH; what it measured. It is ended with all that it
    started."""
    try:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace",
            start_new_session=True)
    except OSError as error:
        raise Failed(f"can not be run: {error.strerror}") from None
    with process:
        try:
            out, err = process.communicate(timeout=bound)
        except subprocess.TimeoutExpired:
            raise Failed(f"did not end within {bound:.0f} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    why = " ".join(err.split()[-40:])
    if process.returncode != 0:
        raise Failed(f"ended with {process.returncode}: "
                     f"{why or 'without a word'}")
    try:
        lines = [parse_line(line) for line in out.splitlines()
                 if line.strip()]
    except Unusable as error:
        raise Failed(f"printed what is no result: {error}") from None
    if not lines:
        raise Failed(f"printed nothing: {why or 'not even an error'}")
    things = [sorted(identity.items()) for identity, *_ in lines]
    for i, thing in enumerate(things):
        if thing in things[:i]:
            raise Failed(f"printed two results for one thing: {dict(thing)}")
    return lines, why


class Run:
    def __init__(self, arguments, rows):
        self.arguments, self.rows = arguments, rows
        self.enter = [[], shlex.split(arguments.debian13 or "")]
        # Where the programs are that rows name, and a script that they need.
        self.path = os.pathsep.join([str(arguments.programs.resolve()),
                                     str(HERE), os.environ["PATH"]])
        self.results, self.failures, self.disturbed = {}, [], []
        self.took = {}
        self.calls = 0

    def command_of(self, row):
        return [*self.enter[row.in_debian13], *shlex.split(row.command),
                "--json"]

    def call(self, row):
        """Once, and once more where others disturbed it."""
        bound = 60 + PATIENCE * row.seconds
        for attempt in (0, 1):
            watch, began = machine.Watch(), time.monotonic()
            lines, why = call(self.command_of(row), bound,
                              self.arguments.output, self.path)
            self.took[row] = time.monotonic() - began
            shares = watch.end()
            if machine.is_quiet(shares):
                break
            self.disturbed.append({"row": str(row), "attempt": attempt,
                                   **shares})
            print(f"    not quiet: {shares['steal']:.1%} stolen, others had "
                  f"{shares['others']:.0%} of a processor"
                  + (", once more" if attempt == 0 else ", kept"),
                  flush=True)
        return lines, why

    def keep(self, number, row, lines):
        for identity, figures, stalled in lines:
            key = str(row), *sorted(identity.items())
            if key not in self.results:
                self.results[key] = Result(identity, str(row))
            self.results[key].add(number, figures, stalled)

    def remaining(self, calls):
        return sum(self.took.get(row, row.seconds) for _, row in calls)

    def step(self, number, row):
        try:
            lines, why = self.call(row)
            if number >= 0:
                self.keep(number, row, lines)
            if why:
                print(f"    it says: {why}", flush=True)
        except Failed as failure:
            self.failures.append({"row": str(row), "round": number,
                                  "why": str(failure)})
            print(f"    FAILED: {row}: {failure}", flush=True)

    def go(self):
        calls = plan(self.rows, self.arguments.repeat)
        for i, (number, row) in enumerate(calls):
            where = "warm-up" if number < 0 else (
                f"round {number + 1} of {self.arguments.repeat}")
            print(f"{where}, call {i + 1} of {len(calls)}, "
                  f"{minutes(self.remaining(calls[i:]))} remain: {row}",
                  flush=True)
            self.step(number, row)
            self.calls += 1

    def versions(self):
        """Of GStreamer, by system."""
        found = {"Debian 13" if inside else "here":
                 machine.gstreamer(self.enter[inside])
                 for inside in sorted({row.in_debian13 for row in self.rows})}
        return {system: version[0] for system, version in found.items()
                if version}


def arguments_of(words):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--programs", type=pathlib.Path, default=HERE,
                        help="where the bench programs are")
    parser.add_argument("--table", type=pathlib.Path,
                        default=HERE / "measures")
    parser.add_argument("--output", type=pathlib.Path,
                        default=pathlib.Path("."),
                        help="folder for results.json")
    parser.add_argument("--repeat", type=int, metavar="N",
                        help="rounds (5, with --quick 3)")
    parser.add_argument("--quick", action="store_true",
                        help="fewer rows of the table")
    parser.add_argument("--debian13", metavar="COMMAND",
                        help="what runs a program's words in Debian 13; "
                        "rows that need that are left out without it")
    parser.add_argument("--list", action="store_true",
                        help="print the rows and how long they take")
    parser.add_argument("names", nargs="*", metavar="MEASURE")
    arguments = parser.parse_args(words)
    if arguments.repeat is None:
        arguments.repeat = QUICK_ROUNDS if arguments.quick else 5
    if arguments.repeat < 1:
        parser.error("--repeat takes a number of rounds from 1 on")
    return arguments


def print_list(rows, rounds):
    for row in rows:
        print(f"{row.name:<12} {row.calls(rounds):>2} x {row.seconds:>4.0f} "
              f"s  {row}")
    seconds = sum(row.seconds for _, row in plan(rows, rounds))
    print(f"{len(plan(rows, rounds))} calls in {rounds} rounds and a warm-up: "
          f"{minutes(seconds)} minutes")


def main(words=None):
    arguments = arguments_of(words)
    try:
        rows = choose(read_table(arguments.table), arguments.names,
                      arguments.quick, arguments.debian13 is not None)
        if not rows:
            raise Unusable("no row of the table is left to run")
    except Unusable as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.list:
        print_list(rows, arguments.repeat)
        return 0

    run = Run(arguments, rows)
    about = {"made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
             "machine": machine.describe(), "gstreamer": run.versions(),
             "rounds": arguments.repeat,
             "quick": arguments.quick, "load before": machine.load()}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run.go()
    finally:
        about |= {"load after": machine.load(), "calls": run.calls,
                  "disturbed": run.disturbed, "failures": run.failures}
        Results(about, list(run.results.values())).save(
            arguments.output / "results.json")
    print(f"{run.calls} calls, {len(run.failures)} failed, "
          f"{len(run.disturbed)} were disturbed")
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
