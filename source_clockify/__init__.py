"""An Airbyte source that reads a Clockify account."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from source_clockify.source import SourceClockify

__all__ = ["SourceClockify"]


def __getattr__(name: str) -> Any:
    # The command watches for signals before the CDK's import, which takes seconds.
    if name == "SourceClockify":
        from source_clockify.source import SourceClockify

        return SourceClockify
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
