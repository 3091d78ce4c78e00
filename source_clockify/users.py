"""The users of a workspace: found by `POST /users/info`, listed by `GET /users` where it is absent.

The search takes several account statuses, the listing one. Without any, the listing leaves limited
members out, so it is read a second time for them (see adaptations.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from airbyte_cdk.sources.declarative.extractors.record_filter import RecordFilter
from airbyte_cdk.sources.types import StreamSlice, StreamState

from source_clockify.pagination import ObedientPagination, Page, is_last_page
from source_clockify.refusals import Gap, current_notes

# What Clockify's listings grant; a server that refuses it to the search is asked for the listing.
LARGEST_PAGE = 5000

LIMITED = "LIMITED"
# The account statuses of the users that are read: all but deleted ones.
ACCOUNT_STATUSES = ("ACTIVE", "PENDING_EMAIL_VERIFICATION", "NOT_REGISTERED", LIMITED)


class UsersToken(TypedDict):
    """The next request for users.

    Attributes:
        page: its number.
        statuses: the account statuses.
    """

    page: int
    statuses: list[str]


@dataclass
class UsersPagination(ObedientPagination):
    """Pages of users, found by `POST /users/info` or listed by `GET /users`.

    The search announces neither the last page nor a number, and its largest page is documented
    nowhere, so only an empty page proves that all were read. The listing is followed by a second
    one of the limited members, which it leaves out (see adaptations.py).
    """

    @property
    def initial_token(self) -> Any | None:
        return None

    def token_after(self, page: Page) -> Any | None:
        token: UsersToken | None = page.token
        statuses = token["statuses"] if token else list(ACCOUNT_STATUSES)
        is_search = page.response.request.method == "POST"
        largest = None if is_search else self._page_size
        if not is_last_page(page.response, page.rows, largest):
            return UsersToken(page=token["page"] + 1 if token else 2, statuses=statuses)
        if is_search or statuses == [LIMITED]:
            return None
        return UsersToken(page=1, statuses=[LIMITED])


@dataclass
class MembersOfPass(RecordFilter):
    """Keeps the limited members of the second listing of users, and everybody of any other.

    A server that ignores the filter lists everybody twice, and does not show who is missing.
    """

    def filter_records(
        self,
        records: Iterable[Mapping[str, Any]],
        stream_state: StreamState,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        token = (next_page_token or {}).get("next_page_token")
        if not token or token["statuses"] != [LIMITED]:
            yield from records
            return
        for record in records:
            if record.get("status") == LIMITED:
                yield record
            elif stream_slice:
                _note_ignored_filter(stream_slice["workspace_id"])


def _note_ignored_filter(workspace_id: str) -> None:
    notes = current_notes()
    if notes is not None:
        message = "Limited members may be missing, because this server ignores the filter for them."
        notes.gaps[Gap(workspace_id, message)] = None
