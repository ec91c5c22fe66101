"""Small plots as inline SVG: lines, points, columns and intervals on a pair of axes.

Colours and fonts come from the page's style by class (``s0`` … ``s5`` for series), for light, dark and print.
Each plot is an image with a title and a description for those who can't see it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape as _markup

WIDTH, HEIGHT = 420.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 14.0, 12.0, 44.0
_SERIES = 6


def number(value: float | None, digits: int = 4) -> str:
    """As people read it.

    >>> number(0.123456), number(1234567.0), number(12.0), number(None)
    ('0.1235', '1,234,567', '12', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    size = abs(value)
    if size >= 10**digits:
        return f"{value:,.0f}" if size < 1e9 else f"{value:.3g}"
    if size < 1e-4:
        return f"{value:.2g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(size)) if size >= 1 else digits)
    return f"{value:,.{decimals}f}".rstrip("0").rstrip(".")


def escape(words: str) -> str:
    """As text in HTML. What no page can hold or nobody can see (control characters, lone surrogates) is marked."""
    shown = words.encode("utf-8", "replace").decode()
    return _markup("".join(sign if sign.isprintable() or sign in "\n\t" else "\ufffd" for sign in shown))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within ``low`` … ``high``.

    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> ticks(-37, 112)
    [0.0, 50.0, 100.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, 12) + 0.0 for place in range(first, last + 1)]


@dataclass
class Plot:
    """One plot. Add to it in the order in which things lie on each other; ``svg()`` ends it."""

    mark: str  # for the ids in it: unique in its page
    title: str
    description: str
    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    x_ticks: Sequence[float] | None = None
    names: Callable[[float], str] | None = None  # what stands at a tick of the x axis
    height: float = HEIGHT
    _parts: list[str] = field(default_factory=list)
    _legend: list[tuple[str, str]] = field(default_factory=list)

    def _x(self, value: float) -> float:
        low, high = self.x
        return _LEFT + (min(max(value, low), high) - low) / (high - low or 1) * (WIDTH - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        low, high = self.y
        return (
            self.height
            - _BOTTOM
            - (min(max(value, low), high) - low) / (high - low or 1) * (self.height - _TOP - _BOTTOM)
        )

    def guide(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """A dashed line that says what nothing or perfection would look like."""
        self._parts.append(
            f'<line class="guide" x1="{_at(self._x(start[0]))}" y1="{_at(self._y(start[1]))}" '
            f'x2="{_at(self._x(end[0]))}" y2="{_at(self._y(end[1]))}"/>'
        )

    def line(self, xs: Iterable[float], ys: Iterable[float], series: int = 0, name: str = "") -> None:
        points = " ".join(f"{_at(self._x(x))},{_at(self._y(y))}" for x, y in zip(xs, ys, strict=True))
        kind = f"line s{series % _SERIES}"
        self._parts.append(f'<polyline class="{kind}" points="{points}"/>')
        if name:
            self._legend.insert(0, (kind, name))  # what is drawn last, on top, is named first

    def points(self, xs: Iterable[float], ys: Iterable[float], series: int = 0, radius: float = 2.0) -> None:
        """Many points are one path: a line of no length with round ends is a dot."""
        dots = "".join(f"M{_at(self._x(x))} {_at(self._y(y))}h0" for x, y in zip(xs, ys, strict=True))
        self._parts.append(f'<path class="dots s{series % _SERIES}" stroke-width="{2 * radius:g}" d="{dots}"/>')

    def intervals(self, xs: Iterable[float], lows: Iterable[float], highs: Iterable[float], series: int = 0) -> None:
        """An upright bar from low to high at each x."""
        marks = "".join(
            f"M{_at(self._x(x))} {_at(self._y(low))}V{_at(self._y(high))}"
            for x, low, high in zip(xs, lows, highs, strict=True)
        )
        self._parts.append(f'<path class="interval s{series % _SERIES}" d="{marks}"/>')

    def columns(self, edges: Sequence[float], heights: Sequence[float], series: int = 0, name: str = "") -> None:
        """A histogram: ``heights[i]`` from ``edges[i]`` to ``edges[i + 1]``."""
        ground = _at(self._y(0.0))
        shape = "".join(
            f"M{_at(self._x(edges[place]))} {ground}V{_at(self._y(height))}"
            f"H{_at(max(self._x(edges[place]) + 0.5, self._x(edges[place + 1]) - 1))}V{ground}z"
            for place, height in enumerate(heights)
            if height
        )
        kind = f"column s{series % _SERIES}"
        self._parts.append(f'<path class="{kind}" d="{shape}"/>')
        if name:
            self._legend.append((kind, name))

    def svg(self) -> str:
        """The drawing with its axes, and its legend below."""
        mark = self.mark
        right, ground = WIDTH - _RIGHT, self.height - _BOTTOM
        axes = []
        for value in self.x_ticks if self.x_ticks is not None else ticks(*self.x):
            place = _at(self._x(value))
            label = self.names(value) if self.names else number(value)
            axes.append(f'<line class="grid" x1="{place}" y1="{_TOP:g}" x2="{place}" y2="{ground:g}"/>')
            axes.append(
                f'<text class="tick" x="{place}" y="{ground + 16:g}" text-anchor="middle">{escape(label)}</text>'
            )
        for value in ticks(*self.y):
            place = _at(self._y(value))
            axes.append(f'<line class="grid" x1="{_LEFT:g}" y1="{place}" x2="{right:g}" y2="{place}"/>')
            axes.append(
                f'<text class="tick" x="{_LEFT - 6:g}" y="{place}" dy=".32em" text-anchor="end">{_short(value)}</text>'
            )
        middle = (_TOP + ground) / 2
        axes.append(
            f'<text class="axis" x="{(_LEFT + right) / 2:g}" y="{self.height - 6:g}" text-anchor="middle">'
            f"{escape(self.x_label)}</text>"
            f'<text class="axis" transform="translate(12 {middle:g}) rotate(-90)" text-anchor="middle">'
            f"{escape(self.y_label)}</text>"
        )
        drawing = (
            f'<svg viewBox="0 0 {WIDTH:g} {self.height:g}" role="img" aria-labelledby="t{mark} d{mark}">'
            f'<title id="t{mark}">{escape(self.title)}</title><desc id="d{mark}">{escape(self.description)}</desc>'
            f"{''.join(axes)}{''.join(self._parts)}</svg>"
        )
        return drawing + self._keys()

    def _keys(self) -> str:
        if not self._legend:
            return ""
        items = "".join(
            f'<li><svg viewBox="0 0 24 10" aria-hidden="true">{_swatch(kind)}</svg>{escape(name)}</li>'
            for kind, name in self._legend
        )
        return f'<ul class="legend">{items}</ul>'


def meter(share: float, series: int = 0) -> str:
    """A bar in a table's cell; ``share`` of its width, 0 to 1. The number stands beside it, so it is not read out."""
    width = max(0.0, min(1.0, share)) * 100
    return (
        '<svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="ground" width="100" height="8"/><rect class="bar s{series % _SERIES}" width="{width:.1f}" '
        'height="8"/></svg>'
    )


def span(low: float, high: float, value: float, ends: tuple[float, float], zero: float | None = None) -> str:
    """An interval with its value in a table's cell, on a scale from ``ends[0]`` to ``ends[1]``."""
    width = ends[1] - ends[0] or 1.0

    def place(number: float) -> float:
        return 4 + (min(max(number, ends[0]), ends[1]) - ends[0]) / width * 192

    guide = (
        "" if zero is None else f'<line class="guide" x1="{place(zero):.1f}" y1="0" x2="{place(zero):.1f}" y2="20"/>'
    )
    return (
        '<svg class="span" viewBox="0 0 200 20" aria-hidden="true">'
        f'<line class="track" x1="4" y1="10" x2="196" y2="10"/>{guide}'
        f'<line class="interval s0" x1="{place(low):.1f}" y1="10" x2="{place(high):.1f}" y2="10"/>'
        f'<circle class="value s0" cx="{place(value):.1f}" cy="10" r="4.5"/></svg>'
    )


def pairs(before: Sequence[float], now: Sequence[float]) -> str:
    """Two columns side by side for each place, in a table's cell; the numbers stand elsewhere."""
    highest = max((*before, *now), default=0.0) or 1.0
    step = 200 / max(len(before), 1)
    wide = max(1.0, step * 0.4)

    def column(place: int, share: float, series: int) -> str:
        height = 38 * share / highest
        left = place * step + (series * wide) + step * 0.08
        return (
            f'<rect class="bar s{series}" x="{left:.1f}" y="{39 - height:.1f}" width="{wide:.1f}" '
            f'height="{height:.1f}"/>'
        )

    drawn = "".join(
        column(place, share, series)
        for series, shares in enumerate((before, now))
        for place, share in enumerate(shares)
    )
    return (
        '<svg class="pairs" viewBox="0 0 200 40" aria-hidden="true">'
        f'<line class="guide" x1="0" y1="39.5" x2="200" y2="39.5"/>{drawn}</svg>'
    )


def _swatch(kind: str) -> str:
    if kind.startswith("column"):
        return f'<rect class="{kind}" x="5" width="14" height="10" rx="2"/>'
    return f'<polyline class="{kind}" points="0,5 24,5"/>'


def _at(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _short(value: float) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{number(value / (1e3 if sign == 'k' else size), 3)}{sign}"
    return number(value)
