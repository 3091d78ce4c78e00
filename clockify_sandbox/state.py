"""The running server's state: data, settings, clock, request log, faults and request counts."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from clockify_sandbox.faults import Faults
from clockify_sandbox.limits import Limits
from clockify_sandbox.store import Options, World
from clockify_sandbox.world import make_world


@dataclass
class Settings:
    """The behaviour that the admin API can change."""

    limits: bool = False
    per_hour_free: int = 30
    per_second: int = 50
    retry_after: int | str | None = None
    plan_refusal: str = "403"
    audit_envelope: str = "array"
    users_info: str = "on"
    users_info_max: int = 5000
    account_statuses: str = "csv"
    members_list_users: bool = True
    short_feeds: int | None = None
    change_types: str = "all"
    tasks_without_done: bool = False
    hidden_templates: bool = False
    report_offset: str | None = None
    webhook_log_offset: bool = False
    oversize: str = "error"
    page_size_clamp: int | None = None
    shuffle_lists: int | None = None
    last_page: str = "normal"
    report_max_page_size: int = 1000
    report_end: str = "inclusive"
    running_duration: str = "null"
    batch_missing: str = "error"
    deletion_lag: int = 60
    batch_route: str = "on"
    batch_max: int | None = None
    running_in_reports: bool = True
    invoicing_info: str = "object"
    report_last_page: bool = True
    hydrated_done: bool = True
    hydrated: str = "on"
    deleted_user_profile: str = "error"
    deleted_user_entries: str = "error"
    change_days: int = 31
    change_retention: int = 365
    change_page_max: int = 1000
    feed_drop: float | dict[str, float] = 0
    feed_seed: int = 0
    feed_order: str = "ascending"
    feed_repeats: int = 0
    feed_lies: list[dict[str, Any]] = field(default_factory=list)
    feed_refused: str = ""
    feed_parts_id: str = "entry"
    audit_days: int = 31
    audit_system: str = "named"
    audit_without_authors: str = "refused"
    approvals_default: str = "all"
    categories_default: str = "active"
    drafts_listed: bool = False
    shared_reports_all_admin: str = "accepted"
    summary_day: str = "name"
    missing_entity: str = "400_501"
    manager_reports: str = "refused"
    hide_amount: str = "accepted"
    report_sorts_by_date: bool = True
    report_year_one: str = "accepted"
    report_since_2000: str = "accepted"
    assignments_year_one: str = "accepted"
    entry_window: str = "account"
    entry_end: str = "exclusive"
    empty_client: str | None = ""
    attendance_max: int = 1000
    feature_names: str = "on"
    limit_headers: str = "off"
    time_zone: str = "Europe/Belgrade"


@dataclass
class Clock:
    """The current time in epoch seconds: the real time moved ahead, or a stopped clock."""

    stands_at: float | None
    ahead: float = 0.0

    def now(self) -> float:
        return time.time() + self.ahead if self.stands_at is None else self.stands_at

    def advance(self, seconds: float) -> None:
        if self.stands_at is None:
            self.ahead += seconds
        else:
            self.stands_at += seconds


@dataclass
class State:
    """Everything that a reset restores."""

    options: Options
    began: int
    world: World = field(init=False)
    settings: Settings = field(init=False)
    clock: Clock = field(init=False)
    faults: Faults = field(init=False)
    limits: Limits = field(init=False)
    requests: deque[dict[str, Any]] = field(init=False)
    reports: dict[Any, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Restore the initial data and settings, without faults and log."""
        self.world = make_world(self.options, self.began)
        self.settings = Settings(limits=self.options.limits, time_zone=self.options.time_zone)
        self.clock = Clock(None if self.options.now is None else float(self.options.now))
        self.faults = Faults()
        self.limits = Limits()
        self.requests = deque(maxlen=200_000)
        self.reports = {}
