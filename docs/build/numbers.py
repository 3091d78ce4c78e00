"""Numbers and lists within sentences."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from airbyte_cdk.sources.declarative.concurrent_declarative_source import TestLimits

from docs.build.blocks import markdown_table
from docs.build.configuration import spec
from docs.build.runs import made
from integration_tests.airbyte import ROOT
from integration_tests.stream_facts import definitions, manifest, pages_of, request_of, schema_of
from source_clockify.change_tracking.budget import PACE_BYTES, PACE_SECONDS
from source_clockify.change_tracking.feeds import FREE_MOST_ROWS, MOST_ROWS, OVERLAP
from source_clockify.change_tracking.messages import COLUMNS
from source_clockify.check import MANY_USERS
from source_clockify.error_handler import SERVER_RETRIES
from source_clockify.tracked_sync import FREE_SINGLE_READS, SINGLE_READS

_METADATA: Mapping[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]
_MANIFEST = ROOT / "source_clockify" / "manifest.yaml"


def _rates() -> tuple[int, int]:
    """Requests a second on a paid plan, and an hour on the free one."""
    fast, slow = manifest()["api_budget"]["policies"][0]["rates"]
    (free,) = re.findall(r"{{ (\d+) if config.get\('plan'\) == 'free'", slow["limit"])
    assert (fast["interval"], slow["interval"]) == ("PT1S", "PT1H")
    return fast["limit"], int(free)


def _manifest_retries() -> str:
    """How often the manifest alone retries, after waits of 1, 2, 4 ... seconds."""
    (retries,) = re.findall(
        r"or (\d+) }}", manifest()["definitions"]["refusal_handler"]["max_retries"]
    )
    assert sum(2**number for number in range(int(retries))) > 60 * 60
    return str(retries)


def _usual_page(of_reports: bool) -> str:
    sizes = Counter(
        pages.size
        for stream in definitions()
        if (pages := pages_of(stream)) and ("/reports/" in request_of(stream).path) == of_reports
    )
    return f"{sizes.most_common(1)[0][0]:,}"


def _days_ahead() -> str:
    """How many days ahead reports are read; their window ends with the day after."""
    window = manifest()["definitions"]["report_window_ahead"]["end_datetime"]["datetime"]
    (end,) = re.findall(r"day_delta\((\d+),", window)
    return str(int(end) - 1)


def three_columns() -> str:
    rows = [[f"`{name}`", column["description"]] for name, column in COLUMNS.items()]
    return markdown_table(["column", "meaning"], rows)


def manifest_limits() -> str:
    """The first and the last row of the limits in Airbyte Cloud."""
    columns = sum(len(schema_of(stream)["properties"]) for stream in definitions())
    size = round(_MANIFEST.stat().st_size / 1000, -1)
    return f"about {size:.0f} kB of YAML, {len(definitions())} streams, {columns} columns"


NUMBERS: Mapping[str, Callable[[], str]] = {
    "number of streams": lambda: str(len(definitions()) + 1),
    "number of streams in the manifest": lambda: str(len(definitions())),
    "size of the manifest": manifest_limits,
    "version of the CDK": lambda: str(manifest()["version"]),
    "records of the demo": lambda: f"{made()[1].records:,}",
    "requests of the demo": lambda: str(made()[1].requests),
    "tracked records of the demo": lambda: str(made()[1].tracked),
    "suggested streams": lambda: _listed(_METADATA["suggestedStreams"]["streams"]),
    "many users": lambda: str(MANY_USERS),
    "single reads": lambda: str(SINGLE_READS),
    "single reads on the free plan": lambda: str(FREE_SINGLE_READS),
    "requests a second": lambda: str(_rates()[0]),
    "requests an hour": lambda: str(_rates()[1]),
    "rows of a page": lambda: _usual_page(of_reports=False),
    "rows of a page of reports": lambda: _usual_page(of_reports=True),
    "state limit": lambda: str(spec()["properties"]["state_limit_mb"]["default"]),
    "megabytes at once": lambda: str(PACE_BYTES // 10**6),
    "seconds between states": lambda: str(PACE_SECONDS),
    "retries": lambda: str(SERVER_RETRIES),
    "retries of the manifest": _manifest_retries,
    "events of a feed": lambda: f"{MOST_ROWS:,}",
    "events of a feed on the free plan": lambda: str(FREE_MOST_ROWS),
    "days of reports ahead": _days_ahead,
    "slices of a test read": lambda: str(TestLimits.DEFAULT_MAX_SLICES),
    "pages of a test read": lambda: str(TestLimits.DEFAULT_MAX_PAGES_PER_SLICE),
    "records of a test read": lambda: str(TestLimits.DEFAULT_MAX_RECORDS),
    "minutes of overlap": lambda: str(OVERLAP // 60),
}


def _listed(streams: list[str]) -> str:
    named = [f"`{stream}`" for stream in streams]
    return f"{', '.join(named[:-1])} and {named[-1]}"
