"""Texts that break readers: Unicode, look-alikes of other types, templates, very long ones."""

# RUF001 warns of look-alike letters, which are intended here.
# ruff: noqa: RUF001

NASTY: tuple[str, ...] = (
    "Quarterly report",
    "",
    "None",
    "null",
    "true",
    "1_000",
    "[1]",
    "{{ x }}",
    "1e5",
    "0123",
    "2026-01-01",
    '{"a": 1}',
    "Naïve café 🚀👩‍👩‍👧 emoji",
    "שלום עולם מימין לשמאל",
    "e\u0301 a\u0308 combining, against é ä composed",
    "tab\tand\nline break\r\nand \\ backslash \"quoted\" 'single'",
    "<b>&amp; markup</b>",
    " leading and trailing blanks ",
    "NaN",
    "-0",
    "${HOME} $(x) %s %(a)s {0}",
    "Ω≈ç√∫ \u200bzero width\u200b \u2028 line separator",
    "很长的描述 and 日本語",
    "A very long description. " * 160,
    "Zürich – Đorđe Šašić, Ћирилица",
    "Infinity",
)

PROJECTS: tuple[str, ...] = (
    "Website relaunch",
    "Archive of 2023",
    "Template: onboarding",
    "Internal",
    "null",
    "1e5",
    "Ћирилица 🚀",
    "Website relaunch",
    "{{ config['api_key'] }}",
    "[1]",
)

TASKS: tuple[str, ...] = ("Design", "true", "Code review 🔍", "None", "Design", "1_000")

CLIENTS: tuple[str, ...] = ("ACME", "null", "Zürich Vers. AG", "ACME", "שלום", "1e5")

TAGS: tuple[str, ...] = ("urgent", "None", "🔥", "1_000", "[1]", "true", "Ünïcödé", "{{ x }}")

GROUPS: tuple[str, ...] = ("Engineering", "null", "Empty group", "Каса")

USERS: tuple[str | None, ...] = (
    "Olivia Owner",
    "Max Member",
    "Deactivated Dora",
    "Limited Leo 🪪",
    "Pending Pia",
    None,
    "Max Member",
    "null",
    "João da Conceição",
    "שרה כהן",
    "1e5",
    "Declined Dan",
)
