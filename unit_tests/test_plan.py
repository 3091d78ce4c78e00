"""Change tracking: the window that is requested holds every record whose absence would count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from freezegun.api import FrozenDateTimeFactory
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from source_clockify.account import forget_account
from source_clockify.change_tracking.access import access_fingerprint
from source_clockify.change_tracking.plan import ReadPlan, plan_read, sync_bounds
from source_clockify.change_tracking.profiles import (
    PROFILES,
    Granularity,
    Kind,
    StreamSpec,
    stream_spec,
)
from source_clockify.change_tracking.resume import SavedStream, states_of_tracked_streams
from source_clockify.change_tracking.rows import Pending, Row, Rows, day_of, key_of, parts_of
from source_clockify.change_tracking.state import PartitionState, StreamState, encode
from source_clockify.manifest import with_python_components
from source_clockify.timestamps import DAY, EARLIEST, format_second, second_of
from unit_tests.clockify import (
    MANIFEST,
    USER,
    WORKSPACE,
    Clockify,
    blob_of,
    config,
    read,
    state_of,
)

NOW = second_of("2026-11-24T09:00:00Z") or 0
RESOLVED = with_python_components(MANIFEST)
DEFINITIONS = {stream["name"]: stream for stream in RESOLVED["streams"]}
WINDOWED = sorted(
    name for name, profile in PROFILES.items() if profile.start is not None and profile.deletions
)


# Of a row: its tombstone is pending, it is missing, it is to be resent.
FLAGS = [
    (False, False, False),
    (False, False, False),
    (False, False, True),
    (False, True, False),
    (True, False, True),
]


@dataclass(frozen=True)
class Case:
    """A saved partition and the sync that goes on from it. Times in seconds since 1970."""

    stream: str
    settings: Mapping[str, Any]
    now: int
    known: PartitionState


def moments() -> st.SearchStrategy[int]:
    """Return moments near the windows' ends, and some far from them."""
    return st.one_of(
        st.integers(NOW - 80 * DAY, NOW + 60 * DAY),
        st.integers(EARLIEST, NOW + 400 * DAY),
        st.sampled_from([NOW, NOW - 30 * DAY, NOW - 31 * DAY, NOW - 365 * DAY]),
    )


@st.composite
def saved_rows(draw: st.DrawFn, spec: StreamSpec) -> Rows:
    found: Rows = {}
    for number in range(draw(st.integers(0, 6))):
        start = draw(moments())
        # A resend may be due, or too young to be.
        resend = Pending(1, 1, draw(st.sampled_from([NOW - 2 * DAY, NOW - 60])))
        ids = [f"{number:024x}"] * len(spec.id_columns({"workspace_id": WORKSPACE}))
        if spec.date_column is not None:
            start -= start % DAY
            ids.append(day_of(start))
        deleted, missing, resent = draw(st.sampled_from(FLAGS))
        found[key_of(ids)] = Row(
            number + 1,
            start,
            resend if resent else None,
            missing=missing,
            deleted=deleted,
        )
    return found


@st.composite
def cases(draw: st.DrawFn, streams: Sequence[str] = WINDOWED) -> Case:
    name = draw(st.sampled_from(streams))
    spec = stream_spec(DEFINITIONS[name])
    read_at = draw(st.integers(NOW - 50 * DAY, NOW + 2 * DAY))
    limited_since = draw(st.none() | st.integers(NOW // DAY - 40, NOW // DAY).map(DAY.__mul__))
    known = PartitionState(
        read_at=read_at,
        retained_since=read_at - draw(st.integers(1, 90)) * DAY,
        history_start=draw(st.none() | moments()),
        access=access_fingerprint(USER, []),
        limited_since=limited_since,
        dated=spec.date_column is not None,
    )
    start_date = draw(st.none() | st.integers(EARLIEST, NOW - DAY).map(format_second))
    found: dict[str, Any] = {"lookback_days": draw(st.integers(1, 90)), "track_changes": True}
    if start_date is not None:
        found["start_date"] = start_date
    return Case(name, found, NOW, known.with_rows(draw(saved_rows(spec))))


def plan_of(case: Case) -> ReadPlan:
    spec = stream_spec(DEFINITIONS[case.stream])
    return plan_read(spec, sync_bounds(case.settings, case.now), case.known, is_snapshot=False)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(cases())
def test_an_expected_record_lies_in_the_window_of_the_cursor(case: Case) -> None:
    plan = plan_of(case)
    state = StreamState(1, 1, True, ("workspace_id",), {(WORKSPACE,): case.known})
    saved = SavedStream(plan.spec, state, {(WORKSPACE,): plan})
    cursor_field = DEFINITIONS[case.stream]["incremental_sync"]["cursor_field"]

    (message,) = states_of_tracked_streams([saved], {case.stream: cursor_field})

    requested = [second_of(each["cursor"][cursor_field]) for each in blob_of(message)["states"]]
    assert len(requested) == (plan.since is not None)
    for row in case.known.rows().values():
        if requested and plan.expects(row, None):
            assert row.start is not None
            assert requested[0] is not None
            assert requested[0] <= row.start


def requested_since(clockify: Clockify, stream: str) -> int:
    """Return the start of the first window that was requested, in seconds since 1970."""
    texts = [
        str(request.json()["dateRangeStart"])
        if stream == "detailed_report"
        else dict(parse_qsl(urlsplit(request.url).query)).get("start", "2000-01-01T00:00:00Z")
        for request in clockify.sent_for(stream)
    ]
    return min(second_of(text) or 0 for text in texts)


@pytest.mark.parametrize("stream", ["detailed_report", "time_entries"])
def test_no_record_outside_of_the_requests_is_looked_up_as_missing(
    clockify: Clockify, clock: FrozenDateTimeFactory, stream: str
) -> None:
    """From outside: an empty answer makes only those records missing that it would have had."""
    examined: list[str] = []
    clockify.workspaces()
    clockify.users(USER)
    clockify.serve(stream, [])
    clockify.by_id("time-entries")

    @settings(max_examples=30, deadline=None, derandomize=True, phases=[Phase.generate])
    @given(case=cases([stream]))
    def sync(case: Case) -> None:
        clock.move_to(format_second(case.now))
        forget_account()
        clockify.mocker.reset_mock()
        ids = {"workspace_id": WORKSPACE}
        if stream == "time_entries":
            ids["user_id"] = USER
        state = StreamState(1, 1, True, (*ids,), {(*ids.values(),): case.known})

        read(
            stream,
            with_config=config(**case.settings),
            incremental=True,
            state=[state_of(stream, encode(stream, state))],
        )

        requested = requested_since(clockify, stream)
        looked_up = {request.path.split("/")[-1] for request in clockify.sent(method="GET")}
        for key, row in case.known.rows().items():
            if parts_of(key)[0] in looked_up and not row.missing and not row.pending:
                examined.append(key)
                assert row.start is not None
                assert row.start >= requested

    sync()
    assert len(examined) >= 3


def test_windows_of_every_granularity_are_examined() -> None:
    kinds = {PROFILES[name].granularity for name in WINDOWED}
    assert kinds == {*Granularity}
    assert {PROFILES[name].kind for name in WINDOWED} == {
        Kind.WINDOWED_SNAPSHOT,
        Kind.AGGREGATE,
    }
