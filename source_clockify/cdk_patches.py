"""Everything that changes a class of the CDK or uses a private name of another package.

Each function says why there is no public alternative.
"""

import ast
import json
import logging
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from itertools import islice
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
from airbyte_cdk.sources.declarative import concurrent_declarative_source
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.extractors.record_filter import RecordFilter
from airbyte_cdk.sources.declarative.extractors.record_selector import (
    _EXTRACTED_RECORD_COUNT,
    RecordSelector,
)
from airbyte_cdk.sources.declarative.incremental import ConcurrentPerPartitionCursor
from airbyte_cdk.sources.declarative.interpolation import jinja
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import (
    ManifestReferenceResolver,
)
from airbyte_cdk.sources.declarative.retrievers import SimpleRetriever
from airbyte_cdk.sources.declarative.stream_slicers.declarative_partition_generator import (
    DeclarativePartition,
)
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.streams.call_rate import (
    APIBudget,
    CachedLimiterSession,
    CallRateLimitHit,
)
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor, FinalStateCursor
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.streams.http.http_client import HttpClient
from airbyte_cdk.sources.types import Config, Record, StreamSlice, StreamState
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from requests_cache.backends.sqlite import SQLiteCache

from source_clockify.record_batches import Chunk, Message, RecordBatch
from source_clockify.request_scope import current_scope

logger = logging.getLogger("airbyte")

_MANY_PARTITIONS = 1_000_000

# The rows of a chunk whose extractor returns one at a time.
_ROWS_AT_ONCE = 20

BUDGET_IS_USED_UP = "The requests that Request Budget (plan) allows within an hour are used up."

# The cache for the listings of the streams being built.
_request_cache: ContextVar[SQLiteCache | None] = ContextVar("request_cache", default=None)


class StreamsSource(ConcurrentDeclarativeSource):
    """The CDK's source, with public names for the parts that a source with wrapped streams needs.

    The CDK's `read` builds the streams itself, and its parts have private names only.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._request_caches: list[SQLiteCache] = []
        with _without_component_schema():
            super().__init__(*arguments, **named)

    def build_streams(self) -> list[AbstractStream]:
        """Return the manifest's streams in order; each call starts a new request budget."""
        with _shared_request_cache() as cache:
            self._request_caches.append(cache)
            return super().streams(self._config)

    def forget_answers(self) -> None:
        """Empty the request caches; streams built so far MUST NOT be read any more."""
        while self._request_caches:
            self._request_caches.pop().close()  # type: ignore[no-untyped-call]

    def read_streams(
        self, streams: Sequence[AbstractStream], catalog: ConfiguredAirbyteCatalog
    ) -> Iterator[Message]:
        """Read the streams selected by the catalog; streams that read in batches yield batches."""
        selected = self._select_streams(streams=list(streams), configured_catalog=catalog)
        # Without streams the CDK would wait forever.
        if selected:
            yield from self._concurrent_source.read(selected)

    def emit(self, message: AirbyteMessage) -> None:
        """Send a message behind the records that were sent before it."""
        self._message_repository.emit_message(message)

    def take_queued(self) -> Iterator[AirbyteMessage]:
        """Yield the queued messages sent by `emit`, and remove them."""
        yield from self._message_repository.consume_queue()

    def full_refresh_cursor(self, stream_name: str) -> Cursor:
        """Return a cursor whose state says that there is no cursor."""
        return FinalStateCursor(stream_name, None, self._message_repository)

    @staticmethod
    def send_cursor_state(cursor: Cursor, patience: float = -1) -> None:
        """Send the state of a manifest cursor, which by itself does so every ten minutes at most.

        Args:
            patience: the seconds to wait for a thread that uses the cursor; negative: until it has
                finished.
        """
        if not isinstance(cursor, ConcurrentPerPartitionCursor):
            return
        if cursor._lock.acquire(timeout=patience):
            try:
                cursor._emit_state_message(throttle=False)
            finally:
                cursor._lock.release()

    def _validate_source(self) -> None:
        """Skip the validation of the manifest, which is part of the package, in each command.

        A test validates the assembled manifest.
        """

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration with its migrations and transformations."""
        return dict(self._config)

    def change_settings(self, **changes: Any) -> None:
        """Change settings of the streams that are built from now on."""
        self._config = {**self._config, **changes}


# Sources may be built in several threads.
_schema_lock = threading.RLock()


@contextmanager
def _without_component_schema() -> Iterator[None]:
    """Keep the CDK from loading the schema for the validation that `StreamsSource` skips."""
    with _schema_lock:
        load_schema = concurrent_declarative_source.get_declarative_component_schema
        concurrent_declarative_source.get_declarative_component_schema = dict
        try:
            yield
        finally:
            concurrent_declarative_source.get_declarative_component_schema = load_schema


class ChunkExtractor(RecordExtractor, ABC):
    """An extractor that returns several rows at once."""

    @abstractmethod
    def extract_chunks(self, response: requests.Response) -> Iterator[Chunk] | None:
        """Return the rows of `extract_records`; None if it has to be called."""


class ChunkTransformation(RecordTransformation, ABC):
    """A transformation of several rows at once, which depends on nothing else."""

    @abstractmethod
    def transform_chunk(self, rows: Chunk) -> None: ...

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        self.transform_chunk([record])


def read_chunks(partition: Partition) -> Iterator[Chunk]:
    """Yield the data of the records of a manifest partition in chunks of a page.

    The CDK passes every record through fifteen generators, mostly for features that the manifest
    does not use. Partitions that do use one are read by the CDK.
    """
    if not isinstance(partition, DeclarativePartition) or not _is_plain(partition):
        for record in partition.read():
            yield [cast(dict[str, Any], record.data)]
        return
    retriever = cast(SimpleRetriever, partition._retriever)
    select = partial(_select, cast(RecordSelector, retriever.record_selector), partition)
    # Besides the chunks it yields the last row of each page, which is only for its paginator.
    selected: Iterable[Any] = retriever._read_pages(select, partition._stream_slice)
    yield from (rows for rows in selected if type(rows) is list)


def _is_plain(partition: DeclarativePartition) -> bool:
    """Return whether `_select` reads the partition correctly."""
    retriever = partition._retriever
    selector = retriever.record_selector if type(retriever) is SimpleRetriever else None
    return (
        type(retriever) is SimpleRetriever
        and type(selector) is RecordSelector
        and not selector.file_uploader
        and not retriever.additional_query_properties
        and not retriever.post_pagination_filter
        and not retriever.request_window_splitting
        and not partition._schema_loader.get_json_schema()
        and partition._max_records_limit is None
    )


def _select(
    selector: RecordSelector, partition: DeclarativePartition, response: requests.Response | None
) -> Iterator[Any]:
    """Yield the rows of a page that `RecordSelector` selects in chunks, then the last one again.

    `SimpleRetriever._read_pages` passes on what it gets, and its paginator looks at the last row.
    """
    if not response:
        return
    steps = [_transform] if selector.transformations else []
    if selector.record_filter:
        steps.insert(1 if selector.transform_before_filtering else 0, _filter)
    last: dict[str, Any] | None = None
    for rows in _extract(selector, response):
        for step in steps:
            rows = step(selector, rows, partition._stream_slice)
        if rows:
            last = rows[-1]
            yield rows
    if last is not None:
        yield last


def _extract(selector: RecordSelector, response: requests.Response) -> Iterator[Chunk]:
    """Yield the rows of a page, and count them as `RecordSelector` does."""
    extractor = selector.extractor
    chunks = extractor.extract_chunks(response) if isinstance(extractor, ChunkExtractor) else None
    if chunks is None:
        rows = selector._extract_and_count(response)
        while found := [*islice(rows, _ROWS_AT_ONCE)]:
            yield cast(Chunk, found)
        return
    count = 0
    for chunk in chunks:
        count += len(chunk)
        yield chunk
    setattr(response, _EXTRACTED_RECORD_COUNT, count)


def _transform(selector: RecordSelector, rows: Chunk, stream_slice: StreamSlice) -> Chunk:
    if not all(isinstance(each, ChunkTransformation) for each in selector.transformations):
        return cast(Chunk, [*selector._transform(rows, {}, stream_slice)])
    for transformation in cast(list[ChunkTransformation], selector.transformations):
        transformation.transform_chunk(rows)
    return rows


def _filter(selector: RecordSelector, rows: Chunk, stream_slice: StreamSlice) -> Chunk:
    record_filter = cast(RecordFilter, selector.record_filter)
    return cast(Chunk, [*record_filter.filter_records(rows, {}, stream_slice)])


def resolve_references(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest without references; shared definitions are a single object.

    The CDK's resolver processes a definition anew for each reference to it, and streams a second
    time where they are defined.
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
    """Apply the patches that every command needs; idempotent."""
    # Above its limit the CDK keeps one cursor for all partitions, and a failed workspace or a new
    # user would start from the position of the others.
    ConcurrentPerPartitionCursor.SWITCH_TO_GLOBAL_LIMIT = _MANY_PARTITIONS
    ConcurrentPerPartitionCursor.DEFAULT_MAX_PARTITIONS_NUMBER = _MANY_PARTITIONS
    _keep_request_cache_in_memory()
    # The CDK reads files in the encoding of the locale.
    BaseConnector._read_json_file = staticmethod(_read_json_file)  # type: ignore[assignment, method-assign]
    _announce_budget_waits()
    _quieten_logs()
    _report_failures_once()
    _pass_on_batches()


# Routine messages of the CDK's modules at these levels: progress.py says more, and waits.py has
# explained a retry. Errors of requests are also raised, with the same text.
_CDK_ROUTINE: Mapping[str, Sequence[int]] = {
    "sources/concurrent_source/concurrent_read_processor.py": [logging.INFO],
    "sources/concurrent_source/concurrent_source.py": [logging.INFO],
    "sources/declarative/incremental/concurrent_partition_cursor.py": [logging.INFO],
    "sources/streams/http/http_client.py": [logging.INFO, logging.ERROR],
    "sources/streams/http/rate_limiting.py": [logging.INFO, logging.ERROR],
}
_CDK_FOLDER = str(Path(airbyte_cdk.__file__).parent) + "/"


class RoutineFilter(logging.Filter):
    """Demotes routine messages of the CDK to level DEBUG and removes tracebacks.

    The CDK logs five lines about each stream in any case, and the traceback of errors that name
    their own remedy. It has no setting for either.
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
        # Later messages warn that memory runs short.
        return record.funcName == "__init__" and record.levelno == logging.INFO
    if module.startswith("sources/streams/http/") and current_scope() is None:
        # Nothing else has logged it.
        return False
    return record.levelno in _CDK_ROUTINE.get(module, ())


def _quieten_logs() -> None:
    for handler in logging.getLogger().handlers:
        if not any(isinstance(each, RoutineFilter) for each in handler.filters):
            handler.addFilter(RoutineFilter())


def _report_failures_once() -> None:
    """Make the CDK report a stream's failure once, however many of its partitions encounter it.

    The CDK logs each with its traceback, emits each, and repeats them all at the end.
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
            # The CDK's messages at this level have no traceback of their own.
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
    """Make the CDK yield a batch of records in place of a message, and count its records.

    The CDK turns every record in its queue into a message and counts it as one.
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
        # One has been counted.
        self._record_counter[record.stream_name] += record.count - 1

    vars(pass_on)["passes_on_batches"] = True
    ConcurrentReadProcessor.on_record = pass_on  # type: ignore[assignment, method-assign]


def _announce_budget_waits() -> None:
    """Make requests announce waits for the request budget, and count those that are sent.

    The CDK only logs such a wait at level DEBUG, and sleeps.
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
    """Keep the request cache out of files, and let it cache POST requests as well.

    A file holds personal data and, in the headers of each request, the key; a killed process leaves
    it behind. Without a folder the CDK names one database for the whole process, from which a later
    sync would read the listings of an earlier one; where SQLite supports no URIs it is a file. POST
    requests are cached because several streams use the search for users.
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
    """Let the streams built in this context share a request cache."""
    cache = _new_request_cache()
    token = _request_cache.set(cache)
    try:
        yield cache
    finally:
        _request_cache.reset(token)


def _new_request_cache() -> SQLiteCache:
    return SQLiteCache(":memory:")


def is_unread(response: requests.Response) -> bool:
    """Return whether the body has not been read yet.

    The public `content` would read all of it, regardless of its size.
    """
    return vars(response)["_content"] is False


def replace_content(response: requests.Response, content: bytes) -> None:
    """Replace the body of a response, read or not.

    `requests` can neither limit a body while reading it nor replace it, and the CDK accepts only a
    response.
    """
    response._content = content
    vars(response)["_content_consumed"] = True


def serialize_literal_eval() -> None:
    """Let only one thread at a time parse the result of a manifest template.

    Python 3.11 before 3.11.8 counts the depth of an expression across all threads, and raises
    SystemError when two parse at the same time (CPython issue 106905).
    """
    if not (3, 11) <= sys.version_info < (3, 11, 8) or jinja.ast is not ast:
        return
    lock = threading.Lock()

    def literal_eval(text: Any) -> Any:
        with lock:
            return ast.literal_eval(text)

    vars(jinja)["ast"] = SimpleNamespace(literal_eval=literal_eval)
