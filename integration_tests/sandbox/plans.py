"""Clockify's subscription plans and the features that each of them unlocks."""

PLANS = ("FREE", "BASIC", "STANDARD", "PRO", "ENTERPRISE")

_UNLOCKED_BY = {
    "FREE": (
        "TIME_TRACKING",
        "ONE_MONTH_RANGE_REPORTS",
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
        "UNLIMITED_REPORTS",
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


def features(plan: str) -> list[str]:
    """The features of a plan, its own and those of the smaller plans; unknown plans have all."""
    last = PLANS.index(plan) if plan in PLANS else len(PLANS) - 1
    return [feature for name in PLANS[: last + 1] for feature in _UNLOCKED_BY[name]]


def has(plan: str, feature: str | None) -> bool:
    """Whether a plan unlocks a feature; None is unlocked by every plan."""
    return feature is None or feature in features(plan)
