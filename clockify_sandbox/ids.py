"""Entity ids: 24 hexadecimal digits whose first 8 are the second of creation.

Some consist of digits only and some resemble a float (`64e777123456789012345678`), because readers
mistake such ids for numbers.
"""

from collections.abc import Callable
from random import Random

_LETTERS_TO_NINE = str.maketrans("abcdef", "999999")
_DAY = 86_400
DIGITS, EXPONENT = 0, 1


class IdMaker:
    """Generates unique ids from a random generator."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._used: set[str] = set()

    def make(self, created: int, position: int = 2) -> str:
        """An id: only digits for position 0, digits around one `e` for 1, else any hexadecimal.

        The special ids contain a slightly earlier second than the given one (never a later one).
        """
        while True:
            made = self._candidate(created, position)
            if made not in self._used:
                self._used.add(made)
                return made

    def _candidate(self, created: int, position: int) -> str:
        if position == DIGITS:
            return f"{created:08x}".translate(_LETTERS_TO_NINE) + self._digits()
        if position == EXPONENT:
            head = f"{created - 200 * _DAY:08x}".translate(_LETTERS_TO_NINE)
            return head[:2] + "e" + head[3:] + self._digits()
        return f"{created:08x}{self._rng.getrandbits(64):016x}"

    def _digits(self) -> str:
        return f"{self._rng.randrange(10**16):016d}"

    def scattered(self) -> Callable[[int], str]:
        """A maker like several busy servers: a few middles, counters that other accounts move."""
        middles = [f"{self._rng.getrandbits(40):010x}" for _ in range(8)]

        def make(created: int) -> str:
            while True:
                middle, count = self._rng.choice(middles), self._rng.getrandbits(24)
                made = f"{created:08x}{middle}{count:06x}"
                if made not in self._used:
                    self._used.add(made)
                    return made

        return make

    def serial(self) -> Callable[[int], str]:
        """A fast generator for many ids: one random middle part, then a counter."""
        middle = f"{self._rng.getrandbits(40):010x}"
        count = 0

        def make(created: int) -> str:
            nonlocal count
            count += 1
            return f"{created:08x}{middle}{count:06x}"

        return make
