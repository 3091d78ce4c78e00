"""A line of the survey: an assumption, the question that tests it, and its verdict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from source_clockify.probe.client import Answer

if TYPE_CHECKING:
    from source_clockify.probe.account import Account


class Verdict(Enum):
    """The outcome of a line."""

    MATCHES = "matches"
    DIFFERS = "differs"
    UNTESTABLE = "cannot be tested on this account"
    NO_ANSWER = "could not be asked"
    NOT_ASKED = "not asked"


@dataclass(frozen=True)
class Finding:
    """The verdict of a line.

    Attributes:
        verdict: the outcome.
        text: what the server did, or why the line cannot be tested; without personal data.
        answers: the answers that support it.
    """

    verdict: Verdict
    text: str
    answers: Sequence[Answer] = ()


@dataclass(frozen=True)
class Line:
    """One assumption.

    Attributes:
        id: its name in documents and reports.
        assumption: a sentence.
        ask: sends the question to the server.
    """

    id: str
    assumption: str
    ask: Callable[["Account"], Finding]


class Untestable(Exception):
    """The account lacks something that the question requires; the text names it."""


def judge(matches: bool, text: str, *answers: Answer) -> Finding:
    """Return a finding that the assumption matches or differs."""
    return Finding(Verdict.MATCHES if matches else Verdict.DIFFERS, text, answers)


def judge_accepted(answer: Answer, text: str = "") -> Finding:
    """Return a finding on a request that is expected to be accepted.

    Raises:
        Untestable: if the plan or a permission is missing.
    """
    return judge(accepted(answer), text or status_of(answer), answer)


def accepted(answer: Answer) -> bool:
    """Return whether a request was answered with data.

    Raises:
        Untestable: if the plan or a permission is missing.
    """
    if answer.is_refusal:
        raise Untestable(f"refused to this key or plan: {status_of(answer)}")
    return answer.ok


def need(answer: Answer) -> Answer:
    """Return an answer with data.

    Raises:
        Untestable: for any other answer.
    """
    if not accepted(answer):
        raise Untestable(f"{answer.label} answers {status_of(answer)}")
    return answer


def status_of(answer: Answer) -> str:
    """Return status and code, such as "400, code 501"."""
    return str(answer.status) + (f", code {answer.code}" if answer.code is not None else "")
