"""How Java 17 writes a double, and Jackson a JSON document: the destination runs on both.

Before Java 19 `Double.toString` does not always find the shortest digits: 1e23 becomes
9.999999999999999E22. The digits are those of its algorithm, which stops at the first digit that
lies within half the distance to the neighbouring doubles.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Of a double.
_PRECISION = 53
_LEAST_EXPONENT = -1074

# Whole numbers below 2**63 are divided as such, without their digits beyond the precision.
_LARGEST_LONG_EXPONENT = 62


@dataclass(frozen=True)
class Number:
    """A number that Java writes otherwise than Python."""

    text: str


def double_text(value: float) -> str:
    """Return a double as `Double.toString` does; infinities are texts in Jackson."""
    if math.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    sign = "-" if math.copysign(1, value) < 0 else ""
    if value == 0:
        return f"{sign}0.0"
    digits, point = _digits(abs(value))
    if 0 < point < 8:
        digits = digits.ljust(point, "0")
        return f"{sign}{digits[:point]}.{digits[point:] or '0'}"
    if -3 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{point - 1}"


def _digits(value: float) -> tuple[str, int]:
    """Return the decimal digits of a positive double, and how many stand before the point."""
    mantissa, exponent = math.frexp(value)
    # value = fraction * 2**scale, the fraction odd.
    precision = min(_PRECISION, exponent - _LEAST_EXPONENT)
    fraction, scale = int(math.ldexp(mantissa, _PRECISION)), exponent - _PRECISION
    zeros = (fraction & -fraction).bit_length() - 1
    fraction, scale = fraction >> zeros, scale + zeros
    if scale >= 0 and exponent - 1 <= _LARGEST_LONG_EXPONENT:
        return _digits_of_long(fraction << scale, exponent - 1 - precision)
    point = math.floor(_estimated_logarithm(mantissa * 2, exponent - 1))
    # The value is `rest / unit * 10**point`, and half the distance to its neighbours likewise.
    fives, unit_fives = max(0, -point), max(0, point)
    bits, unit_bits = fives + max(0, scale), unit_fives + max(0, -scale)
    # Below a power of two the neighbour is closer.
    distance_bits = fives + max(0, -scale) + exponent - 1 - precision - (fraction == 1)
    shared = min(bits, unit_bits, distance_bits)
    bits, unit_bits, distance_bits = bits - shared, unit_bits - shared, distance_bits - shared
    rest, unit = fraction * 5**fives << bits, 5**unit_fives << unit_bits
    distance = 5**fives << distance_bits
    # Java counts a neighbour that is just so far away only where it needs more than 64 bits.
    is_long = (
        fraction.bit_length() + bits + _bits_of_five(fives) < 64
        and unit_bits + 1 + _bits_of_five(unit_fives + 1) < 64
    )
    counted = 0 if is_long else 1
    digits: list[int] = []
    is_first, is_low, is_high = True, False, False
    while not (is_low or is_high):
        digit, rest = divmod(rest, unit)
        rest, distance = rest * 10, distance * 10
        is_low, is_high = rest < distance, rest + distance + counted > unit * 10
        if is_first and digit == 0 and not is_high:
            point -= 1
        else:
            digits.append(digit)
        if is_first and not -3 <= point < 8:
            # With an exponent a second digit is always looked for.
            is_low = is_high = False
        is_first = False
    middle = rest * 2 - unit * 10
    if is_high and (not is_low or middle > 0 or (middle == 0 and digits[-1] % 2)):
        return _rounded_up(digits, point + 1)
    return "".join(map(str, digits)), point + 1


def _digits_of_long(number: int, beyond: int) -> tuple[str, int]:
    """Return the same of a whole number that has `beyond` bits too many for a double."""
    dropped = int((beyond - 1) * math.log10(2)) if beyond > 1 else 0
    unit = 10**dropped
    number = (number + unit // 2) // unit if dropped else number
    text = str(number)
    return text.rstrip("0") or "0", len(text) + dropped


def _bits_of_five(power: int) -> int:
    return int(5**power).bit_length() if power < 27 else power * 3


def _rounded_up(digits: list[int], point: int) -> tuple[str, int]:
    text = str(int("".join(map(str, digits))) + 1)
    # 9.99 becomes 1.00.
    return (text[:-1] if len(text) > len(digits) else text), point + len(text) - len(digits)


def _estimated_logarithm(fraction: float, exponent: int) -> float:
    """Return about the decimal logarithm of fraction * 2**exponent, as Java estimates it."""
    return (fraction - 1.5) * 0.289529654 + 0.176091259 + exponent * 0.301029995663981


def write(document: Any) -> bytes:
    """Return a document as Jackson writes it, however deep: compact, unpaired surrogates as `?`."""
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, UnicodeEncodeError, RecursionError):
        return _write(document).encode()


def _write(document: Any) -> str:
    parts: list[str] = []
    open_: list[Iterator[str | tuple[Any]]] = [iter([(document,)])]
    while open_:
        part = next(open_[-1], None)
        if part is None:
            open_.pop()
        elif isinstance(part, str):
            parts.append(part)
        elif isinstance(part[0], dict):
            open_.append(_of_object(part[0]))
        elif isinstance(part[0], list):
            open_.append(_of_array(part[0]))
        else:
            parts.append(_scalar(part[0]))
    return "".join(parts)


def _of_object(members: dict[str, Any]) -> Iterator[str | tuple[Any]]:
    yield "{"
    for place, (name, value) in enumerate(members.items()):
        yield f"{',' if place else ''}{_scalar(name)}:"
        yield (value,)
    yield "}"


def _of_array(values: list[Any]) -> Iterator[str | tuple[Any]]:
    yield "["
    for place, value in enumerate(values):
        if place:
            yield ","
        yield (value,)
    yield "]"


def _scalar(value: Any) -> str:
    if isinstance(value, Number):
        return value.text
    text = json.dumps(value, ensure_ascii=False)
    # A pair that was escaped has been joined by the parser.
    return "".join("?" if "\ud800" <= character <= "\udfff" else character for character in text)
