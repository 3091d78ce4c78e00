"""The source: the manifest with Python components, parents read ahead, a check that explains."""

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    Status,
    SyncMode,
)
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from airbyte_cdk.sources.declarative.interpolation import InterpolatedBoolean
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.adaptations import Adaptations
from source_clockify.audit_log import SystemEvents
from source_clockify.authenticator import is_addon
from source_clockify.cdk_patches import patch_cdk
from source_clockify.change_tracking.access import AccessFingerprints
from source_clockify.change_tracking.deletions import decide
from source_clockify.change_tracking.full_refresh import StampedStream
from source_clockify.change_tracking.live import Live, is_counted, live_of
from source_clockify.change_tracking.lookups import Lookups
from source_clockify.change_tracking.plan import sync_bounds
from source_clockify.change_tracking.profiles import stream_spec
from source_clockify.change_tracking.resume import (
    states_of_the_manifest,
    tracked_states,
    usable_state,
)
from source_clockify.change_tracking.stream import LookupBudget, Sync, TrackedStream
from source_clockify.check import (
    CHECKED_STREAMS,
    check_connection,
    check_start_date,
    start_date_problem,
)
from source_clockify.manifest import (
    load_manifest,
    parents_of,
    streams_of,
    with_python_components,
)
from source_clockify.plan_features import missing_features
from source_clockify.prefetch_parents import prefetch_parents
from source_clockify.report_history import ReportHistory, rows_of_report
from source_clockify.requested_slices import is_on_demand
from source_clockify.skip_report import SkipReport
from source_clockify.streams import ClockifyStream, ReadContext, read_quirks_of
from source_clockify.sync_log import (
    StreamLog,
    SyncLog,
    SyncLogState,
    describe_sync_log,
    state_in,
    sync_mode_of_sync_log,
    without_sync_log,
)
from source_clockify.tasks import TasksStream

patch_cdk()

logger = logging.getLogger("airbyte")

NO_AUDIT_LOG_FOR_ADDONS = (
    "Clockify lets no add-on read the audit log. Use an API key (credentials.api_key)."
)

NO_LONGER_VISIBLE = "This key no longer sees workspace {}. Nothing of it is taken for deleted."

# How many records a sync asks for one by one, so that it ends; the rest waits for the next.
SINGLE_READS = 500
FREE_SINGLE_READS = 10


class SourceClockify(ConcurrentDeclarativeSource):
    """Reads a Clockify account.

    All arguments are optional, as for a `spec`. Only the streams of the catalog are built; without
    one, those named by `only`, else all.
    """

    def __init__(
        self,
        catalog: ConfiguredAirbyteCatalog | None = None,
        config: Mapping[str, Any] | None = None,
        state: list[AirbyteStateMessage] | None = None,
        config_path: str | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        selected = {stream.stream.name for stream in catalog.streams} if catalog else only
        self._built: list[AbstractStream] | None = None
        self._report = SkipReport()
        self._lost_workspaces: dict[str, set[str]] = defaultdict(set)
        self._now = time.time()
        self._given_start_date = (config or {}).get("start_date")
        self._bounds = sync_bounds(config or {}, int(self._now))
        tracking_on = (config or {}).get("track_changes", True) is not False
        incremental = _incremental_streams(catalog)
        manifest = with_python_components(
            load_manifest(), selected, frozenset(incremental if tracking_on else ())
        )
        self._definitions = {
            stream["name"]: stream
            for entry in manifest["streams"]
            if not is_on_demand(entry)
            for stream in streams_of(entry)
        }
        self._specs = {
            name: stream_spec(stream)
            for name, stream in self._definitions.items()
            if name in incremental
        }
        self._beside = sum(1 for entry in manifest["streams"] if is_on_demand(entry))
        known = usable_state(state, catalog)
        self._receipts = sync_mode_of_sync_log(catalog) if tracking_on else None
        self._receipts_before = state_in(known) if self._receipts else SyncLogState()
        self._tracked = tracked_states(known, self._specs, warn=tracking_on)
        super().__init__(
            catalog=catalog,
            config=config,
            state=states_of_the_manifest(
                known,
                self._tracked,
                self._specs,
                _cursor_fields(self._definitions),
                self._bounds,
                tracking_on=tracking_on,
            ),
            source_config=manifest,
            config_path=config_path,
        )
        if not tracking_on:
            self._specs = {}

    def streams(self, config: Mapping[str, Any]) -> list[AbstractStream]:
        built, self._built = self._built, None
        return built or list(self._all_streams()[0])

    def _all_streams(self) -> tuple[list[ClockifyStream], list[AbstractStream], ReadContext]:
        """Return the streams of the manifest, those of other requests, and where reports begin."""
        built = super().streams(self._config)
        main = built[: len(built) - self._beside]
        beside = built[len(main) :]
        history = ReportHistory(
            {stream.name: stream for stream in beside},
            [stream.name for stream in main if rows_of_report(stream.name)],
        )
        context = ReadContext(self._report, Adaptations(), history, SystemEvents())
        by_project = next((stream for stream in beside if stream.name == "tasks"), None)
        if self._config.get("plan") == "free":
            by_project = None
        wrapped = [
            ClockifyStream(
                TasksStream(stream, by_project) if stream.name == "tasks" else stream,
                read_quirks_of(self._definitions[stream.name], self._config),
                context,
            )
            for stream in main
        ]
        return wrapped, beside, context

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        """Return the configuration that is compared with the spec.

        A start date that is none is refused in words afterwards.
        """
        found = super().configure(config, temp_dir)
        if start_date_problem(found):
            return {name: value for name, value in found.items() if name != "start_date"}
        return found

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteCatalog:
        check_start_date(self._given_start_date, self._config)
        catalog = super().discover(logger, config)
        if self._config.get("track_changes", True) is not False:
            catalog.streams.append(describe_sync_log())
        return catalog

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        # A check answers a person who waits: one retry instead of an hour of them.
        impatient = {**self._config, "max_request_retries": 1}
        try:
            check_start_date(self._given_start_date, impatient)
        except AirbyteTracedException as error:
            return AirbyteConnectionStatus(status=Status.FAILED, message=error.message)
        checked = SourceClockify(config=impatient, only=CHECKED_STREAMS)
        by_name = {stream.name: stream for stream in checked.streams(impatient)}
        return check_connection(logger, impatient, self.resolved_manifest, by_name, checked._report)

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        check_start_date(self._given_start_date, self._config)
        if self._config.get("plan") == "free":
            logger.info("Request Budget (plan) is free: the sync waits after 30 requests an hour.")
        # The same streams serve both reads: each building starts a request budget of its own.
        streams, beside, context = self._all_streams()
        selected = {stream.stream.name for stream in catalog.streams}
        workspaces = prefetch_parents(streams, self._parents_to_read(selected))
        self._report.select(selected)
        self._report.name_workspaces({row["id"]: str(row.get("name")) for row in workspaces})
        context.history.know(workspaces)
        gaps: set[tuple[str, str]] = set()
        # Named workspaces are asked in any case, and the refusal warns.
        if not self._config.get("workspace_ids"):
            for missing in missing_features(self.resolved_manifest, selected, workspaces):
                gaps.add((missing.stream, missing.workspace_id))
                self._report.skip(missing.stream, missing.workspace_id, missing.reason)
        if "audit_log" in selected and is_addon(self._config):
            for workspace_id in self._config.get("workspace_ids") or ():
                self._report.skip("audit_log", workspace_id, NO_AUDIT_LOG_FOR_ADDONS)
        self._built = self._with_tracking(streams, beside, context, workspaces, gaps)
        sync_log = self._sync_log(self._built, selected)
        if sync_log is None:
            yield from self._read(super().read(logger, config, catalog, state), context)
            return
        failure: Exception | None = None
        messages = super().read(logger, config, without_sync_log(catalog), state)
        try:
            yield from sync_log.watch(self._read(messages, context))
        except Exception as error:
            failure = error
        # A state that still waits belongs before the receipts.
        yield from self._message_repository.consume_queue()
        for name in selected:
            sync_log.skip(name, self._report.sentences(name))
        for workspace_id, names in sorted(self._lost_workspaces.items()):
            for name in names:
                sync_log.skip(name, [NO_LONGER_VISIBLE.format(workspace_id)])
        yield from sync_log.messages()
        if failure is not None:
            raise failure

    def _read(
        self, messages: Iterator[AirbyteMessage], context: ReadContext
    ) -> Iterator[AirbyteMessage]:
        """Yield the messages, and log at their end what is left out."""
        try:
            yield from messages
        finally:
            for gap in context.system_events.gaps():
                self._report.add_gap("audit_log", gap)
            self._report.log()

    def _sync_log(
        self, streams: Sequence[AbstractStream], selected: Collection[str]
    ) -> SyncLog | None:
        """Return what makes the receipts of these streams, None if the catalog has no sync_log."""
        if self._receipts is None:
            return None
        began = int(self._now * 1000)
        resend = self._config.get("resend_changes")
        sync_log = SyncLog(
            self._receipts_before, self._receipts, began, 1 if resend is None else resend
        )
        for stream in streams:
            if stream.name in selected:
                sync_log.add(stream.name, self._stream_log(stream, began))
        return sync_log

    def _stream_log(self, stream: AbstractStream, began: int) -> StreamLog:
        """Return what counts the messages of a stream that is read from now on."""
        spec = stream_spec(self._definitions[stream.name])
        if isinstance(stream, TrackedStream):
            return StreamLog(
                stream.versions.current,
                stream.writer.baseline_at,
                spec.primary_key,
                SyncMode.incremental,
                lambda sent: live_of(stream),
            )
        return StreamLog(
            began,
            began,
            spec.primary_key,
            SyncMode.full_refresh,
            lambda sent: Live(sent) if is_counted(spec) else None,
        )

    def _with_tracking(
        self,
        streams: list[ClockifyStream],
        beside: list[AbstractStream],
        context: ReadContext,
        workspaces: Sequence[Mapping[str, Any]],
        gaps: Collection[tuple[str, str]],
    ) -> list[AbstractStream]:
        """Return the streams with tracking around those that are incremental."""
        if self._config.get("track_changes", True) is False:
            return list(streams)
        named = self._config.get("workspace_ids") or [row["id"] for row in workspaces]
        if workspaces and not self._config.get("workspace_ids"):
            self._warn_of_lost_workspaces(named)
        lookups = Lookups({stream.name: stream for stream in beside}, context.adaptations)
        is_free = self._config.get("plan") == "free"
        resend = self._config.get("resend_changes")
        sync = Sync(
            bounds=self._bounds,
            began=int(self._now * 1000),
            resend=1 if resend is None else resend,
            lookups=lookups,
            access=AccessFingerprints(lookups),
            lookup_budget=LookupBudget(FREE_SINGLE_READS if is_free else SINGLE_READS),
            emit=self._message_repository.emit_message,
        )
        found: list[AbstractStream] = []
        for stream in streams:
            tracking = self._specs.get(stream.name)
            if tracking is None:
                found.append(StampedStream(stream, sync.began))
                continue
            visible = frozenset(each for each in named if (stream.name, each) not in gaps)
            known = self._tracked.get(stream.name)
            found.append(TrackedStream(stream, tracking, known, sync, visible, decide))
        return found

    def _warn_of_lost_workspaces(self, visible: Collection[str]) -> None:
        for name, state in self._tracked.items():
            for ids in state.partitions:
                workspace_id = dict(zip(state.fields, ids, strict=True)).get("workspace_id")
                if workspace_id and workspace_id not in visible:
                    self._lost_workspaces[workspace_id].add(name)
        for workspace_id in sorted(self._lost_workspaces):
            logger.warning("%s", NO_LONGER_VISIBLE.format(workspace_id))

    def _parents_to_read(self, selected: set[str]) -> list[str]:
        active = [
            entry
            for entry in self.resolved_manifest["streams"]
            if InterpolatedBoolean(
                condition=entry.get("condition", "{{ true }}"), parameters={}
            ).eval(self._config)
        ]
        parents = parents_of(selected, active)
        if selected >= {"projects", "tasks"}:
            # Both may need the list, see `TasksStream`.
            parents.append("projects")
        if self._config.get("workspace_ids") and "workspaces" not in selected:
            # They are named already, so nobody lists them.
            return [name for name in parents if name != "workspaces"]
        return parents


def _incremental_streams(catalog: ConfiguredAirbyteCatalog | None) -> set[str]:
    return {
        configured.stream.name
        for configured in (catalog.streams if catalog else ())
        if configured.sync_mode == SyncMode.incremental
    }


def _cursor_fields(streams: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {
        name: stream["incremental_sync"]["cursor_field"]
        for name, stream in streams.items()
        if "incremental_sync" in stream
    }
