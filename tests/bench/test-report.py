#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The report: its figures, its bars, its plots, and that it hides nothing."""

import contextlib
import io
import pathlib
import tempfile
import unittest
from xml.etree import ElementTree

import bars
import figures
import report
from results import Result, Results, Unusable

HERE = pathlib.Path(__file__).resolve().parent
DOCS = HERE.parents[1] / "docs"
ABOUT = {"made": "2026-01-02 03:04 UTC", "rounds": 3, "quick": False,
         "machine": {"processor": "Z80", "governor": ""},
         "gstreamer": {"here": "1.22.0", "Debian 13": "1.26.2"},
         "load before": 0.25, "load after": 1.5, "calls": 7,
         "disturbed": [], "failures": []}


def result(measure, what, row, figures_, rounds=3, **parameters):
    return Result({"measure": measure, "what": what, **parameters}, row,
                  range(rounds), figures_)


def handover(lease, floor, **parameters):
    parameters = bars.DEFAULTS["handover"] | parameters
    row = str(parameters)
    return [result("handover", "floor", row, {"p50_ns": floor}, **parameters),
            result("handover", "lease", row, {"p50_ns": lease}, **parameters)]


def latency(what, own, floor, system):
    row = f"{what} {system}"
    parameters = bars.DEFAULTS["gst-latency"] | {"system": system}
    return [result("gst-latency", name, row, {"p50_ns": numbers},
                   **parameters)
            for name, numbers in (("floor", floor), (what, own))]


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="framecache-bench.")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def report(self, *results, **about):
        return report.Report(Results(ABOUT | about, list(results)),
                             self.folder / "performance")


class Bars(Case):
    def judge(self, lease, floor, name="handover-p50"):
        made = self.report(*handover(lease, floor))
        return made, made.bars[name]

    def test_the_ratio_is_the_median_of_the_runs_ratios(self):
        made, bar = self.judge([1100, 2400, 9000], [1000, 2000, 10000])
        self.assertEqual(bar.ratio.median, 1.1)
        self.assertEqual(made.fill("{{bar handover-p50}}"),
                         "1.10 (0.90 to 1.20)")
        self.assertEqual(made.fill("x {{ratio handover lease/floor p50_ns}}"),
                         "x 1.10")

    def test_a_bar_that_is_missed_is_shown_as_missed(self):
        for lease, verdict in ((1149, "met"), (1151, "MISSED")):
            made, bar = self.judge([lease] * 3, [1000] * 3)
            self.assertEqual(bar.verdict, verdict)
            row, = [line for line in made.fill("{{bars}}").splitlines()
                    if line.startswith("| hand-over of a 1080p")]
            self.assertEqual("**MISSED**" in row, verdict == "MISSED")
            self.assertEqual("| met |" in row, verdict == "met")
            self.assertIn(f"{lease / 1000:.2f} µs", row)
            self.assertEqual(made.fill("{{verdict handover-p50}}"), verdict)
            self.assertEqual(made.fill("{{count MISSED}}"),
                             str(int(verdict == "MISSED")))

    def test_a_bar_from_below(self):
        for write, verdict in ((949, "MISSED"), (951, "met")):
            copies = [result("copy", what, "row", {"bytes_per_s": [number]},
                             1, size=bars.FULL_HD)
                      for what, number in (("memcpy-in", 1000),
                                           ("write", write))]
            made = self.report(*copies)
            self.assertEqual(made.bars["copy-write"].verdict, verdict)

    def test_a_bar_that_is_a_number(self):
        for took, verdict in ((499, "met"), (501, "MISSED")):
            made = self.report(result("commit", "commit", "row",
                                      {"p50_ns": [took]}, 1, waiting=0))
            self.assertEqual(made.bars["commit"].verdict, verdict)

    def test_what_was_not_measured_is_no_success(self):
        made = self.report()
        self.assertEqual({bar.verdict for bar in made.bars.values()},
                         {"not measured"})
        self.assertIn("| - | - | not measured |", made.fill("{{bars}}"))
        self.assertEqual(made.fill("{{count met}}"), "0")

    def test_names_are_names_of_one(self):
        names = [bar.name for bar in bars.all_bars()]
        self.assertEqual(len(names), len(set(names)))

    def test_peers_are_compared_in_one_system(self):
        made = self.report(
            *latency("fc", [10], [9], "Debian 12"),
            *latency("shm", [1], [9], "Debian 12"),
            *latency("fc", [20], [9], "Debian 13"),
            *latency("shm", [40], [9], "Debian 13"),
            *latency("unixfd", [10], [9], "Debian 13"))
        self.assertEqual(made.bars["latency-shm"].ratio.median, 0.5)
        self.assertEqual(made.bars["latency-shm"].verdict, "met")
        self.assertEqual(made.bars["latency-unixfd"].verdict, "MISSED")


class Fields(Case):
    def test_figures_with_units(self):
        made = self.report(*handover([33000, 31000, 36500],
                                     [30000, 30000, 30000]))
        self.assertEqual(made.fill("{{value handover lease p50_ns}}"),
                         "33 µs")
        self.assertEqual(made.fill("{{spread handover lease p50_ns}}"),
                         "33 µs (31 to 36.5 µs)")

    def test_units(self):
        made = self.report(result("m", "w", "row", {
            "x_ns": [1500], "bytes_per_s": [2e9], "per_s": [44000],
            "page_bytes": [4096], "cpu_percent": [12.34], "n": [7]}, 1))
        for figure, wanted in (("x_ns", "1.5 µs"), ("bytes_per_s", "2 GB/s"),
                               ("per_s", "44 k/s"), ("page_bytes", "4.1 kB"),
                               ("cpu_percent", "12.3%"), ("n", "7")):
            self.assertEqual(made.fill("{{value m w " + figure + "}}"),
                             wanted)

    def test_parameters_choose(self):
        made = self.report(*handover([1, 1, 1], [1, 1, 1]),
                           *handover([7, 7, 7], [1, 1, 1], consumers=4))
        self.assertEqual(made.fill("{{value handover lease p50_ns "
                                   "consumers=4}}"), "7 ns")
        self.assertEqual(made.fill("{{value handover lease p50_ns}}"), "1 ns")
        with self.assertRaisesRegex(Unusable, "more than one thing"):
            self.report(result("x", "y", "a", {"ns": [1]}, 1, size=1),
                        result("x", "y", "b", {"ns": [2]}, 1, size=2)
                        ).fill("{{value x y ns}}")

    def test_what_is_not_there_is_said(self):
        made = self.report()
        self.assertEqual(made.fill("{{value handover lease p50_ns}}"),
                         report.ABSENT)
        self.assertEqual(made.absent, ["value handover lease p50_ns"])

    def test_what_is_no_field(self):
        for field in ("nonsense", "bar nonsense", "plot nonsense", "value a",
                      "verdict"):
            with self.subTest(field), self.assertRaises(Unusable):
                self.report().fill("{{" + field + "}}")

    def test_a_paragraph_may_depend_on_a_bar(self):
        template = ("a\n\n{{when MISSED handover-p50}} because\n\n"
                    "{{when met handover-p50}}\nfine\n\nz")
        for lease, wanted in ((9, "a\n\nbecause\n\nz"),
                              (1, "a\n\nfine\n\nz")):
            made = self.report(*handover([lease] * 3, [1] * 3))
            self.assertEqual(made.fill(template), wanted)
        self.assertEqual(self.report().fill(template), "a\n\nz")
        with self.assertRaisesRegex(Unusable, "no bar is called x"):
            made.fill("{{when met x}} y")

    def test_lines_are_broken_anew(self):
        made = self.report(*handover([1, 1, 1], [1, 1, 1]))
        words = "{{value handover lease p50_ns}} and " * 20
        filled = made.fill(words + "\n\n- a\n- b\n\n{{bars}}")
        lines = filled.split("\n\n")[0].splitlines()
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertGreater(min(map(len, lines[:-1])), 70)
        self.assertIn("\n\n- a\n- b\n\n| measure |", filled)

    def test_the_machine(self):
        told = self.report().fill("{{machine}}")
        for row in ("| processor | Z80 |", "| GStreamer | 1.22.0 |",
                    "| GStreamer in Debian 13 | 1.26.2 |",
                    "| load | 0.25 before, 1.5 after |"):
            self.assertIn(row, told)
        self.assertNotIn("governor", told)

    def test_troubles_are_told(self):
        stalled = result("gst-paced", "unixfd", "the row", {"per_s": [1] * 3})
        stalled.stalls = [0, 2]
        loud = {"row": "r", "steal": 0.5, "others": 0}
        told = self.report(
            stalled, failures=[{"row": "bad", "round": 1, "why": "no room"},
                               {"row": "bad", "round": 2, "why": "no room"}],
            disturbed=[loud | {"attempt": 0}, loud | {"attempt": 1}]
        ).fill("{{troubles}}")
        self.assertNotIn("quick", told)
        self.assertIn("quick run", self.report(quick=True).fill(
            "{{troubles}}"))
        self.assertIn("`bad` failed 2 times: no room", told)
        self.assertIn("`the row` stalled in 2 of 3 runs", told)
        self.assertIn("1 of 7 calls were disturbed", told)
        self.assertIn("1 were disturbed again, and kept", told)


class Plots(Case):
    def test_a_plot_is_written_and_has_its_points(self):
        made = self.report(*handover([1000] * 3, [900] * 3),
                           *handover([2000] * 3, [900] * 3, consumers=4))
        self.assertEqual(
            made.fill("{{plot latency-consumers}}"),
            "![Hand-over against the number of consumers]"
            "(performance/latency-consumers.svg)")
        svg = (self.folder / "performance/latency-consumers.svg").read_text()
        root = ElementTree.fromstring(svg)
        points = [element for element in root.iter()
                  if element.get("class") == "point"]
        self.assertEqual(len(points), 4)
        told = root.find("{http://www.w3.org/2000/svg}desc").text
        self.assertIn("leased: 1 µs, 2 µs", told)

    def test_a_plot_of_nothing_is_not_written(self):
        made = self.report()
        for name in figures.CHARTS:
            self.assertEqual(made.fill("{{plot " + name + "}}"),
                             report.ABSENT)
        self.assertFalse((self.folder / "performance").exists())

    def test_a_peer_that_stalled_is_in_the_plot(self):
        stalled = Result(bars.DEFAULTS["gst-latency"]
                         | {"measure": "gst-latency", "what": "unixfd",
                            "system": "Debian 13"}, "row", [0, 1], {}, [0, 1])
        self.report(*latency("fc", [1], [1], "Debian 13"), stalled).fill(
            "{{plot latency-transports}}")
        svg = (self.folder
               / "performance/latency-transports.svg").read_text()
        self.assertIn("stalled in 2 of 2 runs", svg)


class Whole(Case):
    def run_report(self, results, *words):
        told = io.StringIO()
        with contextlib.redirect_stdout(told), \
                contextlib.redirect_stderr(told):
            ended = report.main([str(results), str(self.folder / "page.md"),
                                 *words])
        return ended, told.getvalue()

    def test_each_field_of_the_page_is_one(self):
        path = self.folder / "results.json"
        Results(ABOUT, []).save(path)
        ended, told = self.run_report(path)
        self.assertEqual(ended, 0, told)
        self.assertIn("not measured: value handover copy p50_ns", told)
        page = (self.folder / "page.md").read_text()
        self.assertNotIn("{{", page)
        # Each plot and each bar has its place in the page's source.
        source = (HERE / "performance.md.in").read_text()
        for name in figures.CHARTS:
            self.assertIn("{{plot " + name + "}}", source)

    def test_missed_bars_are_told(self):
        path = self.folder / "results.json"
        Results(ABOUT, handover([9] * 3, [1] * 3)).save(path)
        ended, told = self.run_report(path)
        self.assertEqual(ended, 0, told)
        self.assertIn("MISSED: hand-over of a 1080p frame", told)
        self.assertIn("1 missed", told)

    def test_results_that_are_none(self):
        path = self.folder / "results.json"
        path.write_text("{}")
        ended, told = self.run_report(path)
        self.assertEqual(ended, 1)
        self.assertIn("holds no results", told)
        self.assertFalse((self.folder / "page.md").exists())

    def test_the_page_in_docs_is_made_of_the_results_beside_it(self):
        path = DOCS / "performance/results.json"
        made = report.Report(Results.load(path), self.folder / "performance")
        page = made.fill((HERE / "performance.md.in").read_text())
        self.assertEqual(page, (DOCS / "performance.md").read_text())
        for plot in sorted((self.folder / "performance").glob("*.svg")):
            self.assertEqual(plot.read_text(),
                             (DOCS / "performance" / plot.name).read_text())
            self.assertLess(plot.stat().st_size, 40_000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
