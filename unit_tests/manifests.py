"""Each manifest is made once for many tests: every test needs it, for half a second."""

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from airbyte_cdk.sources.declarative import concurrent_declarative_source
from airbyte_cdk.sources.declarative.models.declarative_component_schema import DeclarativeStream
from airbyte_cdk.sources.declarative.parsers.manifest_component_transformer import (
    ManifestComponentTransformer,
)
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import (
    ManifestReferenceResolver,
)
from airbyte_cdk.sources.declarative.parsers.model_to_component_factory import (
    ModelToComponentFactory,
)
from jsonschema import Draft7Validator

from source_clockify import source
from source_clockify.assembly import assemble_manifest
from source_clockify.manifest import without_schemas
from source_clockify.manifest_file import load_manifest


def make_once(patch: pytest.MonkeyPatch) -> None:
    """Load, resolve and validate each manifest once instead of for every command.

    The CDK also judges the schema of the spec before each command; test_configuration does it once.
    """
    _make_manifests_once(patch)
    _resolve_once(patch)
    _parse_streams_once(patch)
    patch.setattr(
        concurrent_declarative_source,
        "get_declarative_component_schema",
        functools.cache(concurrent_declarative_source.get_declarative_component_schema),
    )
    patch.setattr(Draft7Validator, "check_schema", lambda *_, **__: None)


def _make_manifests_once(patch: pytest.MonkeyPatch) -> None:
    loaded = load_manifest()

    @functools.cache
    def with_components(selected: frozenset[str] | None, tracked: frozenset[str]) -> dict[str, Any]:
        return assemble_manifest(loaded, selected, tracked)

    def cached_components(manifest: Any, selected: Any, tracked: Any) -> dict[str, Any]:
        return with_components(None if selected is None else frozenset(selected), tracked)

    bare: dict[int, tuple[Any, dict[str, Any]]] = {}

    def cached_without_schemas(manifest: Any) -> dict[str, Any]:
        place = id(manifest["streams"])
        if place not in bare:
            # The list is kept, so no other gets its place.
            bare[place] = manifest["streams"], without_schemas(manifest)
        return bare[place][1]

    patch.setattr(source, "without_schemas", cached_without_schemas)
    patch.setattr(source, "load_manifest", lambda: loaded)
    patch.setattr(source, "assemble_manifest", cached_components)


def _resolve_once(patch: pytest.MonkeyPatch) -> None:
    made: dict[tuple[str, int, int], tuple[Any, Any]] = {}

    def once(step: str, manifest: Mapping[str, Any], make: Callable[[], Any]) -> Any:
        place = (step, id(manifest["streams"]), id(manifest.get("definitions")))
        if place not in made:
            # The manifest is kept, so no other gets its place.
            made[place] = manifest, make()
        return made[place][1]

    resolve = ManifestReferenceResolver.preprocess_manifest
    propagate = ManifestComponentTransformer.propagate_types_and_parameters
    validate = concurrent_declarative_source.validate_manifest

    def cached_resolve(self: Any, manifest: dict[str, Any]) -> dict[str, Any]:
        if "streams" not in manifest:
            return resolve(self, manifest)
        return dict(once("resolve", manifest, lambda: resolve(self, manifest)))

    def cached_propagate(
        self: Any, field: str, component: Mapping[str, Any], *parameters: Any, **more: Any
    ) -> dict[str, Any]:
        def make() -> dict[str, Any]:
            return propagate(self, field, component, *parameters, **more)

        # The manifest is the only component that no field holds.
        return make() if field else dict(once("propagate", component, make))

    def cached_validate(manifest: dict[str, Any], schema: Any) -> None:
        once("validate", manifest, lambda: validate(manifest, schema))

    patch.setattr(ManifestReferenceResolver, "preprocess_manifest", cached_resolve)
    patch.setattr(ManifestComponentTransformer, "propagate_types_and_parameters", cached_propagate)
    patch.setattr(concurrent_declarative_source, "validate_manifest", cached_validate)


def _parse_streams_once(patch: pytest.MonkeyPatch) -> None:
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
