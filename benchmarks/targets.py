"""The connector's performance targets and results."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.tables import spread, table


@dataclass(frozen=True)
class Target:
    """A target figure.

    Attributes:
        wanted: the target, in words.
        measured: the results of the repetitions.
        is_enough: judges the median; None if only the figure is of interest.
        digits: the number of decimals.
    """

    wanted: str
    measured: Sequence[float]
    is_enough: Callable[[float], bool] | None = None
    digits: int = 2

    @property
    def met(self) -> bool | None:
        """Whether it was met; None if it cannot be judged."""
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
    """Return the table of targets and, as the last line, the number of targets met.

    A short run is not `judged`, since the targets apply to the full run.
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
