"""An Airbyte source that reads a Clockify account."""

from source_clockify.source import SourceClockify

__all__ = ["SourceClockify"]
