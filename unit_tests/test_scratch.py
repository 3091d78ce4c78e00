import time
import pytest
from unit_tests.clockify import *

@pytest.mark.parametrize("i", range(3))
def test_all(clockify, i):
    clockify.serve_everything()
    out = read_ok(*STREAMS, with_config=config(start_date="2026-11-01T00:00:00Z", num_workers=8))
    for s in STREAMS: print(s, len(records(out, s)))
    print(len(clockify.sent()))

def test_big(clockify):
    clockify.workspaces()
    clockify.listing("tags", rows(5000))
    out = read_ok("tags")
    assert len(ids(out)) == 5000

def test_inc(clockify):
    clockify.workspaces()
    clockify.users("u1")
    clockify.user_entries("u1", [entry("a", "2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z"), entry("b", "2027-11-20T08:00:00Z", "2026-11-20T09:00:00Z")])
    out = read_ok("time_entries", incremental=True)
    print(final_state(out, "time_entries"))
    print(records(out))
    print([r.url for r in clockify.sent()])
    clockify.detailed_report([report_row("a", "2026-11-20T08:00:00Z")])
    out = read_ok("detailed_report", incremental=True, with_config=config(start_date="2026-11-01T12:00:00Z"))
    print(final_state(out, "detailed_report"))
    print(records(out))
    print([r.text for r in clockify.sent(method="POST")])
    out = read_ok("detailed_report", incremental=True, with_config=config(start_date="2026-09-01T12:00:00Z", lookback_days=2), state=[final_state(out, "detailed_report")])
    print([r.text for r in clockify.sent(method="POST")])
    print(records(out))
    assert 0
