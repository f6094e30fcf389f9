"""Curves as SVG: one file for each, no library. Points are medians, whiskers min and max of the rounds."""
import math
from xml.sax.saxutils import escape

import plan
import tables

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 84, 190, 44, 56
COLOURS = ("#1f6fb4", "#d1495b", "#3c8d40", "#8d5fb0", "#c27c0e", "#555555")
DASHES = ("", "7 4", "2 3")


class Axis:
    """Values to pixels, linear or logarithmic, with ticks at round numbers."""

    def __init__(self, low, high, start, end, log):
        self.log, self.start, self.end = log, start, end
        if log:
            self.low, self.high = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
            if self.low == self.high:
                self.high = self.low * 10
        else:
            self.low, self.high = 0.0, high if high > 0 else 1.0

    def at(self, value):
        if self.log:
            part = math.log10(value / self.low) / math.log10(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self):
        if self.log:
            return [10 ** n for n in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]
        step = 10 ** math.floor(math.log10(self.high))
        while self.high / step < 4:
            step /= 2
        return [n * step for n in range(int(self.high / step) + 1)]


def _text(x, y, text, anchor="middle", extra=""):
    return '<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>' % (x, y, anchor, extra, escape(text))


def _line(x1, y1, x2, y2, colour, width=1.0):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"/>' % (
        x1, y1, x2, y2, colour, width)


def series_of(results, curve, kinds):
    """label, kind, line number -> points (x, min, median, max)."""
    found = []
    for number, (label, line) in enumerate(curve.lines.items()):
        for kind in kinds:
            points = []
            for x, name in line.points:
                samples = tables.samples_of(results, name, kind, line.metric or curve.metric)
                if samples:
                    s = tables.spread([v * curve.scale for v in samples])
                    points.append((x, s["min"], s["median"], s["max"]))
            if points:
                found.append((("%s, %s" % (kind, label)).rstrip(", "), kinds.index(kind), number, sorted(points)))
    return found


def svg(curve, series):
    xs = [p[0] for _, _, _, points in series for p in points]
    low = min(p[1] for _, _, _, points in series for p in points)
    high = max(p[3] for _, _, _, points in series for p in points)
    x_axis = Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT, curve.log_x)
    y_axis = Axis(low, high, HEIGHT - BOTTOM, TOP, low > 0)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">'
           % (WIDTH, HEIGHT), '<rect width="100%" height="100%" fill="white"/>',
           _text(LEFT, TOP - 20, curve.title, "start", ' font-size="15"')]
    for tick in y_axis.ticks():
        out += [_line(LEFT, y_axis.at(tick), WIDTH - RIGHT, y_axis.at(tick), "#dddddd"),
                _text(LEFT - 8, y_axis.at(tick) + 4, "{:,g}".format(tick), "end")]
    for tick in x_axis.ticks():
        out += [_line(x_axis.at(tick), TOP, x_axis.at(tick), HEIGHT - BOTTOM, "#eeeeee"),
                _text(x_axis.at(tick), HEIGHT - BOTTOM + 18, "{:,g}".format(tick))]
    out += [_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, curve.x_title),
            _text(LEFT - 8, TOP - 6, curve.unit, "end")]
    for number, (label, colour, dash, points) in enumerate(series):
        out += _series(label, COLOURS[colour % len(COLOURS)], DASHES[dash % len(DASHES)], points, x_axis, y_axis, number)
    return "\n".join([*out, "</svg>", ""])


def _series(label, colour, dash, points, x_axis, y_axis, number):
    path = " ".join("%.1f,%.1f" % (x_axis.at(x), y_axis.at(median)) for x, _, median, _ in points)
    out = ['<polyline points="%s" fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>' % (
        path, colour, dash)]
    for x, low, median, high in points:
        out += [_line(x_axis.at(x), y_axis.at(low), x_axis.at(x), y_axis.at(high), colour),
                '<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (x_axis.at(x), y_axis.at(median), colour)]
    y = TOP + 12 + 18 * number
    x = WIDTH - RIGHT + 10
    out += ['<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>' % (
        x, y - 4, x + 24, y - 4, colour, dash), _text(x + 30, y, label, "start")]
    return out


def draw_all(results, kinds, folder):
    """Writes <curve>.svg of each curve with two points or more; returns the paths."""
    drawn = []
    for name, curve in plan.CURVES.items():
        series = [s for s in series_of(results, curve, kinds) if len(s[3]) > 1]
        if series:
            path = folder / (name + ".svg")
            path.write_text(svg(curve, series))
            drawn.append(path)
    return drawn
