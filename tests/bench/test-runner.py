#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The runner of the benches, with programs that stand in for them."""

import contextlib
import io
import json
import os
import pathlib
import statistics
import tempfile
import time
import unittest
from unittest import mock

import machine
import runner
from results import Result, Results, Unusable, parse_line

# Its first call measures 10 and 20 ns, the second 40 and 80, then 90 and 180.
# Its first argument is what it does.
PROGRAM = """#!/usr/bin/env python3
import json, os, pathlib, sys, time
me = pathlib.Path(__file__)
calls = me.with_name(me.name + "-calls")
with calls.open("a") as file:
    file.write(" ".join(sys.argv[1:]) + chr(10))
n = len(calls.read_text().splitlines())
way = sys.argv[1]
if way == "fails":
    sys.exit("no room for it")
if way == "sleeps":
    me.with_name("sleeps-in").write_text(str(os.getpgid(0)))
    os.fork()
    time.sleep(600)
if way == "rubbish":
    print("p50 is 7")
if way == "silent":
    sys.exit(0)
if way == "stalls":
    print(json.dumps({"measure": "m", "what": "shm", "stalled": True}))
    sys.exit(print("the writer hangs", file=sys.stderr))
for what, factor in (("floor", 1), ("lease", 2)):
    print(json.dumps({"measure": "m", "what": what, "size": 5,
                      "system": "Debian 12", "p50_ns": 10 * n * n * factor,
                      "n": 100}))
if way == "twice":
    print(json.dumps({"measure": "m", "what": "lease", "size": 5,
                      "system": "Debian 12", "p50_ns": 1}))
"""
QUIET = {"steal": 0.0, "others": 0.0}
LOUD = {"steal": 0.5, "others": 0.0}


class Runner(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="framecache-bench.")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name in ("one", "two"):
            program = self.folder / name
            program.write_text(PROGRAM)
            program.chmod(0o755)
        self.quiet_as(lambda: QUIET)

    def quiet_as(self, shares):
        patch = mock.patch.object(machine.Watch, "end", lambda _: shares())
        patch.start()
        self.addCleanup(patch.stop)

    def run_table(self, *rows, words=("--repeat", "3"), status=0):
        table = self.folder / "table"
        table.write_text("# a comment\n\n" + "\n".join(rows) + "\n")
        output = io.StringIO()
        with contextlib.redirect_stdout(output), \
                contextlib.redirect_stderr(output):
            ended = runner.main(["--programs", str(self.folder),
                                 "--table", str(table),
                                 "--output", str(self.folder), *words])
        self.assertEqual(ended, status, output.getvalue())
        return output.getvalue()

    def calls_of(self, program):
        calls = self.folder / f"{program}-calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def results(self):
        return Results.load(self.folder / "results.json")

    def test_medians_are_of_the_rounds_without_the_warm_up(self):
        self.run_table("m here all quick 1 one fine")
        self.assertEqual(self.calls_of("one"), ["fine --json"] * 4)
        values = self.results().values("m", "lease", "p50_ns", size=5)
        self.assertEqual(values.numbers, [80, 180, 320])
        self.assertEqual((values.median, values.low, values.high),
                         (180, 80, 320))
        text = json.loads((self.folder / "results.json").read_text())
        figure = text["results"][1]["figures"]["p50_ns"]
        self.assertEqual(figure, {"median": 180, "min": 80, "max": 320,
                                  "all": [80, 180, 320]})

    def test_rows_take_turns(self):
        rows = [runner.Row(f"m here all - 1 p{i}") for i in range(6)]
        calls = runner.plan(rows, 2)
        self.assertEqual([n for n, _ in calls], [-1] * 6 + [0] * 6 + [1] * 6)
        first, second = ([row for n, row in calls if n == k] for k in (0, 1))
        self.assertCountEqual(first, second)
        follows = [set(zip(order, order[1:])) for order in (first, second)]
        self.assertFalse(follows[0] & follows[1])

    def test_rows_of_every_second_round(self):
        self.run_table("m here half quick 1 one fine",
                       "m here all quick 1 two fine")
        self.assertEqual(len(self.calls_of("one")), 1 + 2)
        self.assertEqual(len(self.calls_of("two")), 1 + 3)

    def test_what_fails_is_said_and_the_rest_is_kept(self):
        for way, why in (("fails", "ended with 1: no room for it"),
                         ("rubbish", "not a line of JSON: 'p50 is 7'"),
                         ("silent", "printed nothing"),
                         ("twice", "two results for one thing")):
            with self.subTest(way):
                told = self.run_table(f"m here all quick 1 one {way}",
                                      "m here all quick 1 two fine",
                                      status=1)
                self.assertIn(f"FAILED: one {way}: ", told)
                self.assertIn(why, told)
                results = self.results()
                self.assertEqual(len(results.about["failures"]), 4)
                self.assertIn(why, results.about["failures"][0]["why"])
                self.assertEqual({r.row for r in results.results},
                                 {"two fine"})

    def test_what_is_not_there_is_a_failure(self):
        told = self.run_table("m here all quick 1 three fine", status=1)
        self.assertIn("FAILED: three fine: can not be run: No such file",
                      told)

    def test_what_does_not_end_is_ended_with_its_children(self):
        row = runner.Row("m here all quick 1 one sleeps")
        with self.assertRaisesRegex(runner.Failed, "not end within 5 s"):
            runner.call(row.command.split(), 5, self.folder,
                        f"{self.folder}:{os.environ['PATH']}")
        group = int((self.folder / "sleeps-in").read_text())
        end = time.monotonic() + 60
        while left := self.alive_in(group):
            self.assertLess(time.monotonic(), end, left)
            time.sleep(0.01)

    @staticmethod
    def alive_in(group):
        """The processes of this group that are no zombies."""
        found = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
                if int(of) == group and state != "Z":
                    found.append(stat)
        return found

    def test_a_stall_is_no_figure(self):
        told = self.run_table("m here all quick 1 one stalls")
        self.assertIn("it says: the writer hangs", told)
        self.assertEqual(self.results().stalls("m", "shm", size=5), (3, 3))
        self.assertEqual(self.results().stalls("m", "lease"), (0, 0))
        self.assertIsNone(self.results().values("m", "shm", "p50_ns"))

    def test_a_disturbed_call_is_made_once_more(self):
        shares = iter([QUIET, LOUD, QUIET, LOUD, LOUD, QUIET])
        self.quiet_as(lambda: next(shares))
        told = self.run_table("m here all quick 1 one fine")
        self.assertIn("not quiet: 50.0% stolen", told)
        self.assertEqual(self.results().values("m", "floor", "p50_ns")
                         .numbers, [90, 250, 360])
        self.assertEqual([d["attempt"] for d
                          in self.results().about["disturbed"]], [0, 0, 1])

    def test_names_and_quick_choose_rows(self):
        rows = [runner.Row(line) for line in (
            "m here all quick 1 one", "k here all - 1 two",
            "k debian13 all quick 1 three", "m either all quick 1 four")]
        for chosen, wanted in ((([], False, True), "one two three four"),
                               ((["k"], False, True), "two three"),
                               (([], True, True), "one three four"),
                               (([], False, False), "one two four"),
                               ((["k", "m"], True, False), "one four")):
            self.assertEqual(" ".join(row.command for row
                                      in runner.choose(rows, *chosen)),
                             wanted)
        told = self.run_table("m here all quick 1 one fine", words=("x",),
                              status=2)
        self.assertIn("no measure is called x", told)

    def test_a_program_in_debian_13_is_entered_for(self):
        rows = ("m debian13 all quick 1 needs it",
                "m either all quick 1 may have it",
                "m here all quick 1 two fine")
        self.run_table(*rows,
                       words=("--debian13", f"{self.folder}/one fine"))
        for words in ("needs it", "may have it"):
            self.assertIn(f"fine {words} --json", self.calls_of("one"))
        self.assertEqual(set(self.calls_of("two")), {"fine --json"})
        self.assertEqual({r.row for r in self.results().results},
                         {"needs it (Debian 13)",
                          "may have it (Debian 13)", "two fine"})

    def test_a_program_without_debian_13_is_run_here(self):
        self.run_table("m debian13 all quick 1 two fine",
                       "m either all quick 1 one fine")
        self.assertEqual({r.row for r in self.results().results},
                         {"one fine"})
        self.assertEqual(self.calls_of("two"), [])

    def test_the_list_says_how_long_it_takes(self):
        told = self.run_table("m here all quick 30 one fine",
                              "m here half quick 10 two fine",
                              words=("--list",))
        # 5 and 3 rounds, and once to warm up
        self.assertIn("10 calls in 5 rounds and a warm-up: 3:40 minutes",
                      told)

    def test_rows_that_are_none(self):
        for line in ("m here all quick", "m there all quick 1 one",
                     "m here some quick 1 one", "m here all maybe 1 one",
                     "m here all quick soon one"):
            with self.assertRaisesRegex(Unusable, "no row of the table"):
                runner.Row(line)


class Lines(unittest.TestCase):
    def test_figures_and_parameters(self):
        identity, figures, stalled = parse_line(
            '{"measure": "m", "what": "w", "size": 3, "rate": 60, '
            '"p50_ns": 1.5, "n": 4, "bytes_per_s": 7}')
        self.assertEqual(identity, {"measure": "m", "what": "w", "size": 3,
                                    "rate": 60})
        self.assertEqual(figures, {"p50_ns": 1.5, "n": 4, "bytes_per_s": 7})
        self.assertFalse(stalled)

    def test_what_stalled_may_have_no_figure(self):
        line = '{"measure": "m", "what": "w", "stalled": true%s}'
        self.assertEqual(parse_line(line % ""),
                         ({"measure": "m", "what": "w"}, {}, True))
        self.assertEqual(parse_line(line % ', "per_s": 9'),
                         ({"measure": "m", "what": "w"}, {"per_s": 9}, True))

    def test_what_is_none(self):
        for line in ('', '7', '[]', '{"what": "w", "n": 1}',
                     '{"measure": "m", "n": 1}',
                     '{"measure": "m", "what": "w"}',
                     '{"measure": "m", "what": "w", "p50_ns": "1"}',
                     '{"measure": "m", "what": "w", "p50_ns": NaN}',
                     '{"measure": "m", "what": "w", "p50_ns": null}',
                     '{"measure": "m", "what": "w", "p50_ns": [1]}',
                     '{"measure": "m", "what": "w", "min_ns": -1}'):
            with self.subTest(line), self.assertRaises(Unusable):
                parse_line(line)


class Ratios(unittest.TestCase):
    def setUp(self):
        def result(what, row, numbers):
            return Result({"measure": "m", "what": what}, row, range(3),
                          {"ns": numbers})

        self.results = Results({}, [
            result("floor", "ours", [10, 100, 1000]),
            result("lease", "ours", [20, 300, 2000]),
            result("floor", "theirs", [1, 1, 1]),
            result("shm", "theirs", [5, None, 9]),
            result("alone", "third", [30, 300, None]),
        ])

    def ratio(self, above, below):
        return self.results.ratios(("m", above, "ns", {}),
                                   ("m", below, "ns", {}))

    def test_by_what_the_same_call_measured(self):
        self.assertEqual(self.ratio("lease", "floor").numbers, [2, 3, 2])
        self.assertEqual(self.ratio("lease", "floor").median, 2)
        self.assertEqual(self.ratio("shm", "floor").numbers, [5, 9])

    def test_by_the_same_round_elsewhere(self):
        self.assertEqual(self.ratio("alone", "lease").numbers, [1.5, 1])

    def test_of_nothing(self):
        self.assertIsNone(self.ratio("lease", "pipewire"))

    def test_two_things_are_not_one(self):
        self.results.results += [
            Result({"measure": "m", "what": "lease", "size": 9}, "ours",
                   [0], {"ns": [1]})]
        with self.assertRaisesRegex(Unusable, "more than one thing"):
            self.results.values("m", "lease", "ns")

    def test_written_and_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "results.json"
            self.results.save(path)
            again = Results.load(path)
            self.assertEqual([r.to_json() for r in again.results],
                             [r.to_json() for r in self.results.results])
            self.assertEqual(statistics.median(
                again.values("m", "shm", "ns").numbers), 7)
            for text in ("{", "{}", '{"format": 99, "results": []}', "[]"):
                path.write_text(text)
                with self.assertRaises(Unusable):
                    Results.load(path)


class Quiet(unittest.TestCase):
    def test_time_of_others_is_seen_and_ours_is_not(self):
        looks = [(0.0, 0.0, 10.0, 2.0), (2.0, 0.0, 12.5, 4.0)]
        with mock.patch.object(machine.Watch, "look",
                               lambda _: looks.pop(0)):
            shares = machine.Watch().end()
        self.assertEqual(shares, {"steal": 0, "others": 0.25})
        self.assertFalse(machine.is_quiet(shares))
        self.assertTrue(machine.is_quiet(QUIET))
        self.assertFalse(machine.is_quiet(LOUD))


if __name__ == "__main__":
    unittest.main(verbosity=2)
