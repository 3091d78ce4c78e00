"""The source: the manifest with Python components, prefetched parents and a detailed check."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteConnectionStatus,
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStreamStatus,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    Level,
    Status,
    StreamDescriptor,
    SyncMode,
    Type,
)
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message as stream_status
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clockify.adaptations import Adaptations
from source_clockify.assembly import assemble_manifest
from source_clockify.audit_log import SystemEvents
from source_clockify.authenticator import is_addon
from source_clockify.cdk_patches import StreamsSource, patch_cdk
from source_clockify.change_tracking.budget import MEGABYTE, StateBudget
from source_clockify.change_tracking.interrupted import settings_hash
from source_clockify.change_tracking.messages import message_kinds
from source_clockify.change_tracking.plan import sync_bounds
from source_clockify.change_tracking.profiles import Kind, stream_spec
from source_clockify.change_tracking.resume import (
    saved_streams,
    states_of_tracked_streams,
    states_without_tracking,
    stored_sizes,
    usable_state,
)
from source_clockify.change_tracking.stream import StampedStream, TrackedStream, with_columns
from source_clockify.change_tracking.tracker import TrackedRead
from source_clockify.check import (
    CHECKED_STREAMS,
    FREE_REQUESTS_PER_HOUR,
    check_connection,
    plan_advice,
)
from source_clockify.configuration import (
    DEFAULT_LIMIT_MB,
    OLDER_FIELDS,
    closest,
    config_error,
    stand_in,
    understand_configuration,
)
from source_clockify.description import describe_stream
from source_clockify.files import (
    check_catalog,
    read_catalog_file,
    read_configuration_file,
    read_state_file,
)
from source_clockify.hosts import streams_without_url
from source_clockify.manifest import (
    names_of_streams,
    parents_of,
    with_read_timeout,
    without_migrations,
    without_schemas,
)
from source_clockify.manifest_file import load_manifest
from source_clockify.plan_features import missing_features
from source_clockify.prefetch_parents import prefetch_parents
from source_clockify.progress import EVERY, SyncProgress
from source_clockify.progress_log import (
    QUEUED_LINES,
    announcing_preparation,
    follow_progress,
)
from source_clockify.record_batches import KindOf, Message, Packing
from source_clockify.report_history import ReportHistory, rows_of_report
from source_clockify.requested_slices import is_on_demand
from source_clockify.skip_report import SkipReport
from source_clockify.streams import ClockifyStream, PackedStream, ReadContext, read_quirks_of
from source_clockify.sync_log import (
    describe_sync_log,
    stream_log,
    sync_log_of,
    with_sizes_checked,
    without_sync_log,
)
from source_clockify.tasks import TasksStream
from source_clockify.tracked_sync import SavedSync
from source_clockify.waits import Checkpoints, Waits

patch_cdk()

logger = logging.getLogger("airbyte")

NO_AUDIT_LOG_FOR_ADDONS = (
    "Clockify does not let add-ons read the audit log. Use an API key (credentials.api_key)."
)

# `check` is interactive: an answer must arrive within the patience of a person.
CHECK_TIMEOUT_SECONDS = 30

# The streams needed by commands that have no catalog.
_BUILT_FOR: Mapping[str | None, Collection[str]] = {"check": CHECKED_STREAMS, "discover": ()}

NO_LONGER_VISIBLE = (
    "Workspace %s is no longer visible to this key. None of its records are treated as deleted."
)


class SourceClockify(StreamsSource):
    """Reads a Clockify account.

    All arguments are optional, as for `spec`. Only the streams of the catalog are built; without a
    catalog, all of them.

    Args:
        command: "check" or "discover", if the source serves only that command; then only the
            streams that it needs are built.

    Attributes:
        arguments: the arguments of this source; `check`, `discover` and `read` may be given others.
        problem: the error of a rejected configuration, for which there are no settings.
        show_progress: returns a context that shows people the progress of a read.
    """

    def __init__(
        self,
        catalog: ConfiguredAirbyteCatalog | None = None,
        config: Mapping[str, Any] | None = None,
        state: list[AirbyteStateMessage] | None = None,
        config_path: str | None = None,
        command: str | None = None,
    ) -> None:
        manifest = load_manifest()
        self._whole_manifest = partial(assemble_manifest, manifest, None, frozenset())
        self.arguments = _Arguments(catalog, config, state, command)
        self._now = time.time()
        self.problem: AirbyteTracedException | None = None
        self._warnings: Sequence[str] = ()
        if config is not None:
            try:
                understood = understand_configuration(
                    config, manifest["spec"]["connection_specification"], self._now
                )
                config, self._warnings = understood.settings, understood.warnings
                if not OLDER_FIELDS.keys() & config.keys():
                    manifest = without_migrations(manifest)
            except AirbyteTracedException as error:
                self.problem = error
                catalog, config, state = None, None, None
        self._stream_names = names_of_streams(manifest)
        given = config or {}
        is_check = config is not None and command == "check"
        if is_check or "max_request_retries" in given:
            manifest = with_read_timeout(manifest, CHECK_TIMEOUT_SECONDS)
        self.show_progress: Callable[[SyncProgress], AbstractContextManager[None]] = (
            lambda progress: nullcontext()
        )
        self._report = SkipReport()
        self._lost_workspaces: dict[str, list[str]] = {}
        selected = {stream.stream.name for stream in catalog.streams} if catalog else None
        # Without a configuration, only `spec` or the error of a rejected configuration is needed.
        built = () if config is None else _BUILT_FOR.get(command, selected)
        self._checkpoints = Checkpoints()
        self.is_ending = threading.Event()
        tracking_on = given.get("track_changes", True) is not False
        incremental = _incremental_streams(catalog)
        manifest = assemble_manifest(manifest, built, frozenset(incremental if tracking_on else ()))
        self._definitions = {
            stream["name"]: stream for stream in manifest["streams"] if not is_on_demand(stream)
        }
        specs = {
            name: stream_spec(stream)
            for name, stream in self._definitions.items()
            if name in incremental
        }
        self._stored_sizes = stored_sizes(state)
        known = usable_state(state, catalog)
        hashed = settings_hash(given, specs)
        # With enough requests, everything is reread instead, so that it is up to date.
        goes_on = hashed if given.get("plan") == "free" else None
        bounds = sync_bounds(given, int(self._now))
        saved = saved_streams(known, specs, bounds, settings=goes_on, warn=tracking_on)
        self._saved = SavedSync(bounds, self._began, hashed, saved)
        self._specs = specs if tracking_on else {}
        self._sync_log = (
            sync_log_of(catalog, known, self._began, given.get("resend_changes"))
            if tracking_on
            else None
        )
        cursor_fields = _cursor_fields(self._definitions)
        super().__init__(
            catalog=catalog,
            config=config,
            state=(
                states_of_tracked_streams(saved.values(), cursor_fields)
                if tracking_on
                else states_without_tracking(known, saved, cursor_fields)
            ),
            source_config=without_schemas(manifest),
            config_path=config_path,
        )
        if is_check:
            # `check` is interactive: retry once instead of for an hour. Not part of `config` above,
            # since Airbyte stores a migrated configuration that is announced there.
            self.change_settings(max_request_retries=1)
        self._configured: tuple[Mapping[str, Any], Any] = (self.settings, self.arguments.config)

    def streams(self, config: Mapping[str, Any]) -> list[AbstractStream]:
        """Return the streams in the form that `discover` describes and `check` reads."""
        if self.arguments.config is None and config:
            return SourceClockify(self.arguments.catalog, config).streams(config)
        streams = self._build().streams
        if not self._tracks_changes:
            return list(streams)
        return [StampedStream(stream, self._began, stream.cursor) for stream in streams]

    @property
    def _tracks_changes(self) -> bool:
        return self.settings.get("track_changes", True) is not False

    @property
    def _began(self) -> int:
        """When this sync began, in milliseconds since 1970."""
        return int(self._now * 1000)

    def _build(self, say: Callable[[str], None] = logger.info) -> "_Streams":
        on_demand: dict[str, AbstractStream] = {}
        listed: list[AbstractStream] = []
        for definition, stream in zip(
            self.resolved_manifest["streams"], self.build_streams(), strict=True
        ):
            if is_on_demand(definition):
                on_demand[stream.name] = stream
            else:
                listed.append(stream)
        history = ReportHistory(
            on_demand, [stream.name for stream in listed if rows_of_report(stream.name)]
        )
        progress, checkpoints = SyncProgress(), self._checkpoints
        context = ReadContext(
            self._report,
            Adaptations(),
            history,
            SystemEvents(),
            progress,
            checkpoints,
            Waits(progress, checkpoints, say),
        )
        by_project = None if self.settings.get("plan") == "free" else on_demand.get("tasks")
        wrapped = [
            ClockifyStream(
                TasksStream(stream, by_project) if stream.name == "tasks" else stream,
                self._definitions[stream.name],
                read_quirks_of(self._definitions[stream.name], self.settings),
                context,
            )
            for stream in listed
        ]
        return _Streams(wrapped, on_demand, context)

    @staticmethod
    def read_config(config_path: str) -> MutableMapping[str, Any]:
        return read_configuration_file(config_path)

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        return read_catalog_file(catalog_path)

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        return read_state_file(state_path)

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        """Return the configuration in the form of the spec, which the CDK then validates.

        An invalid configuration is explained later, so the CDK is given a valid stand-in.
        """
        source = self._for(config, command="discover")
        usable = source.settings if source.problem is None else stand_in(config)
        self._configured = (usable, config)
        return usable

    def _for(
        self,
        config: Any,
        catalog: ConfiguredAirbyteCatalog | None = None,
        state: list[AirbyteStateMessage] | None = None,
        command: str | None = None,
    ) -> "SourceClockify":
        """Return a source for these arguments: this one if they are the same, or a new one.

        Args:
            command: the command the source must be built for; discover and the settings accept any.
        """
        usable, given = self._configured
        if config is None or (given is not None and config == usable):
            config = given
        own = self.arguments
        asked = _Arguments(
            own.catalog if catalog is None else catalog,
            config,
            own.state if state is None else state,
            own.command if command == "discover" else command,
        )
        if replace(asked, state=asked.state or []) == replace(own, state=own.state or []):
            return self
        return SourceClockify(asked.catalog, asked.config, asked.state, command=command)

    def report_configuration(self) -> None:
        """Log the ignored parts of the configuration.

        Raises:
            AirbyteTracedException: config_error, for a rejected configuration.
        """
        for warning in self._warnings:
            logger.warning("%s", warning)
        if self.problem is not None:
            raise self.problem
        if self.arguments.config is None:
            raise config_error("There is no configuration.")

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteCatalog:
        source = self._for(config, command="discover")
        if source is not self:
            return source.discover(logger, source.arguments.config)
        self.report_configuration()
        definitions = self._whole_manifest()["streams"]
        streams = [describe_stream(each) for each in definitions if not is_on_demand(each)]
        if self._tracks_changes:
            streams = [*map(with_columns, streams), describe_sync_log()]
        return AirbyteCatalog(streams)

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        source = self._for(config, command="check")
        if source is not self:
            return source.check(logger, source.arguments.config)
        try:
            self.report_configuration()
        except AirbyteTracedException as error:
            return AirbyteConnectionStatus(status=Status.FAILED, message=error.message)
        streams = {stream.name: stream for stream in self.streams(config)}
        return check_connection(self.settings, self._whole_manifest(), streams, self._report)

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        source = self._for(config, catalog, state)
        # Without batches, all of them are messages.
        yield from cast(Iterator[AirbyteMessage], source.read_selected(catalog))

    def read_selected(
        self, catalog: ConfiguredAirbyteCatalog, *, in_batches: bool = False
    ) -> Iterator[Message]:
        """Read with the source's own configuration and state.

        Args:
            catalog: of the streams that were built.
            in_batches: yield batches in place of records, unless requests have to wait, see
                record_batches.py.
        """
        self.report_configuration()
        check_catalog(catalog)
        missing_urls = streams_without_url(self._definitions.values(), self.settings)
        yield from _errors_of(missing_urls, catalog)
        if self.settings.get("plan") == "free":
            logger.info("Request Budget (plan) is free: the sync waits after 30 requests an hour.")
        built = self._build(self._say_after_states(threading.get_ident()))
        try:
            with self.show_progress(built.context.progress):
                yield from self._read_following(built, catalog, missing_urls, in_batches=in_batches)
        finally:
            self.forget_answers()

    def _read_following(
        self,
        built: "_Streams",
        catalog: ConfiguredAirbyteCatalog,
        missing_urls: Collection[str],
        *,
        in_batches: bool,
    ) -> Iterator[Message]:
        """Read the catalog; the log and `show_progress` follow it."""
        progress = built.context.progress
        selected = {stream.stream.name for stream in catalog.streams}
        parents = self._parents_to_read(selected - {*missing_urls})
        with announcing_preparation(progress):
            workspaces = prefetch_parents(built.streams, parents)
        self._report.select(selected)
        progress.select(
            [stream.stream.name for stream in catalog.streams],
            self._specs,
            FREE_REQUESTS_PER_HOUR if self.settings.get("plan") == "free" else None,
        )
        self._report.name_workspaces({row["id"]: str(row.get("name")) for row in workspaces})
        for advice in plan_advice(self.settings, workspaces):
            logger.warning("%s", advice)
        built.context.history.know(workspaces)
        skipped = self._skip_missing_features(selected, workspaces)
        budget = StateBudget(
            int(self.settings.get("state_limit_mb") or DEFAULT_LIMIT_MB) * MEGABYTE,
            self._stored_sizes,
            self.settings.get("lookback_days") or 30,
        )
        streams = self._with_change_tracking(built, workspaces, skipped, budget)
        if not self._tracks_changes:
            self._checkpoint_cursors(built, _incremental_streams(catalog))
        kinds = {stream.name: _kinds_of(stream) for stream in streams}
        # Records of a batch would only be sent after the waits of their slice.
        in_batches = in_batches and self.settings.get("plan") != "free"
        reading = _Reading(built, streams, catalog, missing_urls, budget)
        yield from follow_progress(
            self._read_with_receipts(reading, kinds if in_batches else None),
            progress,
            lambda name, data: kinds[name](data) if name in kinds else EVERY,
            lambda name: bool(self._left_out(name)),
        )

    def _read_with_receipts(
        self, reading: "_Reading", batched: Mapping[str, KindOf] | None
    ) -> Iterator[Message]:
        """Read the catalog, then its `sync_log` if selected.

        Args:
            batched: the kinds of each stream's records; None: do not read in batches.
        """
        keys = {
            name: stream_spec(definition).primary_key
            for name, definition in self._definitions.items()
        }
        selected = {stream.stream.name for stream in reading.catalog.streams}
        log = self._sync_log
        if log is not None:
            for stream in reading.streams:
                if stream.name in selected:
                    definition = self._definitions[stream.name]
                    log.add(stream.name, stream_log(stream, definition, self._began))
        if batched is not None:
            packing = Packing(keys, log.counted_keys() if log else {})
            packed = [_with_batches(each, packing, batched[each.name]) for each in reading.streams]
            reading = replace(reading, streams=packed)
        if log is None:
            yield from with_sizes_checked(self._read(reading), keys)
            return
        yield from log.follow(
            self._read(replace(reading, catalog=without_sync_log(reading.catalog))),
            self.take_queued,
            self._left_out,
            reading.budget,
            self.is_ending,
        )

    def checkpoint(self) -> None:
        """Send the state of every complete partition immediately.

        Any thread may call it while `read` is iterated. The receipts of the sync are not included.
        """
        self.is_ending.set()
        self._checkpoints.send(patience=0.1)

    def _checkpoint_cursors(self, built: "_Streams", incremental: Collection[str]) -> None:
        """Make the manifest's cursors send their states before waits as well."""
        for stream in built.streams:
            if stream.name in incremental:
                built.context.checkpoints.add(partial(self.send_cursor_state, stream.cursor))

    def _say_after_states(self, reader: int) -> Callable[[str], None]:
        """Return a function that logs a line after the states that were sent before it.

        Args:
            reader: the thread that emits the messages; while it logs itself, it emits none.
        """

        def say(text: str) -> None:
            if threading.get_ident() == reader:
                logger.info("%s", text)
                return
            logging.getLogger(QUEUED_LINES).info("%s", text)
            log = AirbyteLogMessage(level=Level.INFO, message=filter_secrets(text))
            self.emit(AirbyteMessage(type=Type.LOG, log=log))

        return say

    def _left_out(self, stream: str) -> list[str]:
        """Return the gaps of a stream, as sentences."""
        return [*self._report.sentences(stream), *self._lost_workspaces.get(stream, ())]

    def _read(self, reading: "_Reading") -> Iterator[Message]:
        """Read streams, and finally log the gaps.

        Raises:
            AirbyteTracedException: config_error, if the catalog names a stream that does not exist,
                or one whose URL is missing.
        """
        streams, catalog, missing_urls = reading.streams, reading.catalog, reading.missing_urls
        known = {stream.name for stream in streams}
        unknown = [
            each
            for each in catalog.streams
            if each.stream.name not in known or each.stream.namespace
        ]
        unread = sorted({each.stream.name for each in catalog.streams} & {*missing_urls})
        readable = [
            each
            for each in catalog.streams
            if each not in unknown and each.stream.name not in missing_urls
        ]
        for configured in unknown:
            yield stream_status(configured.stream, AirbyteStreamStatus.INCOMPLETE)
        try:
            yield from self.read_streams(streams, ConfiguredAirbyteCatalog(readable))
        except Exception:
            if unknown:
                error = _unknown_streams(unknown, self._stream_names, bool(readable))
                yield error.as_sanitized_airbyte_message()
            raise
        finally:
            for gap in reading.built.context.system_events.gaps():
                self._report.add_gap("audit_log", gap)
            self._report.log()
            reading.budget.warn_of_limit(int(self._now))
        if unknown:
            raise _unknown_streams(unknown, self._stream_names, bool(readable))
        if unread:
            raise config_error(
                f"These streams were not read, see their errors: {', '.join(unread)}."
            )

    def _skip_missing_features(
        self, selected: Collection[str], workspaces: Sequence[Mapping[str, Any]]
    ) -> set[tuple[str, str]]:
        """Skip streams missing from a workspace's plan; return pairs of stream and workspace."""
        skipped: set[tuple[str, str]] = set()
        # Named workspaces are requested in any case, and a refusal is a warning.
        if not self.settings.get("workspace_ids"):
            for missing in missing_features(self.resolved_manifest, selected, workspaces):
                skipped.add((missing.stream, missing.workspace_id))
                self._report.skip(missing.stream, missing.workspace_id, missing.reason)
        if "audit_log" in selected and is_addon(self.settings):
            for workspace_id in self.settings.get("workspace_ids") or ():
                self._report.skip("audit_log", workspace_id, NO_AUDIT_LOG_FOR_ADDONS)
        return skipped

    def _with_change_tracking(
        self,
        built: "_Streams",
        workspaces: Sequence[Mapping[str, Any]],
        skipped: Collection[tuple[str, str]],
        budget: StateBudget,
    ) -> list[AbstractStream]:
        """Return the streams, the incremental ones with change tracking."""
        if not self._tracks_changes:
            return list(built.streams)
        visible = self.settings.get("workspace_ids") or [row["id"] for row in workspaces]
        if workspaces and not self.settings.get("workspace_ids"):
            self._warn_of_lost_workspaces(visible)
        resumed = self._saved.describe_resumed()
        if resumed:
            logger.warning("%s", resumed)
        sync = self._saved.shared(
            self.settings, built.on_demand, workspaces, budget, built.context.progress
        )
        found: list[AbstractStream] = []
        for stream in built.streams:
            spec = self._specs.get(stream.name)
            if spec is None:
                cursor = self.full_refresh_cursor(stream.name)
                found.append(StampedStream(stream, sync.began, cursor))
                continue
            saved = self._saved.streams.get(stream.name)
            state = saved.state if saved else None
            if state is not None and self._sync_log is not None:
                state = self._sync_log.with_unreported(stream.name, state)
            read = TrackedRead(
                spec=spec,
                state=state,
                plans=saved.plans if saved else {},
                workspaces=frozenset(
                    each for each in visible if (stream.name, each) not in skipped
                ),
                columns=frozenset(stream.get_json_schema()["properties"]),
                resumed=saved.resumed if saved else None,
            )
            found.append(TrackedStream(stream, read, sync, self.emit))
        return found

    def _warn_of_lost_workspaces(self, visible: Collection[str]) -> None:
        lost = self._saved.lost_workspaces(visible)
        self._lost_workspaces = {
            name: [NO_LONGER_VISIBLE % each for each in workspaces]
            for name, workspaces in lost.items()
        }
        for workspace_id in sorted({each for workspaces in lost.values() for each in workspaces}):
            logger.warning(NO_LONGER_VISIBLE, workspace_id)

    def _parents_to_read(self, selected: set[str]) -> list[str]:
        parents = parents_of(selected, self.resolved_manifest["streams"])
        if selected >= {"projects", "tasks"}:
            # Both forms may need the list, see `TasksStream`.
            parents.append("projects")
        if self.settings.get("workspace_ids") and "workspaces" not in selected:
            # They are named in the configuration, so no list is needed.
            return [name for name in parents if name != "workspaces"]
        return parents


@dataclass(frozen=True)
class _Arguments:
    """The arguments of a source, or of a command."""

    catalog: ConfiguredAirbyteCatalog | None
    config: Any
    state: list[AirbyteStateMessage] | None
    command: str | None


@dataclass(frozen=True)
class _Streams:
    """The streams of one read; they share a request budget.

    Attributes:
        streams: those of the catalog and their parents.
        on_demand: the others, by name.
        context: shared by the streams.
    """

    streams: Sequence[ClockifyStream]
    on_demand: Mapping[str, AbstractStream]
    context: ReadContext


def _kinds_of(stream: AbstractStream) -> KindOf:
    """Return a function from a record of a stream to its kind, see progress.py."""
    if not isinstance(stream, TrackedStream):
        return lambda data: EVERY
    return message_kinds(stream.tracker.writer.version)


def _with_batches(stream: AbstractStream, packing: Packing, kind_of: KindOf) -> AbstractStream:
    """Return a stream that yields its records in batches."""
    if isinstance(stream, TrackedStream):
        if stream.tracker.spec.profile.kind is not Kind.EVENT_LOG:
            stream.pack = packing.packer_for(stream.name, kind_of).pack
        return stream
    # A full refresh cursor observes no column.
    cursor_field = None if isinstance(stream, StampedStream) else stream.cursor_field or None
    return PackedStream(stream, packing.packer_for(stream.name, kind_of, cursor_field))


@dataclass(frozen=True)
class _Reading:
    """The data of one read.

    Attributes:
        built: the streams of the manifest.
        streams: the same, with change tracking if it is on.
        catalog: selects from them.
        missing_urls: the streams without a configured URL; their errors have been sent.
        budget: limits the size of all states.
    """

    built: _Streams
    streams: Sequence[AbstractStream]
    catalog: ConfiguredAirbyteCatalog
    missing_urls: Collection[str]
    budget: StateBudget


def _unknown_streams(
    unknown: Sequence[ConfiguredAirbyteStream], known: Collection[str], others_read: bool
) -> AirbyteTracedException:
    """Return the error for a catalog that names unknown streams."""
    names = sorted(
        f"{each.stream.namespace}.{each.stream.name}" if each.stream.namespace else each.stream.name
        for each in unknown
    )
    near = {name: closest(name.rpartition(".")[2], known) for name in names}
    hints = "".join(f"Is {close} meant by {name}? " for name, close in near.items() if close)
    return config_error(
        f"The catalog selects streams that do not exist: {', '.join(names)}. {hints}Refresh the "
        "schema of the connection, or take them out of the catalog."
        f"{' The other streams were read.' if others_read else ''}"
    )


def _errors_of(
    missing_urls: Mapping[str, str], catalog: ConfiguredAirbyteCatalog
) -> Iterator[AirbyteMessage]:
    """Yield the error of each stream of a catalog that has no configured URL."""
    for configured in catalog.streams:
        name = configured.stream.name
        if name in missing_urls:
            yield stream_status(configured.stream, AirbyteStreamStatus.INCOMPLETE)
            yield config_error(missing_urls[name]).as_sanitized_airbyte_message(
                stream_descriptor=StreamDescriptor(name=name)
            )


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
