"""An account on the free plan, which refuses report windows of more than 31 days."""

from datetime import datetime, timedelta, timezone

from clockify_sandbox.client import JSON, start
from clockify_sandbox.timetext import utc_text
from integration_tests.airbyte import config_of
from integration_tests.consumer import Consumer
from integration_tests.frozen import Clock, read_incrementally
from integration_tests.promises import rows_of

STREAMS = ("detailed_report", "summary_report", "weekly_report")
FIRST_SYNC = datetime(2026, 6, 11, 10, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def test_thirty_daily_syncs_of_reports_are_green_and_leave_nothing_out(clock: Clock) -> None:
    now = FIRST_SYNC
    moment = utc_text(int(now.timestamp()))
    with start(users=2, entries=5, projects=2, tasks=1, plan="FREE", now=moment) as sandbox:
        workspace = sandbox.workspaces[0]["id"]
        owner = str(sandbox.rows("users")[0]["id"])
        config = config_of(sandbox, plan="free", start_date="2026-02-02T00:00:00Z")
        consumer = Consumer()
        state: list[JSON] | None = None
        for _ in range(30):
            begin = now - timedelta(hours=3)
            interval = {
                "start": utc_text(int(begin.timestamp())),
                "end": utc_text(int(now.timestamp())),
            }
            fields = {"userId": owner, "timeInterval": interval}
            sandbox.create(workspace, "time-entries", fields)
            sandbox.set_now(utc_text(int(now.timestamp())))
            clock.set(now)

            output = read_incrementally(config, STREAMS, state)

            assert output.errors == [], output.errors
            assert output.statuses == dict.fromkeys(STREAMS, "COMPLETE"), output.text
            consumer.take(output.messages)
            held = {each["stream"]["stream_descriptor"]["name"]: each for each in state or []}
            state = list({**held, **output.states}.values())
            for stream in STREAMS:
                assert consumer.view(stream) == rows_of(sandbox, stream), f"{stream} on {now}"
            now += DAY
