"""Draws the charts of docs/questions.md; docs/questions.py runs it in the environment of dbt.

    python draw_charts.py FOLDER < rows.json

The same rows give the same files, with the same matplotlib. Text and lines take the colours of a
light or a dark page.
"""

import json
import re
import sys
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

INK, FAINT = "#010203", "#040506"
BLUE, GREY, ORANGE = "#3b82c4", "#9aa5b1", "#e08a3c"
STYLE = """<style>
svg { --ink: #24292f; --faint: #d0d7de; }
@media (prefers-color-scheme: dark) { svg { --ink: #e6edf3; --faint: #3d444d; } }
</style>"""
AGES = ["not due", "1 to 30 days", "31 to 60 days", "61 to 90 days", "over 90 days", "no due date"]

plt.rcParams.update(
    {
        "svg.hashsalt": "clockify",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 11,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "axes.titlesize": 12,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": FAINT,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.labelsize": 9.5,
        "legend.frameon": False,
    }
)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    rows = json.load(sys.stdin)
    for name, draw in (
        ("hours_by_week", hours_by_week),
        ("utilisation", utilisation),
        ("open_invoices", open_invoices),
    ):
        figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
        draw(axes, rows[name])
        save(figure, folder / f"{name}.svg")


def hours_by_week(axes: Any, rows: list[list[Any]]) -> None:
    weeks = [f"{date.fromisoformat(week):%b %d}" for week, _, _ in rows]
    billable = [row[1] for row in rows]
    axes.bar(weeks, billable, color=BLUE, width=0.7, label="billable")
    axes.bar(weeks, [row[2] for row in rows], bottom=billable, color=GREY, width=0.7, label="other")
    axes.set_title("Hours by week, named by its Monday")
    axes.set_ylim(0, max(row[1] + row[2] for row in rows) * 1.18)
    axes.grid(axis="y")
    axes.legend(loc="upper left", ncols=2)


def utilisation(axes: Any, rows: list[list[Any]]) -> None:
    # Two users may have one name.
    places = range(len(rows))
    billable = [row[1] for row in rows]
    axes.barh(places, billable, color=BLUE, height=0.7, label="billable")
    axes.barh(
        places, [row[2] for row in rows], left=billable, color=GREY, height=0.7, label="other work"
    )
    axes.set_yticks(places, [printable(row[0]) for row in rows])
    axes.set_title("Work as percent of the capacity, October 26 to November 22")
    axes.grid(axis="x")
    axes.legend(loc="lower right")


def open_invoices(axes: Any, rows: list[list[Any]]) -> None:
    balances = {(currency, age): balance for currency, age, balance in rows}
    ages = [age for age in AGES if age != "no due date" or any(row[1] == age for row in rows)]
    currencies = sorted({row[0] for row in rows})
    width = 0.8 / len(currencies)
    for number, (currency, colour) in enumerate(
        zip(currencies, (ORANGE, BLUE, GREY), strict=False)
    ):
        found = [balances.get((currency, age), 0) for age in ages]
        places = [
            place + width * (number - (len(currencies) - 1) / 2) for place in range(len(ages))
        ]
        bars = axes.bar(places, found, color=colour, width=width * 0.9, label=currency)
        axes.bar_label(bars, [f"{value:,.0f}" if value else "" for value in found], padding=2)
    axes.set_xticks(range(len(ages)), ages)
    axes.set_title("Open balance of invoices by days overdue")
    axes.set_ylim(0, max(row[2] for row in rows) * 1.15)
    axes.grid(axis="y")
    axes.legend(loc="upper left", ncols=len(currencies))


def printable(name: str) -> str:
    """A name without what the fonts of an SVG may lack, at most 24 characters long."""
    kept = "".join(letter for letter in name if ord(letter) < 0x2000).strip()
    return kept if len(kept) <= 24 else kept[:23] + "…"


def save(figure: Any, path: Path) -> None:
    figure.savefig(path, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    drawn = path.read_text()
    for colour, name in ((INK, "ink"), (FAINT, "faint")):
        drawn = drawn.replace(f": {colour}", f": var(--{name})")
    drawn = re.sub(r"(<svg [^>]*>)", lambda found: found[1] + "\n" + STYLE, drawn, count=1)
    # Text without a colour of its own is black.
    drawn = drawn.replace('<text style="', '<text style="fill: var(--ink); ')
    lines = (line.rstrip() for line in drawn.split("\n"))
    path.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
