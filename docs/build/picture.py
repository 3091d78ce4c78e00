"""The picture of the README: the pipeline, and what the second sync of the demo sends."""

from html import escape

from docs.build.runs import made

_WIDTH, _HEIGHT = 880, 420
_LEFT = 32
_ROW = 24
_CODE = "ui-monospace, Consolas, Menlo, monospace"

# Fill, border and text, which have enough contrast on the white of the picture.
_BOX = ("#f4f6fa", "#b8c2d3", "#1c2733")
_ACCENT = ("#e6f0ff", "#2f6fd0", "#12355b")
_COLOURS = {"new": "#1a7f37", "changed": "#9a6700", "deleted": "#cf222e"}

_STATIONS = (
    ("Clockify", "the API, read only"),
    ("source-clockify", "compares with its state"),
    ("Airbyte", "or a shell pipeline"),
    ("Pub/Sub, tables", "append only is enough"),
    ("Current records", "subscriber, view or dbt"),
)


def picture() -> str:
    """Return the picture, as SVG."""
    demo = made()[1]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="Segoe UI, Helvetica, Arial, sans-serif" role="img">',
        f"<title>{escape(_alternative(demo.tracked, len(demo.changes)))}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" rx="12" fill="#ffffff" stroke="#d0d7de"/>',
        *_pipeline(),
        _text(_LEFT, 158, f"First sync: {demo.tracked} records", font_weight=600),
        _text(_LEFT, 182, "Then entries are started, edited and deleted in Clockify."),
        _text(_LEFT, 206, f"Second sync: {len(demo.changes)} messages", font_weight=600),
        *_messages(demo.changes, top=224),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _alternative(records: int, messages: int) -> str:
    stations = " to ".join(name for name, _ in _STATIONS)
    return f"{stations}. After {records} records the second sync sends {messages} messages."


def _pipeline() -> list[str]:
    gap = 20
    width = (_WIDTH - 2 * _LEFT - gap * (len(_STATIONS) - 1)) // len(_STATIONS)
    parts = []
    for place, (name, note) in enumerate(_STATIONS):
        x = _LEFT + place * (width + gap)
        fill, border, ink = _ACCENT if place == 1 else _BOX
        parts += [
            f'<rect x="{x}" y="32" width="{width}" height="72" rx="8" fill="{fill}" '
            f'stroke="{border}"/>',
            _text(x + width // 2, 62, name, ink=ink, font_weight=600, text_anchor="middle"),
            _text(x + width // 2, 86, note, ink=ink, font_size=11, text_anchor="middle"),
        ]
        if place:
            parts.append(
                f'<path d="M{x - gap + 3} 68H{x - 5}m-6 -5l6 5l-6 5" fill="none" '
                'stroke="#57606a" stroke-width="1.5"/>'
            )
    return parts


def _messages(changes: list[str], top: int) -> list[str]:
    parts = []
    for place, change in enumerate(changes):
        stream, what, key, version = change.split()
        y = top + place * _ROW
        if place % 2 == 0:
            parts.append(
                f'<rect x="{_LEFT}" y="{y}" width="{_WIDTH - 2 * _LEFT}" height="{_ROW}" '
                'fill="#f6f8fa"/>'
            )
        columns = (
            (_LEFT + 12, stream, "#1c2733"),
            (_LEFT + 250, what, _COLOURS[what]),
            (_LEFT + 350, key, "#57606a"),
            (_LEFT + 570, version, "#57606a"),
        )
        parts += [
            _text(x, y + 16, text, ink, font_size=13, font_family=_CODE) for x, text, ink in columns
        ]
    return parts


def _text(x: int, y: int, text: str, ink: str = "#1c2733", **style: object) -> str:
    """Return a text that begins at x, unless its style has another anchor."""
    attributes = {"font_size": 14, **style}
    shown = "".join(
        f' {name.replace("_", "-")}="{value}"' for name, value in sorted(attributes.items())
    )
    return f'<text x="{x}" y="{y}" fill="{ink}"{shown}>{escape(text)}</text>'
