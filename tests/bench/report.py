#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make docs/performance.md and its plots from the benches' results.

The words are performance.md.in's. Each figure in them is asked for by name,
in double braces, so that words and figures can not disagree:

  {{value MEASURE WHAT FIGURE [NAME=VALUE...]}}     the median
  {{spread MEASURE WHAT FIGURE [NAME=VALUE...]}}    with least and greatest
  {{ratio MEASURE WHAT/OTHER FIGURE [NAME=VALUE...]}}
  {{bar NAME}} {{verdict NAME}}   one of bars.py's: its ratio, whether it holds
  {{bars}} {{machine}} {{troubles}} {{plot NAME}} {{rounds}} {{made}}

A paragraph that begins with {{when met NAME}} or {{when MISSED NAME}} is there
only where that is so of the bar: why a bar is missed is said where it is.
"""

import argparse
import pathlib
import re
import sys
import textwrap

import bars
import figures
import plot
from results import Results, Unusable

HERE = pathlib.Path(__file__).resolve().parent
FIELD = re.compile(r"\{\{(.*?)\}\}", re.S)
ABSENT = "(not measured)"


def table(head, rows):
    """Of Markdown."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells
                     in [head, ["---"] * len(head), *rows])


def broken(text):
    """A paragraph, its lines broken anew."""
    return textwrap.fill(text, 80, break_long_words=False,
                         break_on_hyphens=False)


def number_or_text(word):
    try:
        return int(word)
    except ValueError:
        return word


class Report:
    def __init__(self, results, folder):
        """Plots are put into FOLDER, and found there by the page above."""
        self.results, self.folder = results, folder
        self.bars = {bar.name: bar.judge(results) for bar
                     in bars.all_bars()}
        self.absent = []

    def fill(self, template):
        paragraphs = map(self.choose, template.split("\n\n"))
        return "\n\n".join(self.fill_paragraph(paragraph)
                           for paragraph in paragraphs
                           if paragraph is not None)

    def choose(self, text):
        """A paragraph without its condition, or None where that is not
        met."""
        condition = re.match(r"\{\{when (met|MISSED) ([\w-]+)\}\}\s*", text)
        if condition is None:
            return text
        verdict, name = condition.groups()
        if name not in self.bars:
            raise Unusable(f"no bar is called {name}")
        if self.bars[name].verdict == verdict:
            return broken(text[condition.end():])
        return None

    def fill_paragraph(self, text):
        """Figures are not as long as their names: lines are broken anew, but
        for what is a field and nothing else."""
        filled = FIELD.sub(lambda match: self.field(match.group(1).split()),
                           text)
        if filled == text or FIELD.fullmatch(text.strip()):
            return filled
        return broken(filled)

    def field(self, words):
        name, *words = words
        try:
            made = getattr(self, "field_" + name)(*words)
        except (AttributeError, TypeError, KeyError):
            raise Unusable("no field of the report: "
                           f"{' '.join([name, *words])}") from None
        if made is None:
            self.absent.append(" ".join([name, *words]))
        return ABSENT if made is None else made

    @staticmethod
    def thing(measure, what, figure, parameters):
        wanted = dict(word.split("=", 1) for word in parameters)
        return bars.Thing(measure, what, figure,
                          **{name: number_or_text(value)
                             for name, value in wanted.items()})

    def field_value(self, measure, what, figure, *parameters):
        thing = self.thing(measure, what, figure, parameters)
        values = thing.values(self.results)
        return values and thing.shown(values.median)

    def field_spread(self, measure, what, figure, *parameters):
        thing = self.thing(measure, what, figure, parameters)
        values = thing.values(self.results)
        return values and bars.spread(values, thing.shown)

    def field_ratio(self, measure, pair, figure, *parameters):
        above, below = (self.thing(measure, what, figure, parameters)
                        for what in pair.split("/"))
        ratio = above.ratio_to(below, self.results)
        return ratio and f"{ratio.median:.2f}"

    def field_bar(self, name):
        ratio = self.bars[name].ratio
        return ratio and bars.spread(ratio, lambda v: f"{v:.2f}")

    def field_verdict(self, name):
        return self.bars[name].verdict

    def field_bars(self):
        return table(["measure", "bar", "figure", "ratio", ""],
                     [bar.row() for bar in self.bars.values()])

    def field_count(self, verdict):
        if verdict == "all":
            return str(len(self.bars))
        return str(sum(bar.verdict == verdict.replace("-", " ")
                       for bar in self.bars.values()))

    def field_machine(self):
        about = dict(self.results.about["machine"])
        for system, version in self.results.about["gstreamer"].items():
            where = "" if system == "here" else f" in {system}"
            about[f"GStreamer{where}"] = version
        about["load"] = (f"{self.results.about['load before']} before, "
                         f"{self.results.about['load after']} after")
        return table(["", ""], [[name, text] for name, text
                                in about.items() if text])

    def field_rounds(self):
        return str(self.results.about["rounds"])

    def field_made(self):
        return self.results.about["made"]

    def field_troubles(self):
        """What was left out, failed, stalled or was disturbed: a list."""
        told = []
        if self.results.about["quick"]:
            told.append("- **A quick run:** much is left out, and what is "
                        "there was measured less often")
        seen = {}
        for failure in self.results.about["failures"]:
            seen.setdefault((failure["row"], failure["why"]), []).append(1)
        for (row, why), times in seen.items():
            told.append(f"- `{row}` failed {len(times)} times: {why}")
        for result in self.results.results:
            if result.stalls:
                told.append(f"- `{result.row}` stalled in "
                            f"{len(result.stalls)} of "
                            f"{len(result.rounds)} runs")
        kept = [d for d in self.results.about["disturbed"] if d["attempt"]]
        calls = self.results.about["calls"]
        told.append(
            f"- {len(self.results.about['disturbed']) - len(kept)} of "
            f"{calls} calls were disturbed by others and made once more; "
            f"{len(kept)} were disturbed again, and kept")
        return "\n".join(told)

    def field_plot(self, name):
        try:
            chart = figures.CHARTS[name](self.results)
            svg = chart.svg()
        except plot.NothingToShow:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        return f"![{chart.title}]({self.folder.name}/{name}.svg)"


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--template", type=pathlib.Path,
                        default=HERE / "performance.md.in")
    parser.add_argument("results", type=pathlib.Path,
                        help="results.json; the plots are put beside it")
    parser.add_argument("page", type=pathlib.Path,
                        help="the page to write, in the folder above")
    arguments = parser.parse_args(words)
    try:
        results = Results.load(arguments.results)
        report = Report(results, arguments.results.parent)
        text = report.fill(arguments.template.read_text(encoding="utf-8"))
    except Unusable as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    arguments.page.write_text(text, encoding="utf-8")
    for field in report.absent:
        print(f"not measured: {field}")
    missed = [bar for bar in report.bars.values() if bar.verdict == "MISSED"]
    for bar in missed:
        print("MISSED: " + ", ".join(bar.row()[:4]))
    print(f"{arguments.page}: {len(report.bars)} bars, {len(missed)} missed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
