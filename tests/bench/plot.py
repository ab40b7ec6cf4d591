# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plots as SVG, of two kinds: lines over a number, and dots by name. Each
point is a median with whiskers from the least to the greatest repetition.
They bring their own background, so that they can be read on any page; colours
can be told apart by the colour-blind, and shapes differ too.
"""

import math
from xml.sax.saxutils import escape, quoteattr

INK, FAINT, PAPER = "#1a1a1a", "#dcdcdc", "#ffffff"
GREY = "#5f5f5f"
SMALL, NORMAL, LARGE = 11, 12.5, 15
WIDTH = 760

# Okabe and Ito's colours, but for the yellow; their darker kin for words.
STYLES = {
    "floor": (GREY, "dash", GREY),
    "floor too": ("#9c9c9c", "dash", "#757575"),
    "ours": ("#0072b2", "circle", "#005f95"),
    "ours too": ("#56b4e9", "square", "#1f79ad"),
    "ours third": ("#e69f00", "diamond", "#8a5f00"),
    "peer 1": ("#d55e00", "triangle", "#a94a00"),
    "peer 2": ("#009e73", "diamond", "#007354"),
    "peer 3": ("#cc79a7", "square", "#9c4677"),
}


class NothingToShow(Exception):
    """There is not one point."""


def number(value):
    """A coordinate, in as few bytes as are of use."""
    return f"{value:.1f}".removesuffix(".0")


def width_of(text, size_of=NORMAL):
    """Of a bold text, or more; fonts differ."""
    return len(text) * size_of * 0.66


def three_digits(value):
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2}f}".rstrip("0").rstrip(".")


def scaled(value, units):
    """With the greatest unit that leaves at least 1."""
    for size, name in units:
        if abs(value) >= size:
            break
    return f"{three_digits(value / size)}{name}"


def duration(ns):
    return scaled(ns, ((1e9, " s"), (1e6, " ms"), (1e3, " µs"), (1, " ns")))


def size(count):
    return scaled(count, ((1e9, " GB"), (1e6, " MB"), (1e3, " kB"),
                          (1, " B")))


def throughput(count):
    return size(count) + "/s"


def rate(per_s):
    return scaled(per_s, ((1e6, " M/s"), (1e3, " k/s"), (1, "/s")))


def percent(value):
    return three_digits(value) + "%"


def plain(value):
    return three_digits(value)


class Axis:
    """From numbers to places. The ends are rounded outwards to ticks."""

    def __init__(self, title, unit=plain, log=False, ticks=None):
        self.title, self.unit, self.log = title, unit, log
        self.given = ticks
        self.dense = 2e3  # ends' ratio up to which 2 and 5 have ticks too
        self.ends, self.places = (0, 1), (0, 1)

    def fit(self, values, begin, end):
        """So that VALUES lie between the places BEGIN and END."""
        low, high = min(values), max(values)
        if self.given:
            margin = (high / low) ** 0.03 if self.log else 1
            self.ends = (low / margin, high * margin)
        elif self.log:
            self.ends = self.fit_log(low, high)
        else:
            step = self.step(high or 1)
            self.ends = (0, math.ceil((high or 1) / step) * step)
        self.places = (begin, end)

    @staticmethod
    def fit_log(low, high):
        steps = [m * 10.0 ** e for e in range(-3, 15) for m in (1, 2, 5)]
        return (max(s for s in steps if s <= low * 1.0001),
                min(s for s in steps if s >= high * 1.0001))

    @staticmethod
    def step(span):
        power = 10.0 ** math.floor(math.log10(span))
        return next(m * power for m in (0.2, 0.5, 1, 2) if span <= m * 5
                    * power)

    def at(self, value):
        low, high = self.ends
        begin, end = self.places
        if low == high:
            return (begin + end) / 2
        if self.log:
            share = math.log(max(value, low) / low) / math.log(high / low)
        else:
            share = (value - low) / (high - low)
        return begin + share * (end - begin)

    def ticks(self):
        """(value, label) each."""
        low, high = self.ends
        if self.given:
            return self.given
        if not self.log:
            step = self.step(high)
            return [(i * step, self.unit(i * step))
                    for i in range(round(high / step) + 1)]
        wanted = (1, 2, 5) if high / low < self.dense else (1,)
        return [(m * 10.0 ** e, self.unit(m * 10.0 ** e))
                for e in range(-3, 15) for m in wanted
                if low <= m * 10.0 ** e * 1.0001 <= high * 1.001]


class Point:
    """A median between its least and its greatest."""

    def __init__(self, x, values):
        self.x, self.y = x, values.median
        self.low, self.high = values.low, values.high


class Canvas:
    def __init__(self, title, subtitle, description, height):
        self.height = height
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" '
            'font-family="Helvetica, Arial, Liberation Sans, DejaVu Sans, '
            'sans-serif">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(description)}</desc>",
            f'<rect width="{WIDTH}" height="{height}" rx="6" '
            f'fill="{PAPER}"/>']
        self.text(20, 28, title, LARGE, weight="bold")
        self.text(20, 47, subtitle, NORMAL, colour=GREY)

    def text(self, x, y, words, size_of=SMALL, anchor="start", colour=INK,
             weight=None, turn=False):
        more = f' font-weight="{weight}"' if weight else ""
        if turn:
            more += f' transform="rotate(-90 {number(x)} {number(y)})"'
        self.parts.append(
            f'<text x="{number(x)}" y="{number(y)}" font-size="{size_of}" '
            f'fill="{colour}" text-anchor="{anchor}"{more}>'
            f"{escape(words)}</text>")

    def line(self, x1, y1, x2, y2, colour=FAINT, width=1.0, dash=""):
        more = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<line x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" '
            f'y2="{number(y2)}" stroke="{colour}" '
            f'stroke-width="{width}"{more}/>')

    def mark(self, x, y, style, hollow=False, says=""):
        colour, shape, _ = STYLES[style]
        r = 4.2
        corners = {
            "triangle": ((0, -r - 1), (r + 0.8, r), (-r - 0.8, r)),
            "diamond": ((0, -r - 1.2), (r + 1.2, 0), (0, r + 1.2),
                        (-r - 1.2, 0)),
            "square": ((-r, -r), (r, -r), (r, r), (-r, r)),
        }.get(shape)
        paint = (f'fill="{PAPER if hollow else colour}" stroke="{colour}" '
                 'stroke-width="1.6" class="point"')
        says = f"<title>{escape(says)}</title>"
        if corners:
            points = " ".join(f"{number(x + dx)},{number(y + dy)}"
                              for dx, dy in corners)
            self.parts.append(f'<polygon points="{points}" {paint}>{says}'
                              "</polygon>")
        else:
            self.parts.append(f'<circle cx="{number(x)}" cy="{number(y)}" '
                              f'r="{r}" {paint}>{says}</circle>')

    def whisker(self, x1, y1, x2, y2, style):
        """With a short stroke across each end."""
        colour, *_ = STYLES[style]
        if abs(x1 - x2) + abs(y1 - y2) < 1:
            return
        self.line(x1, y1, x2, y2, colour, 1.4)
        across, down = (0, 3) if y1 == y2 else (3, 0)
        for x, y in ((x1, y1), (x2, y2)):
            self.line(x - across, y - down, x + across, y + down, colour, 1.4)

    def polyline(self, points, style):
        colour, shape, _ = STYLES[style]
        dash = ' stroke-dasharray="6 4"' if shape == "dash" else ""
        places = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self.parts.append(f'<polyline points={quoteattr(places)} fill="none" '
                          f'stroke="{colour}" stroke-width="2"{dash}/>')

    def svg(self):
        return "\n".join(self.parts) + "\n</svg>\n"


def spread_out(places, gap):
    """Labels' heights, moved apart so that none covers another."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for _ in range(100):
        for a, b in zip(order, order[1:]):
            lack = gap - (moved[b] - moved[a])
            if lack > 0.01:
                moved[a] -= lack / 2
                moved[b] += lack / 2
    return moved


class Lines:
    """Medians over a number, with the name of each line at its end."""

    def __init__(self, title, subtitle, x, y, height=400):
        self.title, self.subtitle = title, subtitle
        self.x, self.y, self.height = x, y, height
        self.lines = []

    def add(self, name, style, points):
        points = sorted(points, key=lambda p: p.x)
        if points:
            self.lines.append((name, style, points))

    def frame(self, canvas, left, right, top, bottom):
        for value, label in self.y.ticks():
            at = self.y.at(value)
            canvas.line(left, at, right, at)
            canvas.text(left - 8, at + 4, label, anchor="end")
        for value, label in self.x.ticks():
            at = self.x.at(value)
            canvas.line(at, bottom, at, bottom + 5, GREY)
            canvas.text(at, bottom + 18, label, anchor="middle")
        canvas.line(left, bottom, right, bottom, GREY)
        canvas.text((left + right) / 2, bottom + 38, self.x.title, NORMAL,
                    "middle")
        canvas.text(20, top - 10, self.y.title, NORMAL)

    def svg(self):
        if not self.lines:
            raise NothingToShow(self.title)
        canvas = Canvas(self.title, self.subtitle, self.describe(),
                        self.height)
        names = max(width_of(name) for name, _, _ in self.lines)
        left, right, top, bottom = 78, WIDTH - names - 34, 86, \
            self.height - 52
        points = [p for _, _, line in self.lines for p in line]
        self.x.fit([p.x for p in points], left + 12, right - 8)
        self.y.fit([v for p in points for v in (p.low, p.high)], bottom, top)
        self.frame(canvas, left, right, top, bottom)
        for name, style, line in self.lines:
            self.draw(canvas, name, style, line)
        ends = [self.y.at(line[-1].y) for _, _, line in self.lines]
        for (name, style, line), end, at in zip(self.lines, ends,
                                                spread_out(ends, 16)):
            x = self.x.at(line[-1].x)
            canvas.line(x + 8, end, right + 16, at, STYLES[style][0], 0.8)
            canvas.text(right + 20, at + 4, name, NORMAL,
                        colour=STYLES[style][2], weight="bold")
        return canvas.svg()

    def draw(self, canvas, name, style, line):
        places = [(self.x.at(p.x), self.y.at(p.y)) for p in line]
        canvas.polyline(places, style)
        for p, (x, y) in zip(line, places):
            canvas.whisker(x, self.y.at(p.low), x, self.y.at(p.high), style)
            canvas.mark(x, y, style, says=f"{name}: {self.y.unit(p.y)}")

    def describe(self):
        return "; ".join(
            f"{name}: " + ", ".join(self.y.unit(p.y) for p in line)
            for name, _, line in self.lines)


class Dots:
    """A row for each thing, on it a dot for each figure. A second figure's
    dot is hollow."""

    ROW = 34

    def __init__(self, title, subtitle, x, figures=("",)):
        self.title, self.subtitle, self.x = title, subtitle, x
        self.figures = figures
        self.rows = []

    def add(self, name, style, values, note=""):
        """VALUES as there are figures, None where there is none."""
        if note or any(values):
            self.rows.append((name, style, values, note))

    def svg(self):
        numbers = [v for _, _, values, _ in self.rows for value in values
                   if value for v in (value.low, value.high)]
        if not numbers:
            raise NothingToShow(self.title)
        top, rows = 84, len(self.rows)
        bottom = top + rows * self.ROW
        canvas = Canvas(self.title, self.subtitle, self.describe(),
                        bottom + 52)
        left = max(width_of(name) for name, *_ in self.rows) + 36
        right = WIDTH - 24 - max(width_of(self.told(values), SMALL)
                                 for _, _, values, _ in self.rows)
        self.x.dense = 150  # labels stand side by side
        self.x.fit(numbers, left, right)
        for value, label in self.x.ticks():
            at = self.x.at(value)
            canvas.line(at, top - 8, at, bottom)
            canvas.text(at, bottom + 16, label, anchor="middle")
        canvas.text((left + right) / 2, bottom + 38, self.x.title,
                    NORMAL, "middle")
        self.key(canvas)
        for i, row in enumerate(self.rows):
            self.draw(canvas, left, top + (i + 0.5) * self.ROW - 4, *row)
        return canvas.svg()

    def key(self, canvas):
        """What the dots are, where there is more than one kind."""
        if len(self.figures) < 2:
            return
        x = 20
        for i, figure in enumerate(self.figures):
            canvas.parts.append(
                f'<circle cx="{number(x + 5)}" cy="63" r="4" stroke="{INK}" '
                f'stroke-width="1.5" fill="{PAPER if i else INK}"/>')
            canvas.text(x + 14, 67, figure)
            x += 34 + width_of(figure, SMALL)

    def draw(self, canvas, left, y, name, style, values, note):
        *_, colour = STYLES[style]
        canvas.text(left - 12, y + 4, name, NORMAL, "end", colour, "bold")
        last = left
        for i, value in enumerate(values):
            if not value:
                continue
            canvas.whisker(self.x.at(value.low), y, self.x.at(value.high), y,
                           style)
            canvas.mark(self.x.at(value.median), y, style, hollow=i > 0,
                        says=self.x.unit(value.median))
            last = max(last, self.x.at(value.high))
        canvas.text(last + 10, y + 4, self.told(values) or note,
                    colour=colour)

    def told(self, values):
        return ", ".join(self.x.unit(v.median) for v in values if v)

    def describe(self):
        return "; ".join(
            f"{name}: " + (", ".join(
                f"{figure} {self.x.unit(v.median)}".strip()
                for figure, v in zip(self.figures, values) if v) or note)
            for name, _, values, note in self.rows)
