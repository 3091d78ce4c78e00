"""Clockify's subscription plans and the features that each of them includes."""

PLANS = ("FREE", "BASIC", "STANDARD", "PRO", "ENTERPRISE")

_UNLOCKED_BY = {
    "FREE": (
        "TIME_TRACKING",
        "KIOSK",
        "BILLABLE_HOURS",
        "CSV_EXPORT",
        "FAVORITE_ENTRIES",
    ),
    "BASIC": (
        "ADD_TIME_FOR_OTHERS",
        "BREAKS",
        "BULK_EDIT",
        "HIDE_PAGES",
        "HISTORIC_RATES",
        "PROJECT_TEMPLATES",
        "REQUIRED_FIELDS",
        "SHARED_REPORTS",
        "XLSX_EXPORT",
    ),
    "STANDARD": (
        "APPROVAL",
        "ATTENDANCE_REPORT",
        "INVOICING",
        "MANAGER_ROLE",
        "TASK_RATES",
        "TIME_OFF",
        "WORKSPACE_LOCK_TIMEENTRIES",
        "WORKSPACE_TIME_ROUNDING",
    ),
    "PRO": (
        "CLIENT_CURRENCY",
        "CUSTOM_FIELDS",
        "EXPENSES",
        "FORECASTING",
        "LABOR_COST",
        "PROJECT_BUDGET",
        "PROJECT_ESTIMATE",
        "SCHEDULING",
        "USER_CUSTOM_FIELDS",
        "A_FEATURE_OF_TOMORROW",
    ),
    "ENTERPRISE": ("AUDIT_LOG", "CUSTOM_SUBDOMAIN", "SCIM", "SSO"),
}

SUBSCRIPTIONS = {
    "FREE": "FREE",
    "BASIC": "BASIC_2021",
    "STANDARD": "STANDARD_2021",
    "PRO": "PRO_YEAR_2021",
    "ENTERPRISE": "ENTERPRISE_YEAR",
}
_REPORT_RANGES = {"FREE": ("ONE_MONTH_RANGE_REPORTS", 31), "BASIC": ("ONE_YEAR_RANGE_REPORTS", 366)}
_ANY_RANGE = ("UNLIMITED_REPORTS", None)


def features(plan: str) -> list[str]:
    """The features of a plan, including those of smaller plans; unknown plans have all.

    Of the report ranges, only the plan's own is included.
    """
    last = PLANS.index(plan) if plan in PLANS else len(PLANS) - 1
    unlocked = [feature for name in PLANS[: last + 1] for feature in _UNLOCKED_BY[name]]
    return [*unlocked, _REPORT_RANGES.get(plan, _ANY_RANGE)[0]]


def report_days(plan: str) -> int | None:
    """The most days that a report may span; None for no limit."""
    return _REPORT_RANGES.get(plan, _ANY_RANGE)[1]


def subscription(plan: str) -> str:
    """The wire name of a plan; unknown plans keep their own name."""
    return SUBSCRIPTIONS.get(plan, plan)


def plan_of(name: str) -> str:
    """The plan with this wire name."""
    return next((plan for plan, wire in SUBSCRIPTIONS.items() if wire == name), name)


def has(plan: str, feature: str | None) -> bool:
    """Whether a plan includes a feature; None is included in every plan."""
    return feature is None or feature in features(plan)
