"""Everything that changes a class of the CDK or touches a private name of another package.

Each function says why there is no public way.
"""

import ast
import json
import logging
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import airbyte_cdk
import requests
from airbyte_cdk.connector import BaseConnector
from airbyte_cdk.models import AirbyteMessage, ConfiguredAirbyteCatalog, StreamDescriptor, Type
from airbyte_cdk.sources.concurrent_source import concurrent_read_processor
from airbyte_cdk.sources.concurrent_source.concurrent_read_processor import ConcurrentReadProcessor
from airbyte_cdk.sources.concurrent_source.stream_thread_exception import StreamThreadException
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from airbyte_cdk.sources.declarative.extractors.record_selector import RecordSelector
from airbyte_cdk.sources.declarative.incremental import ConcurrentPerPartitionCursor
from airbyte_cdk.sources.declarative.interpolation import jinja
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import (
    ManifestReferenceResolver,
)
from airbyte_cdk.sources.declarative.retrievers import SimpleRetriever
from airbyte_cdk.sources.declarative.stream_slicers.declarative_partition_generator import (
    DeclarativePartition,
)
from airbyte_cdk.sources.streams.call_rate import (
    APIBudget,
    CachedLimiterSession,
    CallRateLimitHit,
)
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor, FinalStateCursor
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.streams.http.http_client import HttpClient
from airbyte_cdk.sources.types import Record
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from requests_cache.backends.sqlite import SQLiteCache

from source_clockify.record_batches import Message, RecordBatch
from source_clockify.request_scope import current_scope

logger = logging.getLogger("airbyte")

_MANY_PARTITIONS = 1_000_000

BUDGET_IS_USED_UP = "The requests that Request Budget (plan) allows within an hour are used up."

# What the streams that are being built keep their listings in.
_request_cache: ContextVar[SQLiteCache | None] = ContextVar("request_cache", default=None)


class StreamsSource(ConcurrentDeclarativeSource):
    """The CDK's source, with public names for what a source that wraps its streams needs.

    The CDK's `read` builds the streams itself, and its parts have private names only.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._request_caches: list[SQLiteCache] = []
        super().__init__(*arguments, **named)

    def build_streams(self) -> list[AbstractStream]:
        """Return the streams of the manifest, in its order; each call starts a request budget."""
        with _shared_request_cache() as cache:
            self._request_caches.append(cache)
            return super().streams(self._config)

    def forget_answers(self) -> None:
        """Empty the request caches; no stream that was built may be read any more."""
        while self._request_caches:
            self._request_caches.pop().close()  # type: ignore[no-untyped-call]

    def read_streams(
        self, streams: Sequence[AbstractStream], catalog: ConfiguredAirbyteCatalog
    ) -> Iterator[Message]:
        """Read those of the streams that the catalog names; batches come where they read them."""
        selected = self._select_streams(streams=list(streams), configured_catalog=catalog)
        # The CDK waits for ever for the end of no stream.
        if selected:
            yield from self._concurrent_source.read(selected)

    def emit(self, message: AirbyteMessage) -> None:
        """Send a message to where the records go, after those that were sent before."""
        self._message_repository.emit_message(message)

    def take_queued(self) -> Iterator[AirbyteMessage]:
        """Yield the messages that were sent by `emit` and still wait, and forget them."""
        yield from self._message_repository.consume_queue()

    def full_refresh_cursor(self, stream_name: str) -> Cursor:
        """Return a cursor whose state says that there is none."""
        return FinalStateCursor(stream_name, None, self._message_repository)

    @staticmethod
    def send_cursor_state(cursor: Cursor, patience: float = -1) -> None:
        """Send the state of a cursor of the manifest, which does so only once in ten minutes.

        Args:
            patience: for how many seconds to wait for a thread that uses the cursor; negative:
                until it does not.
        """
        if not isinstance(cursor, ConcurrentPerPartitionCursor):
            return
        if cursor._lock.acquire(timeout=patience):
            try:
                cursor._emit_state_message(throttle=False)
            finally:
                cursor._lock.release()

    def _validate_source(self) -> None:
        """Spare each command the validation of the manifest, which is part of the package.

        A test validates what is made of it.
        """

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration with its migrations and transformations."""
        return dict(self._config)


def read_data(partition: Partition) -> Iterator[dict[str, Any]]:
    """Yield the data of the records of a partition of the manifest.

    The CDK passes every record through fifteen generators, most of them for features that the
    manifest does not use. A partition that uses one is read by the CDK.
    """
    if not isinstance(partition, DeclarativePartition) or not _is_plain(partition):
        for record in partition.read():
            yield cast(dict[str, Any], record.data)
        return
    retriever = cast(SimpleRetriever, partition._retriever)
    select = partial(_select, cast(RecordSelector, retriever.record_selector), partition)
    # What it yields is what it gets, of which it looks at the last.
    rows: Iterable[Any] = retriever._read_pages(select, partition._stream_slice)
    yield from rows


def _is_plain(partition: DeclarativePartition) -> bool:
    """Return whether the partition is read as `_select` does it."""
    retriever = partition._retriever
    selector = retriever.record_selector if type(retriever) is SimpleRetriever else None
    return (
        type(retriever) is SimpleRetriever
        and type(selector) is RecordSelector
        and not selector.file_uploader
        and not retriever.post_pagination_filter
        and not retriever.request_window_splitting
        and not partition._schema_loader.get_json_schema()
        and partition._max_records_limit is None
    )


def _select(
    selector: RecordSelector, partition: DeclarativePartition, response: requests.Response | None
) -> Iterator[Any]:
    """Yield the rows of a page as `RecordSelector` does, but not as records."""
    if not response:
        return
    selected = rows = selector._extract_and_count(response)
    steps = [selector._transform] if selector.transformations else []
    if selector.record_filter:
        place = 1 if selector.transform_before_filtering else 0
        steps.insert(place, selector.record_filter.filter_records)
    for step in steps:
        selected = step(selected, {}, partition._stream_slice)
    yield from selected
    # The filter may have left before the end of the page, which is counted there.
    for _ in rows:
        pass


def resolve_references(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest without references; what several refer to is one object in it.

    The CDK's resolver goes through what is referred to for each reference anew, and through streams
    once more where they are defined.
    """
    return _ResolverOnce().preprocess_manifest(manifest)


class _ResolverOnce(ManifestReferenceResolver):
    """Resolves each reference once."""

    def __init__(self) -> None:
        self._resolved: dict[str, Any] = {}

    def _evaluate_node(self, node: Any, manifest: Mapping[str, Any], visited: set[Any]) -> Any:
        if not self._is_ref(node):
            return super()._evaluate_node(node, manifest, visited)
        if node not in self._resolved:
            self._resolved[node] = super()._evaluate_node(node, manifest, visited)
        return self._resolved[node]


def patch_cdk() -> None:
    """Change what holds for every command; more than one call changes nothing."""
    # Above its limit the CDK keeps one cursor for all partitions, and a workspace that failed or a
    # user that is new would start where the others are.
    ConcurrentPerPartitionCursor.SWITCH_TO_GLOBAL_LIMIT = _MANY_PARTITIONS
    ConcurrentPerPartitionCursor.DEFAULT_MAX_PARTITIONS_NUMBER = _MANY_PARTITIONS
    _keep_request_cache_in_memory()
    # The CDK reads files in the encoding of the locale.
    BaseConnector._read_json_file = staticmethod(_read_json_file)  # type: ignore[assignment, method-assign]
    _announce_budget_waits()
    _quieten_logs()
    _report_failures_once()
    _pass_on_batches()


# What the CDK's modules log at these levels is its routine: progress.py says more, and waits.py has
# said why a request is sent again. An error of a request is raised too, with the same text.
_CDK_ROUTINE: Mapping[str, Sequence[int]] = {
    "sources/concurrent_source/concurrent_read_processor.py": [logging.INFO],
    "sources/concurrent_source/concurrent_source.py": [logging.INFO],
    "sources/declarative/incremental/concurrent_partition_cursor.py": [logging.INFO],
    "sources/streams/http/http_client.py": [logging.INFO, logging.ERROR],
    "sources/streams/http/rate_limiting.py": [logging.INFO, logging.ERROR],
}
_CDK_FOLDER = str(Path(airbyte_cdk.__file__).parent) + "/"


class RoutineFilter(logging.Filter):
    """Turns the routine of the CDK into messages at level DEBUG, and leaves out tracebacks.

    The CDK logs five lines about each stream whatever happens, and the traceback of errors that
    say themselves what is to be done. There is no setting for either.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.pathname.startswith(_CDK_FOLDER):
            return True
        is_debugging = logging.getLogger(record.name).isEnabledFor(logging.DEBUG)
        if _is_routine(record):
            record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
            return is_debugging
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, AirbyteTracedException) and not is_debugging:
            text = record.getMessage()
            record.msg = text if str(error) in text else f"{text} {error}"
            record.args = record.exc_info = record.exc_text = None
        return True


def _is_routine(record: logging.LogRecord) -> bool:
    module = record.pathname.removeprefix(_CDK_FOLDER)
    if module == "utils/memory_monitor.py":
        # Afterwards it tells that memory runs short.
        return record.funcName == "__init__" and record.levelno == logging.INFO
    if module.startswith("sources/streams/http/") and current_scope() is None:
        # Nobody else has taken note of it.
        return False
    return record.levelno in _CDK_ROUTINE.get(module, ())


def _quieten_logs() -> None:
    for handler in logging.getLogger().handlers:
        if not any(isinstance(each, RoutineFilter) for each in handler.filters):
            handler.addFilter(RoutineFilter())


def _report_failures_once() -> None:
    """Let a failure of a stream be reported once, however many of its partitions meet it.

    The CDK logs each with its traceback, emits each, and repeats all of them at the end.
    """
    on_exception = ConcurrentReadProcessor.on_exception
    if getattr(on_exception, "reports_once", False):
        return

    def report_exception(
        self: ConcurrentReadProcessor, exception: StreamThreadException
    ) -> Iterable[AirbyteMessage]:
        stream, error = exception.stream_name, exception.exception
        if not isinstance(error, AirbyteTracedException):
            yield from on_exception(self, exception)
            return
        reported = {str(each) for each in self._exceptions_per_stream_name.get(stream, ())}
        self._flag_exception(stream, error)
        if str(error) in reported:
            return
        logger.error("%s: %s", stream, error)
        if logger.isEnabledFor(logging.DEBUG):
            # The CDK's messages at this level have no tracebacks of their own.
            text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            logger.debug("%s: %s", stream, text)
        yield error.as_sanitized_airbyte_message(StreamDescriptor(name=stream))

    def summary(stream_failures: Mapping[str, list[Exception]]) -> str:
        names = ", ".join(stream_failures)
        return f"These streams failed: {names}. Each has an error of its own above."

    vars(report_exception)["reports_once"] = True
    ConcurrentReadProcessor.on_exception = report_exception  # type: ignore[method-assign]
    concurrent_read_processor.generate_failed_streams_error_message = summary


def _pass_on_batches() -> None:
    """Let a batch of records be yielded in place of a message, and count its records.

    The CDK makes a message of every item of its queue that is a record, and counts that as one.
    """
    on_record = ConcurrentReadProcessor.on_record
    if getattr(on_record, "passes_on_batches", False):
        return

    def pass_on(self: ConcurrentReadProcessor, record: Record) -> Iterable[Message]:
        if not isinstance(record, RecordBatch):
            yield from on_record(self, record)
            return
        try:
            for message in on_record(self, record):
                yield record if message.type is Type.RECORD else message
        finally:
            record.release()
        # One was counted.
        self._record_counter[record.stream_name] += record.count - 1

    vars(pass_on)["passes_on_batches"] = True
    ConcurrentReadProcessor.on_record = pass_on  # type: ignore[assignment, method-assign]


def _announce_budget_waits() -> None:
    """Let a request that waits for the request budget say so, and count those that are sent.

    The CDK logs such a wait at level DEBUG only, and sleeps through it.
    """
    acquire = APIBudget.acquire_call
    if getattr(acquire, "announces_waits", False):
        return

    def acquire_call(
        self: APIBudget, request: Any, block: bool = True, timeout: float | None = None
    ) -> None:
        scope = current_scope()
        if scope is None or not block or timeout is not None:
            acquire(self, request, block, timeout)
            return
        while True:
            try:
                acquire(self, request, block=False)
                break
            except CallRateLimitHit as hit:
                scope.waits.wait(hit.time_to_wait.total_seconds(), scope.stream, BUDGET_IS_USED_UP)
        scope.progress.count_request(scope.stream)

    vars(acquire_call)["announces_waits"] = True
    APIBudget.acquire_call = acquire_call  # type: ignore[method-assign]


def _read_json_file(path: str) -> Any:
    with open(path, encoding="utf-8-sig") as file:
        content = file.read()
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


def _keep_request_cache_in_memory() -> None:
    """Let the request cache write no file, and keep POST requests too.

    A file holds personal data, and the key in the headers of each request, and a killed process
    leaves it behind. Without a folder the CDK names one database for the whole process, from which
    a later sync would read the listings of an earlier one; where SQLite takes no URIs it is a file.
    POST requests: several streams read the search for users.
    """
    make_session = HttpClient._request_session
    if getattr(make_session, "keeps_cache_in_memory", False):
        return

    def request_session(self: HttpClient) -> requests.Session:
        if not self._use_cache:
            return make_session(self)
        return CachedLimiterSession(
            cache_name="memory",
            backend=_request_cache.get() or _new_request_cache(),
            api_budget=self._api_budget,
            match_headers=True,
            allowable_methods=("GET", "HEAD", "POST"),
        )

    vars(request_session)["keeps_cache_in_memory"] = True
    HttpClient._request_session = request_session  # type: ignore[method-assign]


@contextmanager
def _shared_request_cache() -> Iterator[SQLiteCache]:
    """Let the streams that are built within share a request cache."""
    cache = _new_request_cache()
    token = _request_cache.set(cache)
    try:
        yield cache
    finally:
        _request_cache.reset(token)


def _new_request_cache() -> SQLiteCache:
    return SQLiteCache(":memory:")


def is_unread(response: requests.Response) -> bool:
    """Return whether the body is still to be read.

    The public `content` would read all of it, however large.
    """
    return vars(response)["_content"] is False


def replace_content(response: requests.Response, content: bytes) -> None:
    """Let the response have this body, in place of what was or would be read.

    `requests` offers neither to limit a body while it is read nor to change one, and the CDK takes
    nothing but the response itself.
    """
    response._content = content
    vars(response)["_content_consumed"] = True


def serialize_literal_eval() -> None:
    """Let one thread at a time parse what a template of the manifest evaluated to.

    Python 3.11 before 3.11.8 counts how deep it is in an expression for all threads together, and
    raises SystemError when two parse at the same time (CPython issue 106905).
    """
    if not (3, 11) <= sys.version_info < (3, 11, 8) or jinja.ast is not ast:
        return
    lock = threading.Lock()

    def literal_eval(text: Any) -> Any:
        with lock:
            return ast.literal_eval(text)

    vars(jinja)["ast"] = SimpleNamespace(literal_eval=literal_eval)
