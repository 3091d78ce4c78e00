"""The sizes that `check` and docs/self-managed.md tell, against syncs."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from clockify_sandbox.client import JSON, Sandbox, start
from integration_tests.airbyte import (
    CONNECTOR,
    ROOT,
    STREAMS,
    Output,
    config_of,
    discovered,
    read,
    run,
)
from integration_tests.test_documents import section, table
from integration_tests.truth import expected
from source_clockify import check, configuration, sizing
from source_clockify.check import SUGGESTED_STREAMS
from source_clockify.timestamps import format_second, second_of

BENCHMARKS = (ROOT / "benchmarks" / "README.md").read_text()
DOCUMENT = (ROOT / "docs" / "self-managed.md").read_text()
TEXT = " ".join(DOCUMENT.split())

# Ten entries a day for each user, which is what a check takes for granted.
ACCOUNTS: Mapping[str, tuple[JSON, JSON]] = {
    "one workspace, a month": (
        {"users": 12, "entries": 1200, "projects": 20, "tasks": 3, "plan": "PRO"},
        {"lookback_days": 30},
    ),
    "two workspaces, a quarter": (
        {"users": 20, "entries": 1200, "projects": 60, "tasks": 4, "plan": "PRO,BASIC"},
        {"lookback_days": 90, "num_workers": 8},
    ),
}


@dataclass(frozen=True)
class Account:
    """An account, its first sync and a later one, and what a check said before.

    Attributes:
        log: of the check.
        syncs: the requests of each sync by path, with ids replaced, and what it printed.
    """

    sandbox: Sandbox
    config: JSON
    log: str
    syncs: list[tuple[Counter[str], Output]]

    @property
    def workspaces(self) -> int:
        return len(self.sandbox.workspaces)

    @property
    def users(self) -> int:
        return len(self.sandbox.rows("users"))


@pytest.fixture(scope="module", params=[*ACCOUNTS])
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    options, settings = ACCOUNTS[request.param]
    with start(scattered_ids=True, days=120, **options) as sandbox:
        config = config_of(sandbox, **settings)
        checked = run(CONNECTOR, "check", config, in_process=True)
        syncs = []
        state: list[JSON] = []
        for _ in range(2):
            sandbox.clear_requests()
            output = read(
                CONNECTOR,
                config,
                SUGGESTED_STREAMS,
                sync_mode="incremental",
                state=state,
                in_process=True,
            )
            assert output.returncode == 0, output.text
            state = output.state
            syncs.append((paths(sandbox.requests()), output))
        log = "\n".join(text for _, text in checked.logs)
        yield Account(sandbox, config, log, syncs)


def paths(requests: list[JSON]) -> Counter[str]:
    return Counter(re.sub(r"[0-9a-f]{24}", "*", each["path"]) for each in requests)


def feeds_in(asked: Counter[str]) -> int:
    return sum(count for path, count in asked.items() if "/entities/" in path)


def size_of_state(output: Output) -> int:
    return sum(len(json.dumps(each["stream"]["stream_state"])) for each in output.state)


def numbers(pattern: str, text: str) -> list[float]:
    found = re.search(pattern, text)
    assert found, pattern
    return [float(each.replace(",", "")) for each in found.groups()]


def formula(size: str) -> str:
    rows = dict(table(section(DOCUMENT, "How large a sync gets").split("For the suggested")[1]))
    return rows[size]


# Requests


def test_the_formula_has_the_requests_of_both_syncs(account: Account) -> None:
    lists, more, feeds, less = numbers(
        r"(\d+) W \+ U \+ (\d+), and (\d+) W for Follow Changes\. .* takes (\d+) less",
        formula("requests of a sync"),
    )
    for number, (asked, _) in enumerate(account.syncs):
        # Records that a feed names are read by their ids, and take pages of the feed.
        apart = feeds_in(asked) + asked["/workspaces/*/time-entries/*"]
        wanted = lists * account.workspaces + account.users + more - number * less
        assert asked.total() - apart == wanted
        named = numbers(r"1 for each (\d+) entries that", formula("and where they apply"))[0]
        pages = feeds_in(asked) - feeds * account.workspaces
        assert 0 <= pages <= named_entries(account) / named + 3 * account.workspaces


def named_entries(account: Account) -> int:
    """How many rows the feeds of created, changed and deleted entities hold."""
    kinds = ("created", "updated", "deleted")
    return sum(len(account.sandbox.rows(f"entity_changes_{kind}")) for kind in kinds)


def test_the_check_says_the_same(account: Account) -> None:
    total, lists, feeds, users, named = numbers(
        r"about (\d+) requests in a sync: (\d+) for lists, (\d+) for the change feeds and (\d+) "
        r"for the time entries of (\d+) users\.",
        account.log,
    )
    assert total == lists + feeds + users
    assert users == named == account.users
    asked, _ = account.syncs[0]
    assert total - feeds == asked.total() - feeds_in(asked)
    assert feeds == 3 * account.workspaces


def test_the_check_asks_nothing_for_it(account: Account) -> None:
    account.sandbox.clear_requests()
    run(CONNECTOR, "check", account.config, in_process=True)
    assert paths(account.sandbox.requests()).total() == 2


def test_minutes_follow_from_the_requests() -> None:
    divisor, records = numbers(
        r"requests / \((\d+) T\).* 1 for each ([\d,]+) records", formula("minutes on a paid plan")
    )
    assert divisor == 60 / sizing.SECONDS_PER_REQUEST
    # Of a sync that keeps all of it in the state.
    tracked = BENCHMARKS.split("<!-- begin tracked -->")[1].split("<!-- end tracked -->")[0]
    (measured,) = numbers(r"connector, tracked \|(?: [^|]+\|){2} ([\d,]+)", tracked)
    assert records / 60 < measured
    assert numbers(r"requests / (\d+)", formula("hours on the free plan")) == [
        check.FREE_REQUESTS_PER_HOUR
    ]


# State


def test_the_formula_has_the_state_within_a_fifth(account: Account) -> None:
    a_record, a_stream = numbers(r"(\d+) \(E \+ R\) \+ (\d+) S", formula("bytes of state"))
    assert (a_record, a_stream) == (sizing.BYTES_PER_RECORD, sizing.BYTES_PER_STREAM)
    start_date = since(account)
    entries = len(expected(account.sandbox, "time_entries", start_date=start_date))
    others = sum(
        len(expected(account.sandbox, stream))
        for stream in SUGGESTED_STREAMS
        if stream != "time_entries"
    )
    told = a_record * (entries + others) + a_stream * len(SUGGESTED_STREAMS)
    for _, output in account.syncs:
        assert told == pytest.approx(size_of_state(output), rel=0.2)


def since(account: Account) -> str:
    (window,) = {
        found[1]
        for _, text in account.syncs[1][1].logs
        if (found := re.search(r"^time_entries: comparing with the state of (\S+) ", text))
    }
    second = second_of(window)
    assert second is not None
    return format_second(int(second) - account.config["lookback_days"] * 86_400)


def test_the_check_has_the_state_within_a_fifth(account: Account) -> None:
    entries, megabytes, limit = numbers(
        r"With (\d+) time entries per user and day, their state takes about ([\d.]+) MB; State "
        r"Limit \(state_limit_mb\) is (\d+) MB",
        account.log,
    )
    options = next(options for options, settings in ACCOUNTS.values() if fits(settings, account))
    assert entries == options["entries"] / 120 == sizing.ENTRIES_PER_USER_AND_DAY
    assert megabytes * 10**6 == pytest.approx(size_of_state(account.syncs[0][1]), rel=0.2)
    assert limit == configuration.DEFAULT_LIMIT_MB


def fits(settings: Mapping[str, Any], account: Account) -> bool:
    return bool(settings["lookback_days"] == account.config["lookback_days"])


# The page


def test_the_streams_to_begin_with_are_suggested_ones() -> None:
    rows = table(section(DOCUMENT, "Streams to begin with"))
    assert [name.strip("`") for name, _, _ in rows] == [*SUGGESTED_STREAMS, "sync_log"]
    modes = {stream["name"]: stream["supported_sync_modes"] for stream in discovered(CONNECTOR)}
    assert {*modes} == {*STREAMS, "sync_log"}
    for name, merging, appending in rows:
        assert "incremental" in modes[name.strip("`")]
        assert {merging, appending} <= {
            "Incremental, Append + Deduped",
            "Incremental, Append",
        }


def test_the_example_of_a_check_is_what_the_code_says() -> None:
    members = [{"membershipType": "WORKSPACE"}] * 400
    size = sizing.estimate_size({}, [{"memberships": members}], len(SUGGESTED_STREAMS))
    said = [check.size_of_sync(size), check.size_of_state({}, size)]
    lines = re.findall(r"```\n(The suggested streams .*?)\n```", DOCUMENT, re.DOTALL)[0].split("\n")
    assert lines == said


def test_the_limit_leaves_a_tenth() -> None:
    size, megabytes = numbers(r"`(\d+)` bytes are (\d+)\.", TEXT)
    assert megabytes == size * 0.9 // 10**6
    assert numbers(r"refuses a request of more than ([\d,]+) bytes", TEXT) == [10_485_760]


def test_the_example_of_several_connections_is_right() -> None:
    workspaces, users, entries, lookback, total, megabytes, shorter = numbers(
        r"(\d) workspaces with (\d+) users each, (\d+) entries a user and day, Lookback Days "
        r"(\d+): E is ([\d,]+), so the state takes about ([\d.]+) MB, and three connections are "
        r"right; by workspace two would do with Lookback Days (\d+)\.",
        TEXT,
    )
    assert total == workspaces * users * entries * lookback
    assert megabytes == pytest.approx(sizing.BYTES_PER_RECORD * total / 10**6, abs=0.1)
    (half,) = numbers(r"divided by ([\d,]+), rounded up", TEXT)
    assert half == configuration.DEFAULT_LIMIT_MB * 10**6 / 2
    assert -(-megabytes * 10**6 // half) == 3
    assert sizing.BYTES_PER_RECORD * users * entries * shorter < half
