"""Draws line charts with two logarithmic axes, as SVG."""

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 860, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 250, 50, 60
_COLOURS = ("#0b6fa4", "#5ab0d6", "#b3541e", "#e0a070", "#444444", "#999999")
_LINE_OF_TEXT = 17


class Axis:
    """A logarithmic axis.

    Args:
        values: all values to show.
        begin: the position of the lowest power of ten, in pixels.
        end: the position of the highest power of ten, in pixels.
    """

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self._first = math.floor(math.log10(min(values)))
        self._last = max(math.ceil(math.log10(max(values))), self._first + 1)
        self._begin, self._end = begin, end

    def place(self, value: float) -> float:
        share = (math.log10(value) - self._first) / (self._last - self._first)
        return self._begin + share * (self._end - self._begin)

    def ticks(self) -> list[float]:
        """Return the powers of ten."""
        return [10.0**power for power in range(self._first, self._last + 1)]


def draw(title: str, x_title: str, y_title: str, lines: Mapping[str, Points]) -> str:
    """Return a chart of named lines; ValueError if there is nothing to draw."""
    points = [point for line in lines.values() for point in line]
    if not points:
        raise ValueError("a chart needs points")
    x_axis = Axis([x for x, _ in points], _LEFT, _WIDTH - _RIGHT)
    y_axis = Axis([y for _, y in points], _HEIGHT - _BOTTOM, _TOP)
    shown = {name: sorted(line) for name, line in lines.items() if line}
    colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(lines)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        ' font-family="sans-serif" font-size="13" fill="#333">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_LEFT, 24, title),
        *_grid(x_axis, y_axis),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, x_title, anchor="middle"),
        _text(_LEFT, _TOP - 8, y_title),
    ]
    for name, line in shown.items():
        parts += _line([(x_axis.place(x), y_axis.place(y)) for x, y in line], colours[name])
    ends = {name: y_axis.place(line[-1][1]) for name, line in shown.items()}
    for name, y in spread_labels(ends, _LINE_OF_TEXT).items():
        x_end = x_axis.place(shown[name][-1][0])
        x = _WIDTH - _RIGHT + 14
        parts.append(
            f'<path d="M{x_end + 5:.1f} {ends[name]:.1f}L{x - 4:.1f} {y:.1f}"'
            f' stroke="{colours[name]}" stroke-width="0.7" fill="none"/>'
        )
        parts.append(_text(x, y + 4, name, colour=colours[name]))
    return "\n".join([*parts, "</svg>", ""])


def spread_labels(places: Mapping[str, float], gap: float) -> dict[str, float]:
    """Move labels down until they are `gap` apart, keeping their order."""
    found: dict[str, float] = {}
    least = -math.inf
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        found[name] = max(place, least)
        least = found[name] + gap
    return found


def _grid(x_axis: Axis, y_axis: Axis) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = []
    for value in x_axis.ticks():
        x = x_axis.place(value)
        parts.append(f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#ddd"/>')
        parts.append(_text(x, bottom + 18, f"{value:,.10g}", anchor="middle"))
    for value in y_axis.ticks():
        y = y_axis.place(value)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{value:,.10g}", anchor="end"))
    return parts


def _line(places: Points, colour: str) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots]


def _text(x: float, y: float, text: str, *, anchor: str = "start", colour: str = "#333") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}">{escape(text)}</text>'
