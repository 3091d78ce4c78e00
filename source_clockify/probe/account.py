"""Account data needed by several lines. Each request is sent once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import wraps
from typing import Any, TypeVar

from source_clockify.plan_features import lacks_feature
from source_clockify.probe.client import Answer, Client, NotAsked, Params
from source_clockify.probe.comparison import Comparison, EarlierSync, compare
from source_clockify.probe.lines import Untestable, need, status_of
from source_clockify.timestamps import second_of

Row = dict[str, Any]
T = TypeVar("T")

# A random id that no account has.
UNKNOWN_ID = "64e7771f0f0f0f0f0f0f0f0f"
PAGE = 200
_SMALL_PAGE = 50
REPORT_PAGE = 1000
DAY = timedelta(days=1)
ACCOUNT_STATUSES = ("ACTIVE", "PENDING_EMAIL_VERIFICATION", "NOT_REGISTERED", "LIMITED")

# Path below the workspace, parameters, path to the rows, and feature of the plan.
LISTINGS: Mapping[str, tuple[str, Params, tuple[str, ...], str]] = {
    "users": ("/users", {"status": "ALL", "include-roles": "true"}, (), ""),
    "user_groups": ("/user-groups", {}, (), ""),
    "clients": ("/clients", {}, (), ""),
    "projects": ("/projects", {"sort-column": "ID", "sort-order": "ASCENDING"}, (), ""),
    "tags": ("/tags", {}, (), ""),
    "time_entries_in_progress": ("/time-entries/status/in-progress", {}, (), ""),
    "expenses": ("/expenses", {}, ("expenses", "expenses"), "EXPENSES"),
    "expense_categories": ("/expenses/categories", {}, ("categories",), "EXPENSES"),
    "invoices": ("/invoices", {}, ("invoices",), "INVOICING"),
    "time_off_policies": ("/time-off/policies", {"status": "ALL"}, (), "TIME_OFF"),
    "approval_requests": (
        "/approval-requests",
        {"sort-column": "UPDATED_AT", "sort-order": "DESCENDING"},
        (),
        "APPROVAL",
    ),
}


def remembered(method: Callable[["Account"], T]) -> Callable[["Account"], T]:
    """Call a method once; afterwards return its result or raise its error."""
    name = method.__name__

    @wraps(method)
    def call(account: "Account") -> T:
        return account.remember(name, lambda: method(account))

    return call


@dataclass
class Account:
    """A workspace as seen with one key.

    Attributes:
        client: sends the requests.
        workspace: the row of the workspace; holds at least its id.
        now: when the survey began.
        provoke_limit: whether a line may use up the workspace's request limit.
        other_host: a base URL named by the user; "" for none.
        unseen: why the row of the workspace could not be read; "" if it was.
        earlier: the state of an earlier sync named by the user; None for none.
    """

    client: Client
    workspace: Row
    now: datetime
    provoke_limit: bool = False
    other_host: str = ""
    unseen: str = ""
    earlier: EarlierSync | None = None
    _memory: dict[str, Any] = field(default_factory=dict)

    def remember(self, name: str, make: Callable[[], T]) -> T:
        if name not in self._memory:
            try:
                self._memory[name] = make()
            except Exception as error:
                self._memory[name] = error
        found = self._memory[name]
        if isinstance(found, Exception):
            raise found
        made: T = found
        return made

    # Requests of the workspace

    @property
    def root(self) -> str:
        return f"/workspaces/{self.workspace['id']}"

    def get(self, path: str, params: Params | None = None, **how: Any) -> Answer:
        return self.client.get(self.root + path, params, **how)

    def post(self, path: str, body: Any, **how: Any) -> Answer:
        return self.client.post(self.root + path, body, **how)

    def require(self, feature: str) -> None:
        """Raise Untestable if the plan is known to lack a feature."""
        if feature and self.lacks(feature):
            raise Untestable(f"the plan of the workspace lacks {feature}")

    def lacks(self, feature: str) -> bool:
        return lacks_feature(self.workspace.get("features"), feature)

    def listing(self, name: str) -> Answer:
        """Return the first page of a listing, with data."""
        path, params, _, feature = LISTINGS[name]
        self.require(feature)

        def ask() -> Answer:
            return self.get(path, {**dict(params), "page": 1, "page-size": PAGE})

        return need(self.remember(f"listing {name}", ask))

    def rows(self, name: str) -> list[Row]:
        return self.listing(name).rows(*LISTINGS[name][2])

    # People

    @remembered
    def user(self) -> Row:
        """The key owner."""
        body = need(self.client.get("/user")).body
        return body if isinstance(body, dict) else {}

    @remembered
    def user_search(self) -> Answer:
        """All users except deleted ones, from the search with the largest page."""
        return self.search_users(5000)

    @remembered
    def small_user_search(self) -> Answer:
        """The users on a page of the default size."""
        return self.search_users(_SMALL_PAGE)

    def search_users(self, size: int) -> Answer:
        body = {
            "page": 1,
            "pageSize": size,
            "status": "ALL",
            "accountStatuses": list(ACCOUNT_STATUSES),
            "memberships": "WORKSPACE",
            "includeRoles": True,
        }
        return self.post("/users/info", body, what=f"four statuses, pageSize {size}")

    @remembered
    def searched_users(self) -> list[Row]:
        """All users except removed ones. The listing does not suffice: it lacks limited members."""
        found = self.user_search()
        if found.status == 400:
            found = self.small_user_search()
            if len(found.rows()) >= _SMALL_PAGE:
                raise Untestable("the list of users does not fit on a page")
        if not found.ok:
            raise Untestable(f"the search for users answers {status_of(found)}")
        return found.rows()

    @remembered
    def users(self) -> list[Row]:
        """All known users, from the search or the listing."""
        try:
            return self.searched_users()
        except Untestable:
            return self.rows("users")

    @remembered
    def roles(self) -> set[str]:
        """The names of the key owner's roles."""
        me = self.user().get("id")
        row: Row = next((each for each in self.users() if each.get("id") == me), {})
        if not isinstance(row.get("roles"), list):
            raise Untestable("the roles of the key's user are not shown")
        return {str(each.get("role")) for each in row["roles"] if isinstance(each, dict)}

    @remembered
    def removed_user(self) -> str:
        """The id of a user with time entries who is in no listing."""
        listed = {row.get("id") for row in self.searched_users()}
        for report in (self.report, self.year_report):
            for row in report().rows("timeentries"):
                if isinstance(row.get("userId"), str) and row["userId"] not in listed:
                    return str(row["userId"])
        raise Untestable("no entry of a removed user in the report of the last year")

    # Time entries

    @remembered
    def entries(self) -> Answer:
        """The newest entries of the key owner, or else of a user in the detailed report."""
        return self.entries_of(str(self.user().get("id")), {"page-size": 50})

    def entries_of(self, user_id: str, params: Params, what: str = "") -> Answer:
        return self.get(f"/user/{user_id}/time-entries", params, what=what)

    @remembered
    def entry(self) -> Row:
        """A time entry that has ended, preferably of the key owner."""
        own = _ended(need(self.entries()).rows(), self.now)
        if own:
            return own
        in_report = _ended(self.report().rows("timeentries"), self.now)
        if not in_report or not in_report.get("userId"):
            raise Untestable("no time entry of the last 30 days")
        rows = need(self.entries_of(str(in_report["userId"]), {"page-size": 50})).rows()
        found = _ended(rows, self.now)
        if not found:
            raise Untestable("no time entry of the last 30 days")
        return found

    @remembered
    def comparison(self) -> Comparison:
        """The changes of time entries since the earlier sync."""
        if self.earlier is None:
            raise Untestable("only with --state, the state of an earlier sync")
        # It is useless without a request for the feed; an interruption uses up the budget.
        if self.client.sent >= self.client.budget:
            raise NotAsked("budget")
        return compare(self.client.config, str(self.workspace["id"]), self.earlier)

    # Reports

    def report_body(self, start: str, end: str, **detailed: Any) -> Row:
        body: Row = {
            "dateRangeStart": start,
            "dateRangeEnd": end,
            "timeZone": "UTC",
            "exportType": "JSON",
            "sortOrder": "ASCENDING",
        }
        if detailed:
            body["detailedFilter"] = {"page": 1, "sortColumn": "DATE", **detailed}
        return body

    def ask_report(self, kind: str, body: Row, what: str, *, hide: bool | None = None) -> Answer:
        """Request a report, without amounts if this key requires that."""
        hides = self.hides_amounts() if hide is None else hide
        shown = {**body, "amountShown": "HIDE_AMOUNT"} if hides else body
        return self.post(f"/reports/{kind}", shown, host="reports", what=what)

    def month(self, **detailed: Any) -> Row:
        return self.report_body(
            self.day(-30, "T00:00:00.000Z"), self.day(0, "T23:59:59.999Z"), **detailed
        )

    @remembered
    def plain_report(self) -> Answer:
        """The detailed report of 31 days with the largest page, in the form requested first."""
        body = self.month(pageSize=REPORT_PAGE)
        return self.ask_report("detailed", body, "31 days, pageSize 1000", hide=False)

    @remembered
    def hidden_report(self) -> Answer:
        """The same without amounts."""
        body = self.month(pageSize=REPORT_PAGE)
        return self.ask_report("detailed", body, "31 days, HIDE_AMOUNT", hide=True)

    def hides_amounts(self) -> bool:
        return self.plain_report().status == 403

    @remembered
    def report(self) -> Answer:
        """The detailed report of 31 days, with data."""
        found = self.plain_report()
        if found.status == 403:
            found = self.hidden_report()
        if found.status == 400:
            found = self.ask_report("detailed", self.month(pageSize=PAGE), "31 days, pageSize 200")
        return need(found)

    @property
    def report_page(self) -> int:
        """A page size that the detailed report accepts."""
        return PAGE if self.plain_report().status == 400 else REPORT_PAGE

    @remembered
    def year_report(self) -> Answer:
        """The detailed report of the last year, one page."""
        if self.lacks("ONE_YEAR_RANGE_REPORTS") and self.lacks("UNLIMITED_REPORTS"):
            return self.report()
        start, end = self.day(-360, "T00:00:00.000Z"), self.day(0, "T23:59:59.999Z")
        body = self.report_body(start, end, pageSize=self.report_page)
        found = self.ask_report("detailed", body, "a year")
        return found if found.ok else self.report()

    # Plans

    @remembered
    def assignments(self) -> Answer:
        self.require("SCHEDULING")
        params = {**self.planned(), "page-size": PAGE}
        return need(self.get("/scheduling/assignments/all", params, what="a year"))

    def planned(self) -> dict[str, str]:
        return {"start": self.day(-30, "T00:00:00Z"), "end": self.day(330, "T00:00:00Z")}

    # Times

    def day(self, days: int, rest: str) -> str:
        return (self.now + days * DAY).strftime("%Y-%m-%d") + rest

    def moment(self, days: float) -> str:
        return second_text(self.now + days * DAY)


def second_text(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def start_of(row: Row) -> datetime | None:
    """Return the start of a time entry; None if it has none in a valid year."""
    start = (row.get("timeInterval") or {}).get("start")
    second = second_of(start) if isinstance(start, str) else None
    if second is None or not 946684800 <= second < 4102444800:
        return None
    return datetime.fromtimestamp(second, timezone.utc)


def _ended(rows: list[Row], now: datetime) -> Row:
    """Return an entry that has ended, preferably one that began in the middle of a day."""
    found: Row = {}
    for row in rows:
        start = start_of(row)
        if start and start < now - DAY and (row.get("timeInterval") or {}).get("end"):
            if 3 <= start.hour < 21 and (start.minute or start.second or start.hour % 6):
                return row
            found = found or row
    return found
