"""Removes personal data from Clockify's answers, so that a report can be published.

A report contains only words, values and headers that are on a list here. The name of a field that
no schema declares appears only if it has the form of Clockify's field names.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

# Words of Clockify's error messages and API vocabulary; all other words are masked.
_WORD_LIST = """
a access active added addon admin all allowed already amount an and any api approval archived
are array as at audit author authors auth batch be because been before belong belongs between
body but by can cannot category change changes client code contain contains convert could
custom data date dates day days deleted denied detailed did do does doesn't don't draft empty
end enterprise entities entity entries entry enum equal error exactly exceed exceeds exist
exists expected expense expenses expired failed feature field fields filter for forbidden form
format found free from full greater group groups has have hidden hour hours id ids in inactive
include integer internal into invalid invoice is isn't it json key kind last least less limit
limited list log longer lower manager many maximum member members method minimum
missing month more most multiple must name none not null number object of on one only or owner
page pages parameter parameters pending per permission permissions plan please present
profile project projects provided range read reached removed report reports request requested
requests required resource right rights role route select server service should shared size
smaller sort source start static status string subscription supported system tag tags task
tasks team than that the there this time timeout timesheet to token too type types unable
unauthorized unavailable unexpected unknown unsupported up upgrade user users valid value
values was week weekly were which while window with within workspace workspaces wrong year
years you your
"""
_WORDS = frozenset(_WORD_LIST.split())

# Values that name a plan, a feature, a state or a kind in Clockify's documentation.
_VALUE_LIST = """
FREE BASIC STANDARD PRO ENTERPRISE TRIAL SELF_HOSTED BASIC_2021 STANDARD_2021 PRO_2021
BASIC_YEAR_2021 STANDARD_YEAR_2021 PRO_YEAR_2021 ENTERPRISE_YEAR ENTERPRISE_2021
ENTERPRISE_YEAR_2021 BUNDLE_2024 BUNDLE_YEAR_2024 BASIC_YEAR STANDARD_YEAR PRO_YEAR
ADD_TIME_FOR_OTHERS APPROVAL ATTENDANCE_REPORT AUDIT_LOG BILLABLE_HOURS BREAKS BULK_EDIT
CLIENT_CURRENCY CSV_EXPORT CUSTOM_FIELDS CUSTOM_REPORTING CUSTOM_SUBDOMAIN EXPENSES
FAVORITE_ENTRIES FORECASTING HIDE_PAGES HISTORIC_RATES INVOICING INVOICE_EMAILS KIOSK LABOR_COST
LOCATIONS MANAGER_ROLE MULTIFACTOR_AUTHENTICATION PROJECT_BUDGET PROJECT_ESTIMATE
PROJECT_TEMPLATES QUICKBOOKS_INTEGRATION RECURRING_ESTIMATES REQUIRED_FIELDS
SCHEDULED_REPORTS SCHEDULING SCIM SCREENSHOTS SHARED_REPORTS SPLIT_TIME_ENTRY
SSO SUMMARY_ESTIMATE TARGETS_AND_REMINDERS TASK_RATES TIME_OFF TIME_TRACKING
UNLIMITED_REPORTS ONE_MONTH_RANGE_REPORTS ONE_YEAR_RANGE_REPORTS USER_CUSTOM_FIELDS
USER_GROUPS WHITE_LABELING WORKSPACE_LOCK_TIMEENTRIES WORKSPACE_TIME_AUDIT
WORKSPACE_TIME_ROUNDING WORKSPACE_TRANSFER XLSX_EXPORT
ACTIVE PENDING_EMAIL_VERIFICATION DELETED NOT_REGISTERED LIMITED LIMITED_DELETED INACTIVE DONE
PENDING APPROVED REJECTED WITHDRAWN_SUBMISSION WITHDRAWN_APPROVAL ALL
OWNER WORKSPACE_ADMIN TEAM_MANAGER PROJECT_MANAGER
REGULAR BREAK HOLIDAY UNSENT SENT PAID PARTIALLY_PAID VOID OVERDUE
APPROVAL_REQUESTS BALANCE CLIENTS HOLIDAYS INVOICES PROJECTS PTO_POLICY SCHEDULED_ASSIGNMENT
TAGS TASKS TIME_ENTRY TIME_ENTRY_CUSTOM_FIELD_VALUE TIME_ENTRY_RATE TIME_OFF_REQUEST USER
"""
KNOWN_VALUES = frozenset(_VALUE_LIST.split())

SHOWN_HEADERS = re.compile(
    "(?:last-page|retry-after|total-count|content-type|x-ratelimit-(?:limit|remaining|reset))",
    re.IGNORECASE,
)
_HEADER_VALUE = re.compile(
    r"(?:true|false|\d{1,12}|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT"
    r"|(?:application/json|text/html|text/plain)(?:; ?charset=(?:utf|UTF)-8)?)"
)
# Quoted or bracketed text may be the name of a project, whatever it says. An apostrophe within a
# word is not a quote.
_QUOTED = re.compile(r"""(?<!\w)(["'`\u201c\u2018\[]).*?["'`\u201d\u2019\]](?!\w)""", re.DOTALL)
# Kinds of entities, which messages capitalize.
_KINDS = frozenset(
    ["USER", "PROJECT", "TASK", "TAG", "CLIENT", "WORKSPACE", "INVOICE", "EXPENSE", "POLICY"]
)
_TOKEN = re.compile(r"\s+|[^\s]+")
_WORD = re.compile(r"([^A-Za-z0-9]*)(.*?)([^A-Za-z0-9]*)", re.DOTALL)
_FIELD = re.compile(r"_?[a-z][a-z]*(?:[A-Z][a-z]+|[A-Z](?![a-z])){0,6}")
_LONGEST_FIELD = 40
_LONGEST_MESSAGE = 300


class Redaction:
    """The masks of one report: an id has a single mask within a report, and others elsewhere."""

    def __init__(self, salt: bytes | None = None) -> None:
        self._salt = salt or secrets.token_bytes(16)

    def id(self, value: Any) -> str:
        digest = hashlib.blake2b(str(value).encode(), key=self._salt, digest_size=4)
        return f"<id:{digest.hexdigest()}>"


def message(text: str) -> str:
    """Return an error message with all but known words masked."""
    shown = text[:_LONGEST_MESSAGE].replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    shown = _QUOTED.sub(lambda quoted: f"\0{len(quoted.group()) - 2}\0", shown)
    masked = []
    begins = True
    for token in _TOKEN.findall(shown):
        masked.append(_masked(token, begins=begins))
        begins = begins if token.isspace() else token.endswith((".", ":"))
    return "".join(masked) + ("..." if len(text) > _LONGEST_MESSAGE else "")


def _masked(token: str, *, begins: bool) -> str:
    quoted = re.search("\0(\\d+)\0", token)
    if quoted:
        return f"<text:{quoted.group(1)}>"
    if token.isspace():
        return " "
    matched = _WORD.fullmatch(token)
    before, word, after = matched.groups() if matched else ("", token, "")
    before, after = _punctuation(before), _punctuation(after)
    if not word:
        return before
    if word.isdigit():
        return f"{before}<number>{after}"
    # A capital letter within a sentence may begin a name.
    is_plain = word.islower() or word in _KINDS or (begins and word[1:].islower())
    if is_plain and word.lower() in _WORDS:
        return before + word.lower() + after
    return f"{before}<text:{len(word)}>{after}"


def _punctuation(text: str) -> str:
    return "".join(mark for mark in text if mark in ".,:;()[]'\"!?-")


def known_value(value: Any) -> str:
    """Return an enum value if it is documented, or else its mask."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value if value in KNOWN_VALUES else f"<text:{len(value)}>"
    return f"<{kind_of(value)}>"


def known_values(values: Iterable[Any]) -> list[str]:
    return sorted({known_value(value) for value in values})


def kind_of(value: Any) -> str:
    """Return the JSON type of a value, and the length of a text or list."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return f"text:{len(value)}"
    return "object" if isinstance(value, Mapping) else f"list:{len(value)}"


def headers(given: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that concern pagination, limits and the content type."""
    return {
        name.lower(): value if _HEADER_VALUE.fullmatch(value) else f"<text:{len(value)}>"
        for name, value in given.items()
        if SHOWN_HEADERS.fullmatch(name)
    }


def field_name(name: str) -> str:
    """Return the name of an undeclared field; masked if it may be a name or an id."""
    if len(name) <= _LONGEST_FIELD and _FIELD.fullmatch(name):
        return name
    return f"<text:{len(name)}>"
