"""The tables of streams."""

from collections.abc import Mapping
from urllib.parse import quote

from clockify_sandbox.plans import PLANS, features
from docs.build.blocks import Mismatch, markdown_table
from docs.build.notes import SYNC_LOG, requests_in_a_sync, stream_notes
from integration_tests.airbyte import ROOT
from integration_tests.stream_facts import (
    cursor_of,
    definitions,
    pages_of,
    parameters_of,
    request_of,
)
from source_clockify.change_tracking.profiles import PROFILES, Kind, TrackingProfile

_HOSTS = {"api": "", "reports": "reports ", "audit_log": "audit log "}
# Not aggregates of change tracking, but computed as they are.
_ALSO_COMPUTED = ("expense_report", "time_off_balances", "invoice_details")
_BY_ID = "Clockify reads it by id: status 400 with code 501"
_MANIFEST = ROOT / "source_clockify" / "manifest.yaml"


def by_group() -> str:
    """The README's table."""
    groups: dict[str, list[str]] = {}
    for stream, note in stream_notes().items():
        groups.setdefault(note["group"], []).append(f"`{stream}`")
    rows = [[group, ", ".join(streams)] for group, streams in groups.items()]
    return markdown_table(["what", "streams"], rows)


def for_users() -> str:
    """The table of the user's page."""
    links = _links()
    rows = [
        [
            f"[`{stream}`]({links[stream]})",
            stream_notes()[stream]["holds"],
            ", ".join(f"`{column}`" for column in definition["primary_key"]),
            f"`{cursor_of(stream)}`" if cursor_of(stream) else "",
            smallest_plan(stream),
            _permission(stream),
        ]
        for stream, definition in definitions().items()
    ]
    head = ["stream", "what it holds", "primary key", "own cursor", "plan", "key of"]
    return markdown_table(head, rows)


def _links() -> Mapping[str, str]:
    """The link to Clockify's documentation above each stream of the manifest."""
    link, found = "", {}
    for line in _MANIFEST.read_text().split("\n"):
        if line.startswith("  # https://"):
            link = line.split()[1]
        elif line.startswith("    name: "):
            found[line.split()[1]] = quote(link, safe=":/#")
            link = ""
    for stream in definitions():
        if not found.get(stream):
            raise Mismatch(f"manifest.yaml has no link to Clockify's documentation of {stream}")
    return found


def smallest_plan(stream: str) -> str:
    """The smallest plan that has a stream; empty: each of them."""
    feature = parameters_of(stream).get("feature")
    if not feature:
        return ""
    plan = next(each for each in PLANS if feature in features(each))
    return {"BASIC": "any paid"}.get(plan, plan.capitalize())


def _permission(stream: str) -> str:
    """Whose key a stream needs, by the sentence with which a refusal ends."""
    needs = parameters_of(stream).get("needs", "")
    if smallest_plan(stream).removeprefix("any ") not in needs:
        raise Mismatch(f"manifest.yaml, {stream}: needs does not name the smallest plan")
    if "owner or admin" not in needs:
        return ""
    return "owner or admin, for others" if "other users" in needs else "owner or admin"


def requests() -> str:
    """The table of requests of the user's page; streams that take the same share a row."""
    rows: dict[str, list[str]] = {}
    for stream in definitions():
        rows.setdefault(requests_in_a_sync(stream), []).append(f"`{stream}`")
    head = ["streams", "requests in a sync"]
    return markdown_table(head, [[", ".join(streams), text] for text, streams in rows.items()])


def for_maintainers() -> str:
    """The table of AGENTS.md."""
    rows = []
    for stream in definitions():
        note, request = stream_notes()[stream], request_of(stream)
        path = request.path.replace("/workspaces/*", "/W").replace("*", "{id}")
        endpoint = f"{request.method} {_HOSTS[request.host]}{path}"
        rows.append(
            [
                stream,
                "; ".join(each for each in (endpoint, note.get("also")) if each),
                "; ".join(each for each in (_paging(stream), note.get("pages")) if each),
                cursor_of(stream),
                note.get("offers", ""),
                note.get("later", "whole"),
            ]
        )
    own = stream_notes()[SYNC_LOG]
    rows.append([SYNC_LOG, "none: the connector's own", "", "", "", own["later"]])
    head = ["stream", "endpoint", "paging (page size)", "cursor", "what the API offers"]
    return markdown_table([*head, "what we do in a later sync"], rows)


def _paging(stream: str) -> str:
    pages = pages_of(stream)
    if pages is None:
        return "none"
    where = "body page" if pages.is_in_body else "page"
    begin = " from 0" if pages.first == 0 else ""
    counted = ", counted" if "count_path" in parameters_of(stream) else ""
    return f"{where}{begin}, {pages.size_name} ({pages.size}){counted}"


def proofs() -> str:
    """The table of proofs of a deletion."""
    rows: dict[tuple[str, str], list[str]] = {}
    for stream in definitions():
        profile = PROFILES.get(stream, TrackingProfile())
        has_kind = profile.deletions or profile.kind is Kind.EVENT_LOG
        kind = profile.kind.value.replace("_", " ") if has_kind else ""
        rows.setdefault((kind, _proof(stream, profile)), []).append(stream)
    table = [[", ".join(streams), kind, proof] for (kind, proof), streams in rows.items()]
    kinds = list(dict.fromkeys(kind for _, kind, _ in table if kind))
    table.sort(key=lambda row: (kinds.index(row[1]) if row[1] else len(kinds), row[2] != _BY_ID))
    return markdown_table(["streams", "kind", "what proves that it is gone"], table)


def _proof(stream: str, profile: TrackingProfile) -> str:
    if not profile.deletions:
        is_log = profile.kind is Kind.EVENT_LOG
        return "no tombstones: events stay" if is_log else "no tombstones"
    note = stream_notes()[stream].get("proof")
    if profile.by_id is None:
        if note and "once more" not in note:
            raise Mismatch(f"streams.yaml, {stream}: only a second read proves a deletion")
        return note or "the list is read once more, and lacks it too"
    if note and "once more" in note:
        raise Mismatch(f"streams.yaml, {stream}: it is read by id, not by a second read")
    return note or _BY_ID


def windows() -> str:
    """What later syncs read of the streams that they do not read whole."""
    rows: dict[str, list[str]] = {}
    for stream in definitions():
        if PROFILES.get(stream, TrackingProfile()).kind is not Kind.SNAPSHOT:
            later = stream_notes()[stream].get("later", "whole")
            rows.setdefault(later, []).append(f"`{stream}`")
    table = [["all that are not below", "everything"]]
    table += [
        [", ".join(streams), "everything" if later == "whole" else later]
        for later, streams in rows.items()
    ]
    return markdown_table(["streams", "what a later sync reads"], table)


def computed() -> str:
    """The streams that Clockify computes."""
    aggregates = [name for name, each in PROFILES.items() if each.kind is Kind.AGGREGATE]
    return _listed([f"`{name}`" for name in [*aggregates, *_ALSO_COMPUTED]])


def without_deletions() -> str:
    """The streams without deletions, in the words of the user's page."""
    logs: list[str] = []
    others: list[str] = []
    for stream in definitions():
        profile = PROFILES.get(stream, TrackingProfile())
        if profile.deletions:
            continue
        (logs if profile.kind is Kind.EVENT_LOG else others).append(f"`{stream}`")
    return f"{_listed(others)} and the logs ({_listed(logs)})"


def incremental_in_manifest() -> str:
    """The streams that the manifest itself reads incrementally."""
    return ", ".join(f"`{stream}`" for stream in definitions() if cursor_of(stream))


def _listed(names: list[str]) -> str:
    return ", ".join(names)


def of_dbt() -> str:
    """The tables of the dbt package's source."""
    return "\n".join(
        f"      - name: {name}\n"
        f"        identifier: \"{{{{ var('clockify_table_prefix', '') }}}}{name}\""
        for name in (*definitions(), SYNC_LOG)
    )


def of_terraform() -> str:
    """The streams of the connection in the Terraform example of Airbyte Cloud."""
    width = max(map(len, definitions()))
    modes = {True: "incremental_append", False: "full_refresh_append"}
    return "\n".join(
        f'    {stream:<{width}} = "{modes[bool(cursor_of(stream))]}"' for stream in definitions()
    )
