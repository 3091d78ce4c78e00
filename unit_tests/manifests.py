"""Each manifest is made once for many tests: every test needs it, for half a second."""

import functools
import json
from typing import Any

import pytest
from airbyte_cdk.sources.declarative import concurrent_declarative_source
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from airbyte_cdk.sources.declarative.models.declarative_component_schema import DeclarativeStream
from airbyte_cdk.sources.declarative.parsers.model_to_component_factory import (
    ModelToComponentFactory,
)
from jsonschema import Draft7Validator

from source_clockify import source
from source_clockify.assembly import assemble_manifest
from source_clockify.manifest import load_manifest


def make_once(patch: pytest.MonkeyPatch) -> None:
    """Load, resolve and validate each manifest once instead of for every command.

    The CDK also judges the schema of the spec before each command; test_configuration does it once.
    """
    resolve = ConcurrentDeclarativeSource._pre_process_manifest
    resolved: dict[int, tuple[Any, dict[str, Any]]] = {}
    loaded = load_manifest()

    def cached_resolve(self: Any, manifest: dict[str, Any]) -> dict[str, Any]:
        # The list is kept, so no other gets its place.
        streams = manifest["streams"]
        if id(streams) in resolved:
            self._validate_source = lambda: None
        else:
            resolved[id(streams)] = streams, resolve(self, manifest)
        return dict(resolved[id(streams)][1])

    @functools.cache
    def with_components(selected: frozenset[str] | None, tracked: frozenset[str]) -> dict[str, Any]:
        return assemble_manifest(loaded, selected, tracked)

    def cached_components(manifest: Any, selected: Any, tracked: Any) -> dict[str, Any]:
        return with_components(None if selected is None else frozenset(selected), tracked)

    create = ModelToComponentFactory.create_component
    parsed: dict[str, Any] = {}

    def cached_create(
        self: Any, model_type: Any, component_definition: Any, config: Any, **more: Any
    ) -> Any:
        if model_type is not DeclarativeStream:
            return create(self, model_type, component_definition, config, **more)
        key = json.dumps(component_definition, default=repr)
        if key not in parsed:
            parsed[key] = model_type.parse_obj(component_definition)
        return self._create_component_from_model(model=parsed[key], config=config, **more)

    patch.setattr(ModelToComponentFactory, "create_component", cached_create)
    patch.setattr(ConcurrentDeclarativeSource, "_pre_process_manifest", cached_resolve)
    patch.setattr(
        concurrent_declarative_source,
        "get_declarative_component_schema",
        functools.cache(concurrent_declarative_source.get_declarative_component_schema),
    )
    patch.setattr(Draft7Validator, "check_schema", lambda *_, **__: None)
    patch.setattr(source, "load_manifest", lambda: loaded)
    patch.setattr(source, "assemble_manifest", cached_components)
