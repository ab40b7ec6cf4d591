#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The plots: well-formed, with their points where these belong."""

import unittest
from xml.etree import ElementTree

import plot
from results import Values

SVG = "{http://www.w3.org/2000/svg}"


def three(number):
    return Values([number / 2, number, number * 2])


def lines(count=4, **keywords):
    chart = plot.Lines(
        "Cost & <gain>", "of five",
        plot.Axis("consumers", log=True,
                  ticks=[(n, str(n)) for n in (1, 2, 4, 8)]),
        plot.Axis("latency", plot.duration, log=True), **keywords)
    for i in range(count):
        chart.add(f"line {i}", list(plot.STYLES)[i],
                  [plot.Point(n, three(1000 * n)) for n in (8, 1, 4, 2)])
    return chart


def dots():
    chart = plot.Dots("Latency", "1080p", plot.Axis("ns", plot.duration,
                                                    log=True), ("p50", "p99"))
    chart.add("ours", "ours", [three(100), three(1000)])
    chart.add("theirs", "peer 1", [three(400), None])
    chart.add("other", "peer 3", [None, None], "stalled in 2 of 3 runs")
    chart.add("absent", "peer 2", [None, None])
    return chart


def points_of(svg):
    """The places of the marks, from left to right and line by line."""
    places = []
    for element in ElementTree.fromstring(svg).iter():
        if element.get("class") != "point":
            continue
        if element.tag == SVG + "circle":
            places.append((float(element.get("cx")), float(element.get("cy"))))
        else:
            corners = [tuple(map(float, corner.split(",")))
                       for corner in element.get("points").split()]
            xs, ys = zip(*corners)
            places.append(((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2))
    return places


def texts_of(svg):
    return {element.text: element for element
            in ElementTree.fromstring(svg).iter(SVG + "text")}


class Lines(unittest.TestCase):
    def test_points_are_where_they_belong(self):
        places = points_of(lines(1).svg())
        self.assertEqual(len(places), 4)
        xs, ys = zip(*places)
        self.assertEqual(list(xs), sorted(xs))
        self.assertEqual(list(ys), sorted(ys, reverse=True))  # upwards
        # Both axes are logarithmic, and both double from point to point.
        for values in places and (xs, ys):
            steps = [b - a for a, b in zip(values, values[1:])]
            self.assertLess(max(steps) - min(steps), 0.3)

    def test_ticks_are_where_they_belong(self):
        svg = lines(1).svg()
        (x, y), *_ = points_of(svg)
        texts = texts_of(svg)  # whose middle is 4 above their ground
        self.assertAlmostEqual(float(texts["1 µs"].get("y")) - 4, y, delta=1)
        self.assertAlmostEqual(float(texts["1"].get("x")), x, delta=1)

    def test_a_line_has_its_words(self):
        texts = texts_of(lines(2).svg())
        for words in ("Cost & <gain>", "of five", "consumers", "latency",
                      "line 0", "line 1", "8", "1 µs"):
            self.assertIn(words, texts)

    def test_names_do_not_cover_each_other(self):
        texts = texts_of(lines(5).svg())
        heights = sorted(float(texts[f"line {i}"].get("y")) for i in range(5))
        for above, below in zip(heights, heights[1:]):
            self.assertGreater(below - above, 14)

    def test_it_is_the_same_each_time(self):
        self.assertEqual(lines().svg(), lines().svg())

    def test_it_is_small_and_brings_its_background(self):
        svg = lines().svg()
        self.assertLess(len(svg), 40_000)
        root = ElementTree.fromstring(svg)
        ground = root.find(SVG + "rect")
        self.assertEqual((ground.get("width"), ground.get("fill")),
                         (root.get("width"), plot.PAPER))

    def test_nothing_to_show(self):
        with self.assertRaises(plot.NothingToShow):
            lines(0).svg()
        with self.assertRaises(plot.NothingToShow):
            plot.Dots("a", "b", plot.Axis("c")).svg()


class Dots(unittest.TestCase):
    def test_points_are_where_they_belong(self):
        (x1, y1), (x2, y2), (x3, y3) = points_of(dots().svg())
        self.assertEqual(y1, y2)
        self.assertGreater(y3, y1)
        self.assertLess(x1, x3)
        self.assertLess(x3, x2)

    def test_the_second_figure_is_hollow(self):
        fills = [element.get("fill") for element
                 in ElementTree.fromstring(dots().svg()).iter()
                 if element.get("class") == "point"]
        self.assertEqual(fills[1], plot.PAPER)
        self.assertNotIn(plot.PAPER, (fills[0], fills[2]))

    def test_what_stalled_is_said_and_what_is_not_there_is_left_out(self):
        texts = texts_of(dots().svg())
        self.assertIn("stalled in 2 of 3 runs", texts)
        self.assertIn("100 ns, 1 µs", texts)
        self.assertNotIn("absent", texts)


class Axes(unittest.TestCase):
    def test_ends_are_ticks_around_all_values(self):
        for values in ([3], [0.004, 7], [1, 64], [999, 1001], [30e3, 4e9]):
            for log in (True, False):
                axis = plot.Axis("t", log=log)
                axis.fit(values, 0, 100)
                ticks = [value for value, _ in axis.ticks()]
                self.assertGreaterEqual(len(ticks), 2, (values, log))
                self.assertLessEqual(len(ticks), 12, (values, log))
                for value in values:
                    self.assertGreaterEqual(axis.at(value), 0)
                    self.assertLessEqual(axis.at(value), 100)

    def test_a_single_place_is_in_the_middle(self):
        for log in (True, False):
            axis = plot.Axis("t", log=log, ticks=[(7, "7")])
            axis.fit([7], 0, 100)
            self.assertEqual(axis.at(7), 50)

    def test_zero_is_the_ground_of_what_is_not_logarithmic(self):
        axis = plot.Axis("t")
        axis.fit([50, 100], 400, 0)
        self.assertEqual(axis.at(0), 400)
        self.assertEqual(axis.at(50), 200)

    def test_units(self):
        for told, wanted in ((plot.duration(31_234), "31.2 µs"),
                             (plot.duration(2e9), "2 s"),
                             (plot.duration(450.4), "450 ns"),
                             (plot.duration(0.31), "0.31 ns"),
                             (plot.size(3_110_400), "3.11 MB"),
                             (plot.throughput(9.5e9), "9.5 GB/s"),
                             (plot.rate(44_000), "44 k/s"),
                             (plot.rate(60), "60/s")):
            self.assertEqual(told, wanted)


if __name__ == "__main__":
    unittest.main(verbosity=2)
