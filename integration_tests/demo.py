"""`bin/demo`: a whole Clockify workspace comes out of the connector as Airbyte records.

Starts the sandbox, runs the installed `source-clockify` against it as Airbyte would, and prints
what came out of each stream and how many requests it took.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from integration_tests.airbyte import config_of
from integration_tests.configure_catalog import configured_catalog
from integration_tests.sandbox.client import Sandbox, start

COMMAND = Path(sys.executable).with_name("source-clockify")

# The request that each stream sends, by the end of its path.
PATHS = {
    "workspaces": r"/workspaces",
    "users": r"/users",
    "member_profiles": r"/member-profile/\w+",
    "user_groups": r"/user-groups",
    "clients": r"/clients",
    "projects": r"/projects",
    "tasks": r"/tasks",
    "tags": r"/tags",
    "custom_fields": r"/custom-fields",
    "time_entries": r"/user/\w+/time-entries",
    "time_entries_in_progress": r"/status/in-progress",
    "detailed_report": r"/reports/detailed",
    "expenses": r"/expenses",
    "expense_categories": r"/expenses/categories",
    "invoices": r"/invoices",
    "invoice_details": r"/invoices/[0-9a-f]{24}",
    "invoice_payments": r"/payments",
    "invoice_settings": r"/invoices/settings",
    "holidays": r"/holidays",
    "time_off_policies": r"/time-off/policies",
    "time_off_requests": r"/time-off/requests",
    "time_off_balances": r"/balance/policy/\w+",
    "scheduling_assignments": r"/assignments/all",
    "approval_requests": r"/approval-requests",
    "shared_reports": r"/shared-reports",
    "webhooks": r"/webhooks",
    "webhook_logs": r"/logs",
    "audit_log": r"/audit-log",
    "entity_changes_created": r"/entities/created",
    "entity_changes_updated": r"/entities/updated",
    "entity_changes_deleted": r"/entities/deleted",
    "summary_report": r"/reports/summary",
    "weekly_report": r"/reports/weekly",
    "attendance_report": r"/reports/attendance",
    "expense_report": r"/reports/expenses/detailed",
}


def main() -> None:
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="source-clockify-demo-"))
    print(f"Starting a Clockify sandbox with {arguments.users} users ...", flush=True)
    size = {"users": arguments.users, "entries": arguments.entries, "projects": 10, "tasks": 4}
    with start(**size, plan="ENTERPRISE") as sandbox:
        # The sandbox spreads its entries over the last 120 days.
        start_date = datetime.now(timezone.utc) - timedelta(days=120)
        settings = config_of(sandbox, start_date=start_date.strftime("%Y-%m-%dT00:00:00Z"))
        config = _write(folder / "config.json", settings)
        print("\n$ source-clockify check --config config.json", flush=True)
        for message in _run("check", "--config", config):
            if message["type"] == "CONNECTION_STATUS":
                print(message["connectionStatus"]["status"])

        print("\n$ source-clockify discover --config config.json", flush=True)
        discovered = [json.dumps(message) for message in _run("discover", "--config", config)]
        catalog = configured_catalog(discovered)
        print(f"{len(catalog['streams'])} streams")
        catalog_file = _write(folder / "catalog.json", catalog)

        print("\n$ source-clockify read --config config.json --catalog catalog.json", flush=True)
        sandbox.clear_requests()
        began = time.monotonic()
        messages = list(_run("read", "--config", config, "--catalog", catalog_file))
        seconds = time.monotonic() - began
        _print_streams(messages, sandbox)
        print(f"{seconds:.1f} seconds")
    output = folder / "messages.jsonl"
    output.write_text("".join(json.dumps(message) + "\n" for message in messages))
    print(f"\nThe configuration, the catalog and all messages are in {folder}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/demo", description=__doc__)
    parser.add_argument("--users", type=int, default=12, help="users of the workspace")
    parser.add_argument("--entries", type=int, default=60, help="time entries of each user")
    return parser.parse_args()


def _write(path: Path, content: dict[str, Any]) -> str:
    path.write_text(json.dumps(content, indent=2))
    return str(path)


def _run(*arguments: str) -> Iterator[dict[str, Any]]:
    """Run the command and yield its messages; ends the demo if the command fails."""
    process = subprocess.run([COMMAND, *arguments], capture_output=True, text=True)
    if process.returncode != 0:
        end = (process.stdout + process.stderr)[-2000:]
        sys.exit(f"source-clockify {arguments[0]} failed. The end of its output:\n{end}")
    # Not splitlines: a record may hold other line separators.
    for line in process.stdout.split("\n"):
        if line:
            yield json.loads(line)


def _print_streams(messages: list[dict[str, Any]], sandbox: Sandbox) -> None:
    records = [message["record"] for message in messages if message["type"] == "RECORD"]
    counts = Counter(record["stream"] for record in records)
    examples = {record["stream"]: record["data"] for record in records}
    requests = [request["path"] for request in sandbox.requests()]
    print(f"\n{'stream':<26}{'records':>8}{'requests':>10}  one of them")
    for stream, path in PATHS.items():
        sent = sum(1 for request in requests if re.fullmatch(f".*{path}", request))
        example = json.dumps(examples.get(stream, {}), ensure_ascii=False)
        print(f"{stream:<26}{counts[stream]:>8}{sent:>10}  {example[:60]}")
    print(f"{'together':<26}{len(records):>8}{len(requests):>10}")


if __name__ == "__main__":
    main()
