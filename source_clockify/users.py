"""The users of a workspace, by `POST /users/info` or, where that is absent, by `GET /users`.

The search accepts several account statuses, the listing one. Without a status, the listing omits
limited members, so it is read a second time for them (see adaptations.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import requests

from source_clockify.adaptations import ACCOUNT_STATUSES, LIMITED, workspace_of
from source_clockify.bodies import decoded_body
from source_clockify.pagination import (
    LastPageHeaderPagination,
    Page,
    PageExtractor,
    is_last_page,
    rows_in,
)
from source_clockify.request_notes import Gap, current_notes

# The page size of Clockify's listings; a server that refuses it for the search is sent a listing.
LARGEST_PAGE = 5000
# The page size of a search that does not specify one.
DEFAULT_PAGE_SIZE = 50


class UsersToken(TypedDict):
    """The next request for users.

    Attributes:
        page: its number.
        statuses: the account statuses of a search; for a listing none, or the one it filters by.
    """

    page: int
    statuses: list[str]


@dataclass
class UsersPagination(LastPageHeaderPagination):
    """Pages of users, found by `POST /users/info` or listed by `GET /users`.

    The search announces neither the last page nor a total, and its largest page is undocumented, so
    only an empty page proves that all users were read. The listing is followed by a second one of
    the limited members, which it omits (see adaptations.py).
    """

    @property
    def initial_token(self) -> Any | None:
        return None

    def token_after(self, page: Page) -> Any | None:
        token: UsersToken | None = page.token
        is_search = page.response.request.method == "POST"
        statuses = token["statuses"] if token else list(ACCOUNT_STATUSES) if is_search else []
        if is_search and page.rows == 0:
            _note_repeated_page(page.response)
        largest = None if is_search else self.get_page_size()
        if not is_last_page(page.response, page.rows, largest):
            return UsersToken(page=token["page"] + 1 if token else 2, statuses=statuses)
        if is_search or statuses == [LIMITED]:
            return None
        return UsersToken(page=1, statuses=[LIMITED])


@dataclass
class UsersExtractor(PageExtractor):
    """Takes the users of a page; from the second listing only limited members.

    A server that ignores the filter lists everyone twice, and does not reveal who is missing.
    """

    def extract_records(self, response: requests.Response) -> Iterable[Mapping[str, Any]]:
        is_second = f"account-statuses={LIMITED}" in response.url
        for row in super().extract_records(response):
            if not is_second or row.get("status") == LIMITED:
                yield row
            else:
                _note_ignored_filter(response.request)


def _note_repeated_page(response: requests.Response) -> None:
    """Record that a search repeats a page: either it has no others, or it never returns them."""
    notes = current_notes()
    repeated = len(rows_in(decoded_body(response)))
    if notes is not None and repeated >= DEFAULT_PAGE_SIZE:
        message = f"This server repeats a page of {repeated} users, so others may be missing."
        notes.gaps[Gap(workspace_of(response.request), message)] = None


def _note_ignored_filter(request: requests.PreparedRequest) -> None:
    notes = current_notes()
    if notes is not None:
        message = "Limited members may be missing, because this server ignores the filter for them."
        notes.gaps[Gap(workspace_of(request), message)] = None
