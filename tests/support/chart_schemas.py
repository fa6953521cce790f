"""Judges rendered objects by schemas, offline: Kubernetes' own, the CRD's, hand-kept subsets of others'."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate

from tests.support.chart import Object, crd

OLDEST, NEWEST = "1.30", "1.37"
SUBSETS = Path(__file__).parents[1] / "chart" / "schemas"


class InvalidError(AssertionError):
    """An object that an API server would refuse, or would take and drop fields of."""


def judge(one: Object, version: str) -> None:
    """Raise InvalidError with the object's name and the fault."""
    try:
        if one["kind"] == "ConnectionFleet":
            judge_fleet(one)
        elif (subset := SUBSETS / f"{one['kind'].lower()}.json").exists():
            jsonschema.validate(one, json.loads(subset.read_text(encoding="utf-8")))
        else:
            kubernetes_validate.validate(one, version, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as fault:
        raise InvalidError(f"{one['kind']} {one['metadata']['name']} in {version}: {fault}") from fault


def judge_fleet(one: Object) -> None:
    """By the CRD's schema and its rules; unknown fields, which would be dropped, are faults."""
    [version] = crd()["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    jsonschema.validate(one, _closed({**schema, "properties": {**schema["properties"], "metadata": {}}}))
    _judge_rules(one["spec"], schema["properties"]["spec"], "spec")


def _closed(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(properties := schema.get("properties"), dict):
        closed["properties"] = {key: _closed(value) for key, value in properties.items()}
        closed["additionalProperties"] = False
    return closed


class _Self:
    """`self` of a rule: fields by name, objects inside objects."""

    def __init__(self, fields: dict[str, Any]) -> None:
        for name, value in fields.items():
            setattr(self, name, _Self(value) if isinstance(value, dict) else value)


def _judge_rules(value: Any, schema: dict[str, Any], path: str) -> None:
    """The rules are sums and comparisons, which read the same in CEL and Python; others do not parse."""
    for rule in schema.get("x-kubernetes-validations", ()):
        if not eval(rule["rule"], {"__builtins__": {}}, {"self": _Self(value)}):
            raise jsonschema.ValidationError(f"{path}: {rule['message']}")
    for name, inner in schema.get("properties", {}).items():
        if name in value and inner.get("type") == "object":
            _judge_rules(value[name], inner, f"{path}.{name}")
