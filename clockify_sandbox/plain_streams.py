"""Streams whose rows are served as they are stored: listing, single read, truth, new row.

One entry says all that the server has to know of such a stream, but how its rows are made when the
server begins: a maker in one of the modules `data_*.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clockify_sandbox import data, data_time_off, resources, time_off
from clockify_sandbox.listing import Listing
from clockify_sandbox.paging import LIST, Paging
from clockify_sandbox.store import Row

# What makes a new row, from the ids of workspace and row, and a name.
MakeRow = Callable[[str, str, str], Row]


@dataclass(frozen=True)
class PlainStream:
    """One stream, and its collection in a workspace.

    Attributes:
        collection: the name of its rows in the store, and in edits.
        listing: its filters and sorts.
        new_row: what a row begins with that an edit creates; None: it takes more than a name, so
            `new_rows.py` makes it.
        scope: what an add-on must have; None: closed to add-ons.
        feature: what the plan must have.
        admin: only owners and admins may read it.
        path: below the workspace, the collection unless it is given.
        paging: how the listing pages; None: it answers all rows.
        entity: how errors call a row, where one can be read by its id.
    """

    collection: str
    listing: Listing
    new_row: MakeRow | None
    scope: str | None
    feature: str | None = None
    admin: bool = False
    path: str = ""
    paging: Paging | None = LIST
    entity: str | None = None


PLAIN_STREAMS: Mapping[str, PlainStream] = {
    "user_groups": PlainStream("user-groups", resources.GROUPS, data.new_group, "GROUP_READ"),
    "clients": PlainStream(
        "clients", resources.CLIENTS, data.new_client, "CLIENT_READ", entity="Client"
    ),
    "tags": PlainStream("tags", resources.TAGS, data.new_tag, "TAG_READ", entity="Tag"),
    "custom_fields": PlainStream(
        "custom-fields",
        resources.CUSTOM_FIELDS,
        data.new_custom_field,
        "CUSTOM_FIELDS_READ",
        feature="CUSTOM_FIELDS",
        paging=None,
    ),
    "holidays": PlainStream(
        "holidays",
        time_off.HOLIDAYS,
        None,
        "TIME_OFF_READ",
        feature="TIME_OFF",
        paging=None,
    ),
    "time_off_policies": PlainStream(
        "time-off-policies",
        time_off.POLICIES,
        data_time_off.new_policy,
        "TIME_OFF_READ",
        feature="TIME_OFF",
        path="time-off/policies",
        paging=time_off.POLICY_PAGING,
        entity="Policy",
    ),
}
NEW_ROWS: Mapping[str, MakeRow] = {
    each.collection: each.new_row for each in PLAIN_STREAMS.values() if each.new_row
}
