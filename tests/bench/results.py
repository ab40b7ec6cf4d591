# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benches measured: the lines that they print, and many of them put
together. The runner writes results by this, plots and report read them.

A line is an object of JSON: "measure" and "what" name it, numbers whose names
end with a unit are figures, and what else there is are its parameters.
"""

import json
import math
import re
import statistics

FORMAT = 1
FIGURE = re.compile(r"(^|_)(ns|bytes|per_s|ratio|faults|calls|lost|"
                    r"lost_frames|dropped|shortened|percent|n)$")


class Unusable(Exception):
    """Not what a bench program is to print, or no results of ours."""


def is_figure(name):
    return FIGURE.search(name) is not None


def parse_line(line):
    """One line of a bench program: its identity, its figures, and whether it
    says that what it measured stalled. That may leave no figure."""
    try:
        thing = json.loads(line)
    except ValueError:
        raise Unusable(f"not a line of JSON: {line[:80]!r}") from None
    if not isinstance(thing, dict):
        raise Unusable(f"not an object of JSON: {line[:80]!r}")
    for name in ("measure", "what"):
        if not isinstance(thing.get(name), str):
            raise Unusable(f"no {name} in {line[:80]!r}")
    for name, value in thing.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise Unusable(f"{name} is no number in {line[:80]!r}")
        if not isinstance(value, (str, int, float)):
            raise Unusable(f"{name} is neither number nor text in "
                           f"{line[:80]!r}")
        if is_figure(name) and isinstance(value, (str, bool)):
            raise Unusable(f"{name} is no number in {line[:80]!r}")
        if re.search(r"(^|_)ns$", name) and value < 0:
            raise Unusable(f"{name} is a time below 0 in {line[:80]!r}")
    figures = {k: v for k, v in thing.items() if is_figure(k)}
    stalled = bool(thing.pop("stalled", False))
    identity = {k: v for k, v in thing.items() if not is_figure(k)}
    if not figures and not stalled:
        raise Unusable(f"no figure in {line[:80]!r}")
    return identity, figures, stalled


class Result:
    """What one row of the table measured of one thing, round by round."""

    def __init__(self, identity, row, rounds=(), figures=None, stalls=()):
        self.identity, self.row = identity, row
        self.rounds = list(rounds)
        self.figures = figures or {}
        self.stalls = list(stalls)  # the rounds in which it did

    def add(self, number, figures, stalled=False):
        for name in figures.keys() - self.figures.keys():
            self.figures[name] = [None] * len(self.rounds)
        self.rounds.append(number)
        for name, values in self.figures.items():
            values.append(figures.get(name))
        if stalled:
            self.stalls.append(number)

    def by_round(self, figure):
        return {number: value for number, value
                in zip(self.rounds, self.figures.get(figure, ()))
                if value is not None}

    def to_json(self):
        summary = {}
        for name, values in sorted(self.figures.items()):
            known = [value for value in values if value is not None]
            if known:
                summary[name] = {"median": shorter(statistics.median(known)),
                                 "min": min(known), "max": max(known)}
            else:
                summary[name] = {}
            summary[name]["all"] = values
        return {**self.identity, "row": self.row, "rounds": self.rounds,
                "stalls": self.stalls, "figures": summary}

    @classmethod
    def from_json(cls, thing):
        thing = dict(thing)
        figures = {name: summary["all"]
                   for name, summary in thing.pop("figures").items()}
        row, rounds = thing.pop("row"), thing.pop("rounds")
        stalls = thing.pop("stalls")
        return cls(thing, row, rounds, figures, stalls)


def shorter(number):
    """A median of whole numbers need not end with .0."""
    return int(number) if number == int(number) else round(number, 3)


class Values:
    """Numbers of one kind, one or more a repetition."""

    def __init__(self, numbers):
        self.numbers = list(numbers)
        self.median = statistics.median(self.numbers)
        self.low, self.high = min(self.numbers), max(self.numbers)


class Results:
    """All of a run, and how it was made."""

    def __init__(self, about, results):
        self.about, self.results = about, results

    @classmethod
    def load(cls, path):
        try:
            thing = json.loads(path.read_text(encoding="utf-8"))
            if thing["format"] != FORMAT:
                raise Unusable(f"{path} has format {thing['format']}, "
                               f"this reads {FORMAT}: run the bench again")
            results = [Result.from_json(r) for r in thing.pop("results")]
        except OSError as error:
            raise Unusable(f"{path} can not be read: {error.strerror}"
                           ) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Unusable(f"{path} holds no results of scripts/bench"
                           ) from None
        return cls(thing, results)

    def save(self, path):
        """A line for each result, so that two runs can be compared."""
        about = {"format": FORMAT, **self.about}
        lines = [f"{json.dumps(k)}: {json.dumps(v)}"
                 for k, v in about.items()]
        results = ",\n  ".join(json.dumps(r.to_json())
                               for r in self.results)
        path.write_text("{" + ",\n ".join(lines)
                        + f',\n "results": [\n  {results}\n]}}\n',
                        encoding="utf-8")

    def find(self, measure, what, **wanted):
        """All that is called so and has these parameters."""
        wanted |= {"measure": measure, "what": what}
        return [result for result in self.results
                if all(result.identity.get(name) == value
                       for name, value in wanted.items())]

    def stalls(self, measure, what, **wanted):
        """In how many runs it stalled, of how many; what stalled may not say
        all of its parameters."""
        wanted |= {"measure": measure, "what": what}
        found = [result for result in self.results
                 if all(result.identity.get(name, value) == value
                        for name, value in wanted.items())]
        return (sum(len(result.stalls) for result in found),
                sum(len(result.rounds) for result in found))

    def one(self, measure, what, figure, **wanted):
        """All that measured one thing, which may be more than one row's."""
        found = [result for result in self.find(measure, what, **wanted)
                 if result.by_round(figure)]
        for result in found[1:]:
            if result.identity != found[0].identity:
                raise Unusable(
                    f"{measure} {what} {wanted} is more than one thing: "
                    f"{found[0].identity} and {result.identity}")
        return found

    def values(self, measure, what, figure, **wanted):
        found = self.one(measure, what, figure, **wanted)
        numbers = [number for result in found
                   for number in result.by_round(figure).values()]
        return Values(numbers) if numbers else None

    def ratios(self, above, below):
        """Of two things, each (measure, what, figure, parameters): in each
        round by itself, and by what the same call measured where it measured
        both. None where there is no round with both."""
        *names, wanted = above
        over = self.one(*names, **wanted)
        *names, wanted = below
        under = self.one(*names, **wanted)
        ratios = []
        for result in over:
            same = [u for u in under if u.row == result.row] or under
            for number, value in result.by_round(above[2]).items():
                base = [u.by_round(below[2]).get(number) for u in same]
                base = [b for b in base if b]
                if base:
                    ratios.append(value / statistics.median(base))
        return Values(ratios) if ratios else None
