"""`check`: tests access to the account, and estimates what a sync costs.

It sends one request to the API host (one per workspace if `workspace_ids` names them), one to the
reports host, and one to the audit log's host if a workspace has that feature.
"""

import logging
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pendulum
from airbyte_cdk.models import AirbyteConnectionStatus, Status
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.types import Record
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.configuration import DEFAULT_LIMIT_MB
from source_clockify.hosts import streams_without_url
from source_clockify.plan_features import has_feature, missing_features
from source_clockify.report_history import ends_before_workspace
from source_clockify.requested_slices import is_on_demand
from source_clockify.sizing import (
    ENTRIES_PER_USER_AND_DAY,
    SECONDS_PER_REQUEST,
    Size,
    estimate_size,
    members_of,
)
from source_clockify.skip_report import SkipReport
from source_clockify.timestamps import creation_time, parse_time

logger = logging.getLogger("airbyte")

# Above this number of users, the report is a better choice on the free plan than one request per
# user.
MANY_USERS = 20

# The streams that a check reads.
CHECKED_STREAMS = ("workspaces", "detailed_report", "audit_log")

# As in metadata.yaml.
SUGGESTED_STREAMS = (
    "workspaces",
    "users",
    "user_groups",
    "clients",
    "projects",
    "tasks",
    "tags",
    "time_entries",
)

# The column with a workspace's plan, and the plan whose requests Clockify limits.
_PLAN = "featureSubscriptionType"
FREE_PLAN = "FREE"
FREE_REQUESTS_PER_HOUR = 30
REPORT_WINDOW_DAYS = 31


def check_connection(
    config: Mapping[str, Any],
    manifest: Mapping[str, Any],
    streams: Mapping[str, AbstractStream],
    report: SkipReport,
) -> AirbyteConnectionStatus:
    """Return whether the workspaces can be read; other problems are only logged.

    `manifest` has its references resolved; `streams` are `CHECKED_STREAMS` by name; `report` is
    theirs.
    """
    logger.info("Reading the workspaces at %s.", config["hosts"]["api"])
    try:
        workspaces = list(_read(streams["workspaces"]))
    except AirbyteTracedException as error:
        return AirbyteConnectionStatus(status=Status.FAILED, message=error.message)
    names = {stream["name"] for stream in manifest["streams"] if not is_on_demand(stream)}
    report.name_workspaces({row["id"]: str(row.get("name")) for row in workspaces})
    for missing in missing_features(manifest, names, workspaces):
        report.skip(missing.stream, missing.workspace_id, missing.reason)
    _log_workspaces(manifest, workspaces)
    without_url = _warn_of_missing_urls(config, manifest, workspaces)
    if "detailed_report" not in without_url:
        _try("report streams", streams["detailed_report"])
    if _have_audit_log(workspaces) and "audit_log" not in without_url:
        _try("audit log", streams["audit_log"])
    report.log()
    for advice in plan_advice(config, workspaces):
        logger.warning("%s", advice)
    size = estimate_size(config, workspaces, len(SUGGESTED_STREAMS))
    if config.get("plan") == "free":
        logger.info(free_plan_advice(config, workspaces, size))
    else:
        logger.info("%s", size_of_sync(size))
    if size.state_bytes:
        logger.info("%s", size_of_state(config, size))
    return AirbyteConnectionStatus(status=Status.SUCCEEDED)


def plan_advice(
    config: Mapping[str, Any], workspaces: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield objections to the configured request budget, one sentence for all workspaces."""
    plans = [(row, str(row.get(_PLAN) or "")) for row in workspaces]
    free = [_label(row) for row, plan in plans if plan == FREE_PLAN]
    if config.get("plan") != "free" and free:
        yield (
            f"Request Budget (plan) is paid, but these workspaces are on the Free plan: "
            f"{', '.join(free)}. Clockify may allow each of them only {FREE_REQUESTS_PER_HOUR} "
            "requests an hour. Set Request Budget to free."
        )
    elif config.get("plan") == "free" and not free and any(plan for _, plan in plans):
        paid = [f"{_label(row)} has {plan}" for row, plan in plans if plan]
        yield (
            "Request Budget (plan) is free, but no workspace is on the Free plan: "
            f"{', '.join(paid)}. Syncs wait unnecessarily. Set Request Budget to paid."
        )


def _log_workspaces(manifest: Mapping[str, Any], workspaces: Sequence[Mapping[str, Any]]) -> None:
    lacking: dict[str, list[str]] = defaultdict(list)
    for missing in missing_features(manifest, SUGGESTED_STREAMS, workspaces):
        lacking[missing.workspace_id].append(missing.stream)
    for row in workspaces:
        streams = lacking[row["id"]]
        logger.info(
            "Workspace %s: plan %s, members: %s. Suggested streams not included in its plan: %s.",
            _label(row),
            row.get(_PLAN) or "unknown",
            members_of(row),
            ", ".join(streams) or "none",
        )


def _warn_of_missing_urls(
    config: Mapping[str, Any],
    manifest: Mapping[str, Any],
    workspaces: Sequence[Mapping[str, Any]],
) -> set[str]:
    """Warn of streams whose server has no URL; return their names.

    The audit log is omitted if no workspace has it.
    """
    listed = [stream for stream in manifest["streams"] if not is_on_demand(stream)]
    missing = streams_without_url(listed, config)
    if not _have_audit_log(workspaces):
        missing.pop("audit_log", None)
    names: dict[str, list[str]] = defaultdict(list)
    for name, sentence in missing.items():
        names[sentence.removeprefix(name)].append(name)
    for sentence, streams in names.items():
        text = sentence if len(streams) == 1 else sentence.replace(" its ", " their ", 1)
        logger.warning("%s%s", ", ".join(streams), text)
    return {*missing}


def _have_audit_log(workspaces: Sequence[Mapping[str, Any]]) -> bool:
    return any(has_feature(row.get("features"), "AUDIT_LOG") for row in workspaces)


def _label(workspace: Mapping[str, Any]) -> str:
    name = workspace.get("name")
    return f"{name} ({workspace['id']})" if name else str(workspace["id"])


def size_of_sync(size: Size) -> str:
    """Return how many requests and minutes the suggested streams need on a paid plan."""
    minutes = pendulum.duration(minutes=size.minutes)
    return (
        f"{_requests_of_sync(size)} If each is answered within {SECONDS_PER_REQUEST} seconds, a "
        f"sync takes about {minutes.in_words()}."
    )


def _requests_of_sync(size: Size) -> str:
    if size.feeds:
        return (
            f"The suggested streams take about {size.requests} requests in a sync: {size.lists} "
            f"for lists, {size.feeds} for the change feeds and {size.entries} for the time entries "
            f"of {size.entries} users."
        )
    return (
        f"The suggested streams take about {size.requests} requests in a sync: {size.lists} for "
        f"lists and {size.entries} for the time entries of {size.entries} users."
    )


def size_of_state(config: Mapping[str, Any], size: Size) -> str:
    """Return how much of the state's limit the suggested streams take."""
    limit = config.get("state_limit_mb") or DEFAULT_LIMIT_MB
    return (
        f"With {ENTRIES_PER_USER_AND_DAY} time entries per user and day, their state takes about "
        f"{size.state_bytes / 10**6:.2f} MB; State Limit (state_limit_mb) is {limit} MB."
    )


def free_plan_advice(
    config: Mapping[str, Any], workspaces: Sequence[Mapping[str, Any]], size: Size
) -> str:
    """Return how many requests and hours the suggested streams need at 30 requests an hour."""
    reports = sum(_report_windows(config, workspace) for workspace in workspaces)
    hours = pendulum.duration(hours=math.ceil(size.requests / FREE_REQUESTS_PER_HOUR))
    advice = (
        f"{_requests_of_sync(size)} At {FREE_REQUESTS_PER_HOUR} requests an hour, a sync takes "
        f"{hours.in_words()}."
    )
    if size.entries <= MANY_USERS:
        return advice
    days = (config.get("lookback_days") or 30) + REPORT_WINDOW_DAYS
    later = math.ceil(days / REPORT_WINDOW_DAYS) * len(workspaces)
    return (
        f"{advice} Select detailed_report instead of time_entries: all users together then take "
        f"about {reports} requests in the first sync and {later} in a later one."
    )


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


def _try(what: str, stream: AbstractStream) -> None:
    """Send one request of a stream; only log a failure."""
    try:
        for partition in stream.generate_partitions():
            if not ends_before_workspace(partition.to_slice() or {}):
                next(iter(partition.read()), None)
                return
    except AirbyteTracedException as error:
        logger.warning("The %s cannot be read: %s", what, error.message)
