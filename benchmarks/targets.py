"""What was wanted of the connector, and what came out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.tables import spread, table


@dataclass(frozen=True)
class Target:
    """A figure that was wanted.

    Attributes:
        wanted: in words.
        measured: of each repetition.
        is_enough: judges the median; None where only the figure is wanted.
        digits: of the figure after the point.
    """

    wanted: str
    measured: Sequence[float]
    is_enough: Callable[[float], bool] | None = None
    digits: int = 2

    @property
    def met(self) -> bool | None:
        """Whether it was met; None if it cannot be told."""
        if self.is_enough is None or not self.measured:
            return None
        return self.is_enough(median(self.measured))


def at_least(
    wanted: str, least: float, unit: str, measured: Sequence[float], digits: int = 2
) -> Target:
    text = f"{wanted}: at least {least:,g}{unit}"
    return Target(text, measured, lambda value: value >= least, digits)


def at_most(
    wanted: str, most: float, unit: str, measured: Sequence[float], digits: int = 2
) -> Target:
    text = f"{wanted}: at most {most:,g}{unit}"
    return Target(text, measured, lambda value: value <= most, digits)


def verdicts(found: Iterable[Target], *, judged: bool) -> str:
    """Return the table of targets and, as the last line, how many were met.

    A short run is not `judged`: the targets are those of the whole one.
    """
    found = list(found)
    words = {True: "pass", False: "FAIL", None: "-"}
    met = [target.met if judged else None for target in found]
    rows = [
        [target.wanted, spread(target.measured, target.digits), words[verdict]]
        for target, verdict in zip(found, met, strict=True)
    ]
    counts = [met.count(verdict) for verdict in (True, False, None)]
    last = "{} targets met, {} missed, {} not judged".format(*counts)
    return table(["target", "measured", ""], rows) + "\n\n" + last
