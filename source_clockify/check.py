"""`check`: can the account be read, what of it cannot, and what a sync costs on the free plan.

It sends one request to the API host (one per workspace where `workspace_ids` names them), one to
the reports host, and one to the audit log's host where a workspace has that feature.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pendulum
from airbyte_cdk.models import AirbyteConnectionStatus, FailureType, Status
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.types import Record
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.plan_features import missing_features
from source_clockify.report_history import ends_before_workspace
from source_clockify.skip_report import SkipReport
from source_clockify.timestamps import EARLIEST, creation_time, format_second, parse_time, second_of

# Above this number of users the free plan is better served by the report than by one request per
# user.
MANY_USERS = 20

# What a check reads.
CHECKED_STREAMS = ("workspaces", "detailed_report", "audit_log")

FREE_REQUESTS_PER_HOUR = 30
REPORT_WINDOW_DAYS = 31


def check_connection(
    logger: logging.Logger,
    config: Mapping[str, Any],
    manifest: Mapping[str, Any],
    streams: Mapping[str, AbstractStream],
    report: SkipReport,
) -> AirbyteConnectionStatus:
    """Return whether the workspaces can be read; what else cannot is only logged.

    `manifest` has its references resolved; `streams` are `CHECKED_STREAMS` by name; `report` is
    theirs.
    """
    try:
        workspaces = list(_read(streams["workspaces"]))
    except AirbyteTracedException as error:
        return AirbyteConnectionStatus(status=Status.FAILED, message=error.message)
    names = {stream.get("name", "") for stream in manifest["streams"]}
    report.name_workspaces({row["id"]: str(row.get("name")) for row in workspaces})
    for missing in missing_features(manifest, names, workspaces):
        report.skip(missing.stream, missing.workspace_id, missing.reason)
    _try(logger, "report streams", streams["detailed_report"])
    if any("AUDIT_LOG" in (workspace.get("features") or []) for workspace in workspaces):
        _try(logger, "audit log", streams["audit_log"])
    report.log()
    if config.get("plan") == "free":
        logger.info(free_plan_advice(config, workspaces))
    return AirbyteConnectionStatus(status=Status.SUCCEEDED)


def check_start_date(given: Any, config: Mapping[str, Any]) -> None:
    """Refuse a start date that is none, lies before 2000 or in the future.

    `given` is what the user entered, `config` has it in UTC if it is one. Syncs from the future
    would end green and empty; before 2000 every report would take a request for each month.

    Raises:
        AirbyteTracedException: config_error.
    """
    problem = start_date_problem(config)
    if problem:
        raise AirbyteTracedException(
            message=(
                f"Start Date (start_date) is {str(given)[:100]!r}, which {problem}. Enter a date "
                "from 2000-01-01 to today, such as 2024-01-01 or 2024-01-01T00:00:00Z, or leave it "
                "empty for all history."
            ),
            failure_type=FailureType.config_error,
        )


def start_date_problem(config: Mapping[str, Any]) -> str:
    """Return what is wrong with the start date of a configuration, empty if nothing is."""
    start_date = config.get("start_date")
    if start_date is None:
        return ""
    second = second_of(start_date)
    if second is None:
        return "is no date"
    if second < EARLIEST:
        return "is before 2000"
    if second > pendulum.now("UTC").timestamp():
        return "is in the future"
    return "" if start_date == format_second(second) else "is no date"


def free_plan_advice(config: Mapping[str, Any], workspaces: Sequence[Mapping[str, Any]]) -> str:
    """Return how many requests and hours the suggested streams take at 30 requests an hour."""
    users = sum(_users_of(workspace) for workspace in workspaces)
    reports = sum(_report_windows(config, workspace) for workspace in workspaces)
    # users (twice, see `UsersPagination`), user_groups, clients, projects, tasks and tags of each
    # workspace, and the list of workspaces itself.
    listings = 7 * len(workspaces) + 1
    total = listings + users
    hours = pendulum.duration(hours=math.ceil(total / FREE_REQUESTS_PER_HOUR))
    advice = (
        f"The suggested streams take about {total} requests in a sync: {listings} for lists and "
        f"{users} for the time entries of {users} users. At {FREE_REQUESTS_PER_HOUR} requests an "
        f"hour that is {hours.in_words()}."
    )
    if users <= MANY_USERS:
        return advice
    days = (config.get("lookback_days") or 30) + REPORT_WINDOW_DAYS
    later = math.ceil(days / REPORT_WINDOW_DAYS) * len(workspaces)
    return (
        f"{advice} Select detailed_report instead of time_entries: all users together then take "
        f"about {reports} requests in the first sync and {later} in a later one."
    )


def _users_of(workspace: Mapping[str, Any]) -> int:
    memberships = workspace.get("memberships") or []
    return sum(1 for member in memberships if member.get("membershipType") == "WORKSPACE")


def _report_windows(config: Mapping[str, Any], workspace: Mapping[str, Any]) -> int:
    start_date = config.get("start_date")
    try:
        start = parse_time(start_date) if start_date else creation_time(workspace["id"])
    except ValueError:
        return 1
    days = (pendulum.now("UTC") - start).in_days() + REPORT_WINDOW_DAYS
    return max(1, math.ceil(days / REPORT_WINDOW_DAYS))


def _read(stream: AbstractStream) -> Iterator[Record]:
    for partition in stream.generate_partitions():
        yield from partition.read()


def _try(logger: logging.Logger, what: str, stream: AbstractStream) -> None:
    """Send one request of a stream; a failure is only logged."""
    try:
        for partition in stream.generate_partitions():
            if not ends_before_workspace(partition.to_slice() or {}):
                next(iter(partition.read()), None)
                return
    except AirbyteTracedException as error:
        logger.warning("The %s cannot be read: %s", what, error.message)
