"""`check`: can the account be read, what of it cannot, and what a sync costs on the free plan.

It sends one request to the API host (one per workspace where `workspace_ids` names them) and one
to the reports host.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pendulum
from airbyte_cdk.models import AirbyteConnectionStatus, Status
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.types import Record
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.streams import ends_before_workspace
from source_clockify.timestamps import creation_time, parse_time

# Above this number of users the free plan is better served by the report than by one request per
# user.
MANY_USERS = 20

FREE_REQUESTS_PER_HOUR = 30
REPORT_WINDOW_DAYS = 31

# Streams that need a plan, and the plans that lack it (section 4.2 of Clockify's plan table).
PLANS_WITHOUT = {"custom_fields": frozenset({"FREE", "BASIC", "STANDARD"})}


def check_connection(
    logger: logging.Logger, config: Mapping[str, Any], streams: Mapping[str, AbstractStream]
) -> AirbyteConnectionStatus:
    """Return whether the workspaces can be read; what else cannot is only logged."""
    try:
        workspaces = list(_read(streams["workspaces"]))
    except AirbyteTracedException as error:
        return AirbyteConnectionStatus(status=Status.FAILED, message=error.message)
    for sentence in unreadable(workspaces):
        logger.warning(sentence)
    try:
        _read_one_report(streams["detailed_report"])
    except AirbyteTracedException as error:
        logger.warning("The report streams cannot be read: %s", error.message)
    if config.get("plan") == "free":
        logger.info(free_plan_advice(config, workspaces))
    return AirbyteConnectionStatus(status=Status.SUCCEEDED)


def unreadable(workspaces: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each stream that the plan of a workspace lacks."""
    return [
        f"{stream}: workspace {workspace['id']} ({workspace.get('name')}) is on the plan "
        f"{workspace['featureSubscriptionType']}, which lacks it. The stream will be empty there."
        for workspace in workspaces
        for stream, plans in PLANS_WITHOUT.items()
        if workspace.get("featureSubscriptionType") in plans
    ]


def free_plan_advice(config: Mapping[str, Any], workspaces: Sequence[Mapping[str, Any]]) -> str:
    """Return how many requests and hours the suggested streams take at 30 requests an hour."""
    users = sum(_users_of(workspace) for workspace in workspaces)
    reports = sum(_report_windows(config, workspace) for workspace in workspaces)
    # users, user_groups, clients, projects, tasks and tags of each workspace, and the list of
    # workspaces itself.
    listings = 6 * len(workspaces) + 1
    total = listings + users
    advice = (
        f"The suggested streams take about {total} requests in a sync: {listings} for lists and "
        f"{users} for the time entries of {users} users. At {FREE_REQUESTS_PER_HOUR} requests an "
        f"hour that is {math.ceil(total / FREE_REQUESTS_PER_HOUR)} hours."
    )
    if users <= MANY_USERS:
        return advice
    return (
        f"{advice} Select detailed_report instead of time_entries: all users together then take "
        f"about {reports} requests in the first sync and 2 to 3 in a later one."
    )


def _users_of(workspace: Mapping[str, Any]) -> int:
    memberships = workspace.get("memberships") or []
    return sum(1 for member in memberships if member.get("membershipType") == "WORKSPACE")


def _report_windows(config: Mapping[str, Any], workspace: Mapping[str, Any]) -> int:
    start_date = config.get("start_date")
    start = parse_time(start_date) if start_date else creation_time(workspace["id"])
    days = (pendulum.now("UTC") - start).in_days() + REPORT_WINDOW_DAYS
    return max(1, math.ceil(days / REPORT_WINDOW_DAYS))


def _read(stream: AbstractStream) -> Iterator[Record]:
    for partition in stream.generate_partitions():
        yield from partition.read()


def _read_one_report(stream: AbstractStream) -> None:
    for partition in stream.generate_partitions():
        if not ends_before_workspace(partition.to_slice() or {}):
            next(iter(partition.read()), None)
            return
